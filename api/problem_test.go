package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/api"
)

// codes are the values of all constants of the package whose names begin with Code.
func codes(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") || len(spec.Values) != 1 {
				return true
			}
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				value, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, value)
			}
			return true
		})
	}
	return found
}

func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	constants := codes(t)
	if len(constants) < 10 {
		t.Fatalf("found only the codes %q", constants)
	}
	for _, code := range constants {
		if c, ok := api.Meaning(code); !ok || c.Meaning == "" || c.Remedy == "" || c.Status < 400 {
			t.Errorf("code %s is not explained: %+v", code, c)
		}
	}
	seen := make(map[string]bool)
	for _, c := range api.Codes {
		if !slices.Contains(constants, c.Code) || seen[c.Code] {
			t.Errorf("%s is no constant, or explained twice", c.Code)
		}
		seen[c.Code] = true
	}
	if !slices.IsSortedFunc(api.Codes, func(a, b api.Code) int { return a.Status - b.Status }) {
		t.Error("codes are not in the order of their statuses")
	}
}
