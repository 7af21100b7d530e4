package httpapi_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	examples "github.com/headsup-bot/headsup/examples/api"
)

var (
	links = regexp.MustCompile(`(?:href|src|action|srcset|data)="([^"]*)"`)
	ids   = regexp.MustCompile(` id="([^"]*)"`)
)

// TestDocsPageNeedsNobodyElse: the page works offline, runs nothing, and every link in it leads somewhere.
func TestDocsPageNeedsNobodyElse(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "GET", "/docs", "")
	page, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%d %s", w.Code, w.Header())
	}
	if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy %q", policy)
	}
	for _, sign := range []string{"<script", "<style", " style=", " on", "javascript:"} {
		for tag := range strings.SplitSeq(page, "<") {
			if head, _, _ := strings.Cut(tag, ">"); strings.Contains("<"+head, sign) {
				t.Errorf("the page has %q in <%s>", sign, head)
			}
		}
	}
	known := make(map[string]bool)
	for _, m := range ids.FindAllStringSubmatch(page, -1) {
		if known[m[1]] {
			t.Errorf("the id %s is there twice", m[1])
		}
		known[m[1]] = true
	}
	for _, m := range links.FindAllStringSubmatch(page, -1) {
		switch anchor, inside := strings.CutPrefix(m[1], "#"); {
		case inside && !known[anchor]:
			t.Errorf("a link leads to %s, which is nowhere", m[1])
		case inside:
		case f.call(t, "GET", m[1], "").Code != http.StatusOK || strings.Contains(m[1], "//"):
			t.Errorf("a link leads to %s", m[1])
		}
	}
	style := f.call(t, "GET", "/docs/style.css", "")
	if strings.Contains(style.Body.String(), "url(") || strings.Contains(style.Body.String(), "@import") || style.Body.Len() == 0 {
		t.Error("the style sheet is empty or asks for more")
	}
}

func TestDocsPageHasEverything(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	d, page := f.document(t), html.UnescapeString(f.call(t, "GET", "/docs", "").Body.String())
	has := func(what, text string) {
		t.Helper()
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %s: %q", what, text)
		}
	}
	for path, operations := range d.Paths {
		for _, op := range operations {
			has("an operation", ` id="`+op.ID+`"`)
			has("a path", "<code>"+path+"</code>")
			has("a scope", "A key needs the scope <code>"+op.Security[0]["key"][0]+"</code>")
			for _, p := range op.Parameters {
				has("a parameter", "<code>"+p.Name+"</code>")
			}
		}
	}
	for name, s := range d.Components.Schemas {
		has("a type", ` id="type-`+name+`"`)
		for member := range s.Properties {
			has("a member", "<code>"+member+"</code>")
		}
	}
	for _, c := range api.Codes {
		has("a code", ` id="problem-`+c.Code+`"`)
		has("a meaning", c.Meaning)
		has("a remedy", c.Remedy)
	}
	for _, e := range examples.Examples {
		has("an example", e.Source)
	}
	has("the server's address", `curl "http://example.com/v1/notifications"`)
}

// TestSamplesAreAccepted sends the sample bodies of the document to the routes that they are for.
func TestSamplesAreAccepted(t *testing.T) {
	t.Parallel()
	raw := newAPI(t).call(t, "GET", "/openapi.json", "")
	type sampled struct {
		RequestBody *struct {
			Content map[string]struct {
				Example jsontext.Value `json:"example"`
			} `json:"content"`
		} `json:"requestBody"`
	}
	d := decode[struct {
		Paths map[string]map[string]sampled `json:"paths"`
	}](t, raw)
	sent := 0
	for path, operations := range d.Paths {
		for method, op := range operations {
			if op.RequestBody == nil || op.RequestBody.Content["application/json"].Example == nil {
				continue
			}
			sent++
			f := newAPI(t)
			f.sees(t, "test", "x", func(s *book.Sighting) { s.Reference.User = &activity.ChannelAccount{ID: "dl_ann"} })
			f.call(t, "POST", "/v1/jobs", `{"to":{"user":"dl_ann"}}`)
			w := f.call(t, strings.ToUpper(method), filled(path, nil), string(op.RequestBody.Content["application/json"].Example))
			if w.Code >= 300 && w.Code != http.StatusNotFound {
				t.Errorf("%s %s: the sample is answered %d %s", method, path, w.Code, w.Body)
			}
		}
	}
	if sent < 4 {
		t.Errorf("only %d samples", sent)
	}
}
