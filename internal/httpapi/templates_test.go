package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/api"
)

const dealTemplate = `{"description":"A deal was won.","default_language":"en","parameters":[
	{"name":"deal","type":"object","required":true,"example":{"name":"Contoso","amount":1200}}],
	"languages":{"en":{"markdown":"**${data.deal.name}**: ${number(data.deal.amount)}","summary":"${data.deal.name}"},
	"de":{"card":{"type":"AdaptiveCard","version":"1.5","body":[{"type":"TextBlock","text":"${data.deal.name}"}]}}}}`

func (f fixture) template(t *testing.T, name, body string) api.Template {
	t.Helper()
	w := f.call(t, "PUT", "/v1/templates/"+name, body)
	if w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return decode[api.Template](t, w)
}

func TestTemplateIsWrittenAndShown(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	first := f.template(t, "deal", dealTemplate)
	if first.Name != "deal" || first.Version != 1 || first.DefaultLanguage != "en" || len(first.Parameters) != 1 || len(first.Languages) != 2 ||
		string(first.Languages["en"].Markdown) != `"**${data.deal.name}**: ${number(data.deal.amount)}"` || first.EndedAt != nil {
		t.Errorf("it is %+v", first)
	}
	if w := f.call(t, "PUT", "/v1/templates/deal", dealTemplate); w.Code != http.StatusOK || decode[api.Template](t, w).Version != 1 {
		t.Errorf("the same again: %d %s", w.Code, w.Body)
	}
	second := f.template(t, "deal", `{"default_language":"en","languages":{"en":{"text":"x"}}}`)
	f.template(t, "other", `{"default_language":"en","languages":{"en":{"text":["x","y"]}}}`)
	if second.Version != 2 {
		t.Errorf("it is version %d", second.Version)
	}
	if got := decode[api.Template](t, f.call(t, "GET", "/v1/templates/deal", "")); got.Version != 2 {
		t.Errorf("shown is version %d", got.Version)
	}
	if got := decode[api.Template](t, f.call(t, "GET", "/v1/templates/deal?version=1", "")); got.Version != 1 || got.EndedAt == nil || got.Description != "A deal was won." {
		t.Errorf("version 1 is %+v", got)
	}
	all := decode[api.Templates](t, f.call(t, "GET", "/v1/templates?limit=1", ""))
	if len(all.Templates) != 1 || all.Templates[0].Name != "other" || all.NextCursor == "" {
		t.Errorf("the list begins with %+v", all)
	}
	all = decode[api.Templates](t, f.call(t, "GET", "/v1/templates?cursor="+all.NextCursor, ""))
	if len(all.Templates) != 1 || all.Templates[0].Name != "deal" || all.Templates[0].Languages[0] != "en" || all.NextCursor != "" {
		t.Errorf("the list ends with %+v", all)
	}
	versions := decode[api.Templates](t, f.call(t, "GET", "/v1/templates/deal/versions?limit=1", ""))
	if len(versions.Templates) != 1 || versions.Templates[0].Version != 2 || versions.NextCursor == "" {
		t.Errorf("the versions begin with %+v", versions)
	}
	versions = decode[api.Templates](t, f.call(t, "GET", "/v1/templates/deal/versions?cursor="+versions.NextCursor, ""))
	if len(versions.Templates) != 1 || versions.Templates[0].Version != 1 {
		t.Errorf("the versions end with %+v", versions)
	}
	if w := f.call(t, "DELETE", "/v1/templates/deal", ""); w.Code != http.StatusNoContent {
		t.Errorf("deleted: %d %s", w.Code, w.Body)
	}
	for _, path := range []string{"deal", "deal?version=1", "deal/versions"} {
		if w := f.call(t, "GET", "/v1/templates/"+path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestTemplateIsSaid(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.template(t, "deal", dealTemplate)
	w := f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"template":{"name":"deal","data":{"deal":{"name":"*A*","amount":1234}}}}`)
	n := decode[api.Notification](t, w)
	if w.Code != http.StatusAccepted || !strings.Contains(string(n.Activity), `"version":1`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w = f.call(t, "POST", "/v1/notifications/"+n.ID+"/edit", `{"template":{"data":{"deal":{"name":"B","amount":1}}}}`)
	if w.Code != http.StatusOK {
		t.Errorf("edited: %d %s", w.Code, w.Body)
	}
	s := f.scheduled(t, `{"rule":{"cron":"0 9 * * *"},"notification":{"to":{"user":"ann"},"template":{"name":"deal","version":1,"data":{"deal":{"name":"A","amount":1}}}}}`)
	if use := s.Notification.Template; use == nil || use.Name != "deal" || use.Version != 1 || !strings.Contains(string(use.Data), `"A"`) {
		t.Errorf("the schedule says %+v", use)
	}
	job := decode[api.Job](t, f.call(t, "POST", "/v1/jobs", `{"to":{"user":"ann"}}`))
	if w := f.call(t, "POST", "/v1/jobs/1/progress", `{"template":{"name":"deal","data":{"deal":{"name":"A","amount":1}}},"percent":5}`); w.Code != http.StatusOK {
		t.Errorf("progress of %d: %d %s", job.Number, w.Code, w.Body)
	}
	if w := f.call(t, "POST", "/v1/jobs/1/complete", `{"template":{"name":"deal","data":{"deal":{"name":"A","amount":1}}}}`); w.Code != http.StatusOK {
		t.Errorf("completed: %d %s", w.Code, w.Body)
	}
	for _, c := range []struct{ path, body, field string }{
		{"notifications", `{"to":{"user":"ann"},"template":{"name":"nothing"}}`, "body.template.name"},
		{"notifications", `{"to":{"user":"ann"},"template":{"name":"deal"}}`, "body.template.data.deal"},
		{"notifications", `{"to":{"user":"ann"},"text":"x","template":{"name":"deal"}}`, "body.template"},
		{"notifications", `{"to":{"user":"ann"},"template":{"name":"deal","data":{"deal":{}}}}`, "body.template.languages.en.markdown"},
		{"schedules", `{"rule":{"in":"1h"},"notification":{"to":{"user":"ann"},"template":{"name":"deal"}}}`, "body.notification.template.data.deal"},
		{"notifications/batch", `{"notifications":[{"to":{"user":"ann"},"template":{"name":"deal"}}]}`, "body.notifications[0].template.data.deal"},
	} {
		w := f.call(t, "POST", "/v1/"+c.path, c.body)
		p := decode[api.Problem](t, w)
		if c.path == "notifications/batch" {
			p = *decode[api.BatchResult](t, w).Results[0].Problem
		}
		if len(p.Errors) != 1 || p.Errors[0].Field != c.field {
			t.Errorf("%s is answered %d %s", c.body, w.Code, w.Body)
		}
	}
}

func TestWrongTemplatesAreToldWithTheirPlace(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	for _, c := range []struct{ name, body, field, message string }{
		{"deal", `{"default_language":"en","languages":{"en":{"text":"a ${data.x}"}}}`, "body.languages.en.text", "column 10: x is no parameter of the template"},
		{"deal", `{"default_language":"de","languages":{"en":{"text":"a"}}}`, "body.default_language", "is none of languages"},
		{"deal", `{"default_language":"en","languages":{"en":{"card":{"type":"AdaptiveCard","version":"1.5","body":[{"type":"TextBlock","text":"${"}]}}}}`,
			"body.languages.en.card.body[0].text", "column 1: ${ has no end"},
		{"a%20b", `{"default_language":"en","languages":{"en":{"text":"a"}}}`, "path.name", "is not 1 to 64"},
		{"deal", `{"default_language":"en","languages":{}}`, "body.languages", ""},
		{"deal", `{"default_language":"en","languages":{"en":{"text":"x","html":"y"}}}`, "body.languages.en.html", ""},
		{"deal", `{"default_language":"en","languages":{"en":{"text":"x"}},"parameters":[{"name":"1","type":"any"}]}`, "body.parameters[0].name", ""},
		{"deal", `{"default_language":"en","languages":{"en":{"text":"x"}},"parameters":[{"name":"a","type":"integer","example":"x"}]}`, "body.parameters[0].example", "is not an integer"},
	} {
		w := f.call(t, "PUT", "/v1/templates/"+c.name, c.body)
		p := decode[api.Problem](t, w)
		if w.Code != http.StatusUnprocessableEntity || len(p.Errors) == 0 || p.Errors[0].Field != c.field || !strings.HasPrefix(p.Errors[0].Message, c.message) {
			t.Errorf("%s is answered %d %s", c.body, w.Code, w.Body)
		}
	}
	if w := f.call(t, "DELETE", "/v1/templates/nothing", ""); w.Code != http.StatusNotFound {
		t.Errorf("nothing is deleted: %d %s", w.Code, w.Body)
	}
}
