package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/api"
)

func forms(p api.Preview) map[string]api.PreviewForm {
	all := make(map[string]api.PreviewForm)
	for _, f := range p.Forms {
		all[f.Form] = f
	}
	return all
}

func (f fixture) preview(t *testing.T, body string) api.Preview {
	t.Helper()
	w := f.call(t, "POST", "/v1/previews", body)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return decode[api.Preview](t, w)
}

func TestPreviewShowsEveryForm(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	p := f.preview(t, `{"notice":{"what":"The *invoice* needs you","item":{"title":"INV-2041","url":"https://erp.example/1"},"severity":"warning",
		"facts":[{"title":"Amount","value":"€ 5"}],"actions":[{"do":"do","name":"approve","title":"Approve"}]},"locale":"de","topic":"invoices"}`)
	all := forms(p)
	for form, words := range map[string][]string{
		"teams": {`"AdaptiveCard"`, "INV-2041", `"Action.Execute"`}, "webchat": {`"AdaptiveCard"`, `"Action.Submit"`},
	} {
		for _, word := range words {
			if !strings.Contains(string(all[form].Activity), word) {
				t.Errorf("%s has no %s: %s", form, word, all[form].Activity)
			}
		}
	}
	if !strings.Contains(all["markdown"].Text, `\*invoice\*`) || !strings.Contains(all["plain"].Text, "The *invoice* needs you") ||
		!strings.Contains(all["email"].HTML, "<html") || !strings.Contains(all["email"].Subject, "invoice") || all["sms"].Segments < 1 ||
		all["sms"].Encoding != "gsm7" && all["sms"].Encoding != "ucs2" || !strings.Contains(p.Summary, "invoice") {
		t.Errorf("it is %+v", p)
	}
	for form, shown := range all {
		if shown.Size <= 0 || shown.Limit < shown.Size || shown.TooLarge {
			t.Errorf("%s is %d of %d", form, shown.Size, shown.Limit)
		}
	}
	p = f.preview(t, `{"card":{"type":"AdaptiveCard","version":"1.5","body":[{"type":"TextBlock","text":"`+strings.Repeat("x", 40_000)+`"}]}}`)
	all = forms(p)
	if !all["teams"].TooLarge || all["webchat"].TooLarge || !all["sms"].TooLarge || len([]rune(p.Summary)) != 150 {
		t.Errorf("a large card: %v %v %v", all["teams"].TooLarge, all["webchat"].TooLarge, all["sms"].TooLarge)
	}
	p = f.preview(t, `{"markdown":"**x**","summary":"s"}`)
	if all := forms(p); p.Summary != "s" || !strings.Contains(all["email"].HTML, "<strong>x</strong>") || all["sms"].Segments != 1 {
		t.Errorf("Markdown is %+v", p)
	}
}

func TestPreviewOfTemplates(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.template(t, "deal", dealTemplate)
	p := f.preview(t, `{"template":{"name":"deal"},"locale":"fr"}`)
	if got := forms(p)["markdown"].Text; p.Language != "en" || got != "**Contoso**: 1,200" || p.Summary != "Contoso" {
		t.Errorf("of its examples it is %q in %q", got, p.Language)
	}
	p = f.preview(t, `{"template":{"name":"deal","data":{"deal":{"name":"*A*","amount":1}}},"locale":"de-CH","recipient":{"name":"Ann","time_zone":"Europe/Zurich"}}`)
	if got := string(forms(p)["webchat"].Activity); p.Language != "de" || !strings.Contains(got, `\\*A\\*`) {
		t.Errorf("of data it is %s in %q", got, p.Language)
	}
	p = f.preview(t, `{"draft":{"default_language":"en","parameters":[{"name":"n","type":"integer","example":3}],"languages":{"en":{"text":"${recipient.name}: ${data.n}"}}},"recipient":{"name":"Ann"}}`)
	if got := forms(p)["plain"].Text; got != "Ann: 3" {
		t.Errorf("of a draft it is %q", got)
	}
	for _, c := range []struct{ body, field string }{
		{`{}`, "body.text"},
		{`{"text":"x","markdown":"y"}`, "body.markdown"},
		{`{"template":{"name":"nothing"}}`, "body.template.name"},
		{`{"template":{"name":"deal","version":9}}`, "body.template.version"},
		{`{"template":{"name":"deal","data":{"deal":5}}}`, "body.template.data.deal"},
		{`{"template":{"name":"deal","data":{"deal":{}}}}`, "body.template.languages.en.markdown"},
		{`{"draft":{"default_language":"en","languages":{"en":{"text":"${x}"}}}}`, "body.draft.languages.en.text"},
		{`{"draft":{"default_language":"en","languages":{"en":{"text":"x"}}},"template":{"name":"deal"}}`, "body.template.name"},
		{`{"notice":{"what":"x","actions":[{"do":"open","title":"x","url":"javascript:x"}]}}`, "body.notice.actions[0].url"},
	} {
		w := f.call(t, "POST", "/v1/previews", c.body)
		if p := decode[api.Problem](t, w); w.Code != http.StatusUnprocessableEntity || len(p.Errors) != 1 || p.Errors[0].Field != c.field {
			t.Errorf("%s is answered %d %s", c.body, w.Code, w.Body)
		}
	}
}
