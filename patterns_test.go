package headsup_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// patterns are functions that read a text as a program of some kind: an expression, a template, a glob.
var patterns = regexp.MustCompile(`^(regexp\.(MustCompile|Compile|MatchString|Match|CompilePOSIX|MustCompilePOSIX)|template\.\w*Parse\w*|path\.Match|filepath\.(Match|Glob)|fs\.Glob|expr\.(Compile|Eval))$`)

// likes are operators of SQL that read a value as a pattern.
var likes = regexp.MustCompile(`(?i)\b(LIKE|ILIKE|GLOB|REGEXP|SIMILAR TO|MATCH)\s+[$?:@'a-z]|\s!?~\*?\s+[$']`)

// TestNobodysTextIsRunAsAPattern (B13, B15): what people and callers write is compared, and never read as a regular expression, a
// template, a glob or a pattern of SQL. So every pattern in the program stands in its source, but for the expressions of templates,
// which only those who may manage write, and which run within limits: package template.
func TestNobodysTextIsRunAsAPattern(t *testing.T) {
	t.Parallel()
	files, seen := token.NewFileSet(), 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == "pgtest" || strings.HasPrefix(d.Name(), ".") && path != "."):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				of, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || len(n.Args) == 0 || !patterns.MatchString(name(of)) {
					return true
				}
				if seen++; !constant(n.Args[0]) && !embedded(n.Args) && !(name(of) == "expr.Compile" && filepath.Dir(path) == "template") {
					t.Errorf("%s: %s takes a pattern that is not in the source", files.Position(n.Pos()), name(of))
				}
			case *ast.BasicLit:
				if n.Kind == token.STRING && strings.HasPrefix(path, "store") && likes.MatchString(n.Value) {
					t.Errorf("%s: SQL reads a value as a pattern: %s", files.Position(n.Pos()), n.Value)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 5 {
		t.Errorf("only %d patterns were found: does the test still see them?", seen)
	}
}

func name(s *ast.SelectorExpr) string {
	if x, ok := s.X.(*ast.Ident); ok {
		return x.Name + "." + s.Sel.Name
	}
	return ""
}

// constant reports whether an expression is made of texts in the source.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.BinaryExpr:
		return constant(e.X) && constant(e.Y)
	case *ast.ParenExpr:
		return constant(e.X)
	}
	return false
}

// embedded reports whether a template comes from files that are built in.
func embedded(args []ast.Expr) bool {
	x, ok := args[0].(*ast.Ident)
	return ok && (strings.HasSuffix(x.Name, "Text") || strings.HasSuffix(x.Name, "Files"))
}
