package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/internal/config"
)

var update = flag.Bool("update", false, "write docs/ anew")

func TestDocsAreUpToDate(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"configuration.md":    config.Reference(),
		"headsup.sample.yaml": config.Sample(),
	} {
		path := filepath.Join("..", "..", "docs", name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("docs/%s is not what the settings say; make generate writes it", name)
		}
	}
}

// TestSampleIsTheDefaults reads the sample as it is and with everything in it, which must be the same.
func TestSampleIsTheDefaults(t *testing.T) {
	t.Parallel()
	whole := strings.Builder{}
	for line := range strings.Lines(config.Sample()) {
		if after, commented := strings.CutPrefix(line, "#"); commented && !strings.HasPrefix(after, " ") && strings.Contains(after, ":") ||
			commented && strings.HasPrefix(after, "  ") && !strings.HasPrefix(after, "   ") {
			line = after
		}
		whole.WriteString(line)
	}
	for name, text := range map[string]string{"as it is": config.Sample(), "with everything": whole.String()} {
		got, err := load(t, nil, nil, text)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		defaults, err := load(t, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got.Values() {
			if d := defaults.Values()[i]; d.Value != v.Value {
				t.Errorf("%s: %s is %q, by default %q", name, v.Path, v.Value, d.Value)
			}
			if name == "with everything" && v.Origin.Source != config.SourceFile {
				t.Errorf("%s is not in the sample", v.Path)
			}
		}
	}
}
