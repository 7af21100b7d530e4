package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const dealTemplate = `{"default_language":"en","description":"A deal was won.",
	"parameters":[{"name":"deal","type":"string","required":true,"example":"Contoso"}],
	"languages":{"en":{"text":"${data.deal} was won."},"de":{"text":"${data.deal} ist gewonnen."}}}`

func TestTemplatesAreWrittenShownAndSaid(t *testing.T) {
	t.Parallel()
	url := running(t)
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	written := file("deal.json", dealTemplate)
	if out := called(t, url, "templates", "put", "deal", written); out != "deal is version 1\n" {
		t.Errorf("put printed %q", out)
	}
	if out := called(t, url, "templates", "list"); !strings.Contains(out, "deal") || !strings.Contains(out, "de,en") {
		t.Errorf("list printed %q", out)
	}
	got := called(t, url, "templates", "get", "deal")
	again := file("again.json", strings.Replace(got, "was won.", "has been won.", 1))
	called(t, url, "templates", "put", "deal", again)
	if out := called(t, url, "templates", "put", "deal", again); out != "deal is version 2\n" {
		t.Errorf("the same again printed %q", out)
	}
	if out := called(t, url, "templates", "list", "deal"); strings.Count(out, "\n") != 3 {
		t.Errorf("the versions are %q", out)
	}
	if out := called(t, url, "templates", "get", "deal", "--number", "1"); out != got {
		t.Errorf("version 1 is %q, was %q", out, got)
	}
	out := called(t, url, "templates", "preview", "deal", "--locale", "de-CH")
	if !strings.Contains(out, "Contoso ist gewonnen.") || !strings.Contains(out, "1 segment, gsm7") {
		t.Errorf("preview printed %q", out)
	}
	values := file("values.json", `{"deal":"Fabrikam"}`)
	if out := called(t, url, "templates", "preview", "--file", written, "--values", values); !strings.Contains(out, "Fabrikam was won.") {
		t.Errorf("the preview of a file printed %q", out)
	}
	if out := called(t, url, "send", "--to", "dl_ann", "--template", "deal", "--values", values); !strings.Contains(out, "delivered") {
		t.Errorf("send printed %q", out)
	}
	wrong := file("wrong.json", strings.Replace(dealTemplate, "${data.deal} was", "${data.order} was", 1))
	if code, _, errs := pipe(t, "", "templates", "put", "deal", wrong, "--server", url); code != 1 || !strings.Contains(errs, "column 8: order is no parameter of the template") {
		t.Errorf("a wrong one: %d, %q", code, errs)
	}
	for _, args := range [][]string{
		{"templates", "preview"}, {"templates", "preview", "deal", "--file", written}, {"send", "--to", "x", "--values", values, "text"},
		{"send", "--to", "x", "--template", "deal", "text"},
	} {
		if code, _, errs := pipe(t, "", append(args, "--server", url)...); code != 2 || errs == "" {
			t.Errorf("%v: %d, %q", args, code, errs)
		}
	}
	if out := called(t, url, "templates", "delete", "deal"); out != "deal is deleted\n" {
		t.Errorf("delete printed %q", out)
	}
}
