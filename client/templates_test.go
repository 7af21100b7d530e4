package client_test

import (
	"slices"
	"testing"

	"github.com/headsup-bot/headsup/api"
)

func TestTemplates(t *testing.T) {
	t.Parallel()
	const path = "/v1/templates/deal"
	one := `{"name":"deal","version":2}`
	c, asked := answering(t, map[string]string{
		"PUT " + path:                          one,
		"GET " + path:                          one,
		"GET " + path + "?version=1":           `{"name":"deal","version":1}`,
		"POST /v1/previews":                    `{"summary":"x","forms":[{"form":"sms"}]}`,
		"DELETE " + path:                       "",
		"GET /v1/templates?limit=200":          `{"templates":[{"name":"a"}],"next_cursor":"c"}`,
		"GET /v1/templates?cursor=c&limit=200": `{"templates":[{"name":"b"}]}`,
		"GET " + path + "/versions?limit=200":  `{"templates":[{"version":2},{"version":1}]}`,
	})
	check := func(what string, ok bool, err error) {
		t.Helper()
		if err != nil || !ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	put, err := c.PutTemplate(t.Context(), "deal", api.TemplateRequest{
		DefaultLanguage: "en", Languages: map[string]api.TemplateContent{"en": {Text: []byte(`"x"`)}},
	})
	check("put", put.Version == 2, err)
	got, err := c.Template(t.Context(), "deal", 0)
	check("get", got.Version == 2, err)
	got, err = c.Template(t.Context(), "deal", 1)
	check("get a version", got.Version == 1, err)
	p, err := c.Preview(t.Context(), api.PreviewRequest{Template: &api.TemplateUse{Name: "deal"}})
	check("preview", len(p.Forms) == 1, err)
	check("delete", true, c.DeleteTemplate(t.Context(), "deal"))
	var names []string
	for s, err := range c.Templates(t.Context()) {
		check("list", true, err)
		names = append(names, s.Name)
	}
	check("list", slices.Equal(names, []string{"a", "b"}), nil)
	var versions []int
	for s, err := range c.TemplateVersions(t.Context(), "deal") {
		check("versions", true, err)
		versions = append(versions, s.Version)
	}
	check("versions", slices.Equal(versions, []int{2, 1}), nil)
	if want := `PUT ` + path + ` {"default_language":"en","languages":{"en":{"text":"x"}}}`; !slices.Contains(asked.all(), want) {
		t.Errorf("asked %q, not %q", asked.all(), want)
	}
	if _, err := c.Template(t.Context(), "..", 0); err == nil {
		t.Error("dots are a name")
	}
}
