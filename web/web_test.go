package web_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/headsup-bot/headsup/web"
)

func TestFilesAreRootedBelowDist(t *testing.T) {
	t.Parallel()
	if _, err := fs.Stat(web.Files(), "README.md"); err != nil {
		t.Fatalf("the placeholder is not at the root of the files: %v", err)
	}
}

func TestBuiltMeansThePlaygroundIsThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  bool
	}{
		"placeholder only": {fstest.MapFS{"README.md": {}}, false},
		"start page only":  {fstest.MapFS{"index.html": {}}, false},
		"a folder instead": {fstest.MapFS{"playground/index.html/x": {}}, false},
		"both pages":       {fstest.MapFS{"index.html": {}, "playground/index.html": {}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := web.Built(c.files); got != c.want {
				t.Fatalf("Built = %v, want %v", got, c.want)
			}
		})
	}
}
