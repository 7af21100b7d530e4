package template_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/template"
)

const parameters = `[{"name":"deal","type":"object"},{"name":"n","type":"integer"},{"name":"rows","type":"array"},
	{"name":"at","type":"time"},{"name":"url","type":"string"},{"name":"s","type":"string"},{"name":"x","type":"any"}]`

func source(t *testing.T, languages string) template.Source {
	t.Helper()
	var src template.Source
	if err := json.Unmarshal(fmt.Appendf(nil, `{"default_language":"en","parameters":%s,"languages":%s}`, parameters, languages), &src); err != nil {
		t.Fatal(err)
	}
	return src
}

func parse(t *testing.T, languages string) *template.Template {
	t.Helper()
	parsed, err := template.Compile(source(t, languages))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// one is a template with one content in English.
func one(form, content string) string { return fmt.Sprintf(`{"en":{%q:%s}}`, form, content) }

// say binds data; locale and zone are the recipient's.
func say(t *testing.T, parsed *template.Template, data, locale, zone string) (template.Bound, error) {
	t.Helper()
	read, err := parsed.ReadData(jsontext.Value(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Bind(template.Input{
		Data: read.For(""), Recipient: template.Recipient{Name: "Ann", Locale: locale, TimeZone: zone, ExternalID: "4711"},
		Notification: template.Notification{ID: "ntf_1", Topic: "deals"},
	})
}

func TestTextIsBound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, data, locale, want string }{
		{`"no expression, $5 {x} and $${literal}"`, `{}`, "en", "no expression, $5 {x} and ${literal}"},
		{`"${data.s}"`, `{"s":"a *b* ${data.n} {{x}}"}`, "en", "a *b* ${data.n} {{x}}"},
		{`"${data.s}!"`, `{}`, "en", "!"},
		{`"${data.s ?? 'none'} ${data.n + 1} ${data.n > 2 ? \"many\" : \"few\"}"`, `{"n":3}`, "en", "none 4 many"},
		{`"${data.deal?.owner?.name ?? 'nobody'}: ${data.deal['name']}"`, `{"deal":{"name":"x"}}`, "en", "nobody: x"},
		{`"${recipient.name}, ${recipient.external_id}, ${notification.topic}"`, `{}`, "en", "Ann, 4711, deals"},
		{`["a", {"$when":"${data.n == 1}","line":"b"}, {"$each":"${data.rows}","line":"${index + 1}. ${item.a}"}]`,
			`{"n":2,"rows":[{"a":"x"},{"a":"y"}]}`, "en", "a\n1. x\n2. y"},
		{`["a", {"$each":"${data.rows}","$when":"${item > 1}","line":"${item}"}]`, `{"rows":[1,2,3]}`, "en", "a\n2\n3"},
		{`["a", {"$each":"${data.rows}","line":"${item}"}]`, `{}`, "en", "a"},
		{`"${number(data.n)} ${number(data.n, 2)} ${percent(data.x)}"`, `{"n":1234567,"x":0.25}`, "de", "1,234,567 1,234,567.00 25%"},
		{`"${number(data.n)}"`, `{"n":1234567}`, "en-IN", "12,34,567"},
		{`"${plural(data.n, 'one file', '# files')}"`, `{"n":1}`, "en", "one file"},
		{`"${plural(data.n, 'one file', '# files')}"`, `{"n":1000}`, "en", "1,000 files"},
		{`"${date(data.at)} ${time(data.at)} ${datetime(data.at, 'short')}"`, `{"at":"2026-12-24T18:30:00Z"}`, "en-GB", "24 December 2026 19:30 24/12/2026, 19:30"},
		{`"${date(data.at)} ${time(data.at)}"`, `{"at":"2026-12-24T23:30:00Z"}`, "en-US", "December 25, 2026 12:30 am"},
		{`"${date(data.at, 'full')}"`, `{"at":"2026-12-24"}`, "en-US", "Thursday, December 24, 2026"},
		{`"${upper(data.s)} ${truncate(data.s, 4)} ${len(data.s)} ${join(data.rows)} ${join(data.rows, '+')}"`,
			`{"s":"größe","rows":["a",1]}`, "en", "GRÖßE grö… 5 a, 1 a+1"},
		{`"${round(data.x, 1)} ${string(data.n)} ${trim(data.s)} ${lower('ABC')} ${data.s | trim() | upper()}"`, `{"x":2.345,"n":7,"s":" b "}`, "en", "2.3 7 b abc B"},
		{`"${data.s contains 'b' && data.n in [1, 2] && not (data.s startsWith 'c')}"`, `{"s":"ab","n":2}`, "en", "true"},
		{`"${data.x}"`, `{"x":12345678901234}`, "en", "12345678901234"},
		{`"${data.x}"`, `{"x":0.1}`, "en", "0.1"},
	} {
		got, err := say(t, parse(t, one("text", c.text)), c.data, c.locale, "Europe/Berlin")
		if err != nil || strings.ReplaceAll(got.Text, "\u00a0", " ") != c.want {
			t.Errorf("%s of %s is %q, %v, want %q", c.text, c.data, got.Text, err, c.want)
		}
	}
}

func TestPluralsOfOtherLanguages(t *testing.T) {
	t.Parallel()
	parsed := parse(t, `{"en":{"text":"x"},"pl":{"text":"${plural(data.n, 'one', '# plik', 'few', '# pliki', 'many', '# plików', 'other', '# pliku')}"}}`)
	for n, want := range map[string]string{"1": "1 plik", "2": "2 pliki", "5": "5 plików", "22": "22 pliki"} {
		if got, err := say(t, parsed, `{"n":`+n+`}`, "pl-PL", ""); err != nil || got.Text != want {
			t.Errorf("%s is %q, %v, want %q", n, got.Text, err, want)
		}
	}
}

func TestTimesOfNobodysZoneSaySo(t *testing.T) {
	t.Parallel()
	parsed := parse(t, `{"en":{"text":"x"},"de":{"text":"${time(data.at)} ${number(data.x)} ${percent(0.25)}"}}`)
	got, err := say(t, parsed, `{"at":"2026-12-24T18:30:00Z","x":1234.5}`, "de-DE", "")
	if err != nil || got.Text != "18:30 UTC 1.234,5 25\u00a0%" {
		t.Errorf("%q, %v", got.Text, err)
	}
}

func TestLanguagesFallBack(t *testing.T) {
	t.Parallel()
	parsed := parse(t, `{"en":{"text":"en"},"de":{"text":"de"},"de-CH":{"text":"de-CH"},"pt-PT":{"text":"pt-PT"},"zh-Hant":{"text":"zh-Hant"},"es-419":{"text":"es-419"},"es":{"text":"es"}}`)
	for locale, want := range map[string]string{
		"de": "de", "de-DE": "de", "de-CH": "de-CH", "de-CH-1996": "de-CH", "DE-at": "de", "pt-AO": "pt-PT", "pt-BR": "en", "zh-TW": "zh-Hant",
		"zh-CN": "en", "es-MX": "es-419", "es-ES": "es", "en-GB": "en", "": "en", "xx": "en", "not a language": "en", "tlh": "en",
	} {
		if got, err := say(t, parsed, `{}`, locale, ""); err != nil || got.Language != want || got.Text != want {
			t.Errorf("%q is spoken to in %q, %v, want %q", locale, got.Language, err, want)
		}
	}
}

// hostile is data that wants to be more than text.
const hostile = `*b* _i_ [bank](http://evil.example) <at>Boss</at> <b>x</b> {{DATE(2026-01-01T00:00:00Z, SHORT)}} ${data.n} # h`

func TestDataIsNoMarkdown(t *testing.T) {
	t.Parallel()
	data := jsontextOf(t, map[string]any{"s": hostile, "url": "https://x.example/a(b)?c=d"})
	got, err := say(t, parse(t, one("markdown", `"**${data.s}** ${raw(data.url)}"`)), data, "en", "")
	if err != nil {
		t.Fatal(err)
	}
	want := `**\*b\* \_i\_ \[bank\](http://evil.example) \<at>Boss\</at> \<b>x\</b> {\{DATE(2026-01-01T00:00:00Z, SHORT)}} ${data.n} # h** https://x.example/a(b)?c=d`
	if got.Markdown != want {
		t.Errorf("it is %s", got.Markdown)
	}
	for data, want := range map[string]string{"- a": `\- a`, "1. a": `1\. a`, "a\n=": "a\n\\=", "+1": `\+1`, "a - b": "a - b"} {
		got, err := say(t, parse(t, one("markdown", `"${data.s}"`)), jsontextOf(t, map[string]any{"s": data}), "en", "")
		if err != nil || got.Markdown != want {
			t.Errorf("%q is %q, %v", data, got.Markdown, err)
		}
	}
}

func TestLinksAreLinks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ markdown, data, want string }{
		{`"[a](${data.s})"`, "https://x.example/a(b)_c", "[a](https://x.example/a%28b%29_c)"},
		{`"[a](https://x.example/${data.s}?q=${data.s})"`, "a b/c)", "[a](https://x.example/a%20b%2Fc%29?q=a%20b%2Fc%29)"},
		{`"[a](https://x.example/${raw(data.s)})"`, "b/c", "[a](https://x.example/b/c)"},
		{`"[a](${data.s})"`, "javascript:alert(1)", ""},
		{`"[a](${data.s})"`, " https://x.example", ""},
		{`"[a](${data.s})"`, "/relative", ""},
		{`"a ${data.s}"`, "[a](javascript:x)", `a \[a\](javascript:x)`},
		{`"${raw(data.s)}"`, `\\[a\\](javascript:x)`, ""},
		{`"[a](java${raw(data.s)})"`, "script:alert(1)", ""},
		{`"${raw(data.s)}"`, "[a](javascript:alert(1))", ""},
		{`"${raw(data.s)}"`, "[a]: <JavaScript:alert(1)>", ""},
		{`"<${data.s}>"`, "vbscript:x", ""},
		{`"[a]: ${data.s}"`, "data:text/html,x", ""},
	} {
		got, err := say(t, parse(t, one("markdown", c.markdown)), jsontextOf(t, map[string]any{"s": c.data}), "en", "")
		if err != nil != (c.want == "") || got.Markdown != c.want {
			t.Errorf("%s with %q is %q, %v", c.markdown, c.data, got.Markdown, err)
		}
	}
}

func jsontextOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestCardIsBoundNodeByNode(t *testing.T) {
	t.Parallel()
	parsed := parse(t, one("card", `{"type":"AdaptiveCard","version":"1.5","speak":"<s>${data.s}</s>","body":[
		{"type":"TextBlock","text":"**${data.s}**","isVisible":"${data.n > 1}","maxLines":"${data.n}"},
		{"type":"TextBlock","text":"${data.n}","$when":"${data.n > 100}"},
		{"type":"RichTextBlock","inlines":[{"type":"TextRun","text":"${data.s}"}]},
		{"type":"FactSet","facts":[{"$each":"${data.rows}","title":"${item.a}","value":"${item.b}"}]},
		{"type":"Image","url":"${data.url}","altText":"${data.s}"},
		{"type":"New","text":"${data.s}"}],
		"actions":[{"type":"Action.OpenUrl","title":"Open ${data.s}","url":"${data.url}"},
		{"type":"Action.Submit","title":"Go","data":{"deal":"${data.deal}","s":"${data.s}","type":"${data.s}"}}],
		"fallbackText":"${data.x}"}`))
	data := jsontextOf(t, map[string]any{
		"s": "*{{DATE(x)}}<", "n": 2, "rows": []any{map[string]any{"a": "[x](y)", "b": 5}}, "url": "https://x.example/p",
		"deal": map[string]any{"a": []int{1}, "b": nil},
	})
	got, err := say(t, parsed, data, "en", "")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"AdaptiveCard","version":"1.5","speak":"<s>*{{DATE(x)}}&lt;</s>","body":[` +
		`{"type":"TextBlock","text":"**\\*{\\{DATE(x)}}\\<**","isVisible":true,"maxLines":2},` +
		`{"type":"RichTextBlock","inlines":[{"type":"TextRun","text":"*{` + "\u2060" + `{DATE(x)}}<"}]},` +
		`{"type":"FactSet","facts":[{"title":"\\[x\\](y)","value":"5"}]},` +
		`{"type":"Image","url":"https://x.example/p","altText":"*{{DATE(x)}}<"},` +
		`{"type":"New","text":"\\*{\\{DATE(x)}}\\<"}],` +
		`"actions":[{"type":"Action.OpenUrl","title":"Open *{` + "\u2060" + `{DATE(x)}}<","url":"https://x.example/p"},` +
		`{"type":"Action.Submit","title":"Go","data":{"deal":{"a":[1],"b":null},"s":"*{{DATE(x)}}<","type":"*{{DATE(x)}}<"}}]}`
	if string(got.Card) != want {
		t.Errorf("it is\n%s, want\n%s", got.Card, want)
	}
}

func TestNoticeIsBound(t *testing.T) {
	t.Parallel()
	parsed := parse(t, one("notice", `{"what":"${data.s}","item":{"title":"x","url":"${data.url}"},"when":"${data.at}",
		"facts":[{"$each":"${data.rows}","title":"${item}","value":"${index}"}],
		"actions":[{"do":"do","name":"approve","title":"OK","value":{"n":"${data.n}","d":"${data.deal}"}}]}`))
	got, err := say(t, parsed, `{"s":"*x*","url":"https://x.example","n":1,"rows":["a"],"deal":{"a":1}}`, "en", "")
	const want = `{"what":"*x*","item":{"title":"x","url":"https://x.example"},"facts":[{"title":"a","value":"0"}],` +
		`"actions":[{"do":"do","name":"approve","title":"OK","value":{"n":1,"d":{"a":1}}}]}`
	if err != nil || string(got.Notice) != want {
		t.Errorf("%s, %v", got.Notice, err)
	}
	if _, err := say(t, parsed, `{"s":"x","url":"javascript:x","deal":{}}`, "en", ""); err == nil {
		t.Error("a link runs a program")
	}
}

func TestDataIsNeverStructure(t *testing.T) {
	t.Parallel()
	for _, card := range []string{
		`{"type":"AdaptiveCard","version":"1.5","body":"${data.rows}"}`,
		`{"type":"AdaptiveCard","version":"1.5","body":["${data.deal}"]}`,
		`{"type":"AdaptiveCard","version":"1.5","body":[{"type":"TextBlock","text":"${data.deal}"}]}`,
	} {
		if got, err := say(t, parse(t, one("card", card)), `{"deal":{"type":"Image"},"rows":[{"type":"Image"}]}`, "en", ""); err == nil {
			t.Errorf("%s gives %s", card, got.Card)
		}
	}
}

func TestWrongTemplates(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 70) + `1` + strings.Repeat(`}`, 70)
	for languages, want := range map[string]string{
		`{}`:                                                "languages: has none",
		`{"de":{"text":"x"}}`:                               "default_language: is none of languages",
		`{"en":{"text":"x"},"x y":{}}`:                      "languages.x y: is not a language such as en or pt-BR (BCP 47)",
		`{"en":{"text":"x"},"EN":{"text":"x"}}`:             "languages.en: is there twice, as en",
		`{"en":{}}`:                                         "languages.en: give one of text, markdown, card and notice",
		`{"en":{"text":"x","card":{}}}`:                     "languages.en.card: give only one of text, markdown, card and notice",
		one("text", `5`):                                    "languages.en.text: is neither a string nor a list of lines",
		one("text", `["a",5]`):                              "languages.en.text[1]: is neither a string nor an object with the member line",
		one("text", `["a",{"x":"y"}]`):                      "languages.en.text[1]: has not just the member line, $when and $each",
		one("card", `"x"`):                                  "languages.en.card: is not a JSON object",
		one("card", deep):                                   "is nested more than 64 deep",
		one("text", `"a ${"`):                               "languages.en.text: column 3: ${ has no end",
		one("text", `"a ${}"`):                              "languages.en.text: column 5: the expression is empty",
		one("text", `"ä ${data.n +}"`):                      "languages.en.text: column 12: unexpected token EOF",
		one("text", `"${data.nn}"`):                         "languages.en.text: column 8: nn is no parameter of the template",
		one("text", `"${data['nn']}"`):                      "nn is no parameter of the template",
		one("text", `"${data[data.s]}"`):                    "the member of data has to be named",
		one("text", `"${recipient.mail}"`):                  "recipient has no member mail",
		one("text", `"${item.a}"`):                          "unknown name item",
		one("text", `"${nobody}"`):                          "unknown name nobody",
		one("text", `"${$env}"`):                            "$env is not known",
		one("text", `"${map(data.rows, # + 1)}"`):           "loops are not for expressions",
		one("text", `"${let a = 1; a}"`):                    "variables cannot be declared",
		one("text", `"${1..1000000}"`):                      "there is no operator ..",
		one("text", `"${data.s matches '(a+)+'}"`):          "there is no operator matches",
		one("text", `"${2 ** 10}"`):                         "there is no operator **",
		one("text", `"${{'a': 1}}"`):                        "objects cannot be made",
		one("text", `"${data.s.upper()}"`):                  "only the functions of templates can be called",
		one("text", `"${now()}"`):                           "only the functions of templates can be called",
		one("text", `"${`+strings.Repeat("1+", 120)+`1}"`):  "node",
		one("text", `"${'`+strings.Repeat("x", 1100)+`'}"`): "longer than 1000 bytes",
		one("text", `"`+strings.Repeat("${1}", 501)+`"`):    "more than 500 expressions",
		one("card", `{"type":"${data.s}"}`):                 "languages.en.card.type: cannot be an expression",
		one("card", `{"body":{"$each":"${data.rows}"}}`):    "languages.en.card.body.$each: is only for objects in a list",
		one("card", `{"$when":"${true}"}`):                  "languages.en.card.$when: is not for the content as a whole",
		one("card", `{"body":[{"$when":"yes"}]}`):           "languages.en.card.body[0].$when: is not one expression such as ${data.items}",
		one("card", `{"actions":[{"type":"Action.OpenUrl","url":"javascript:alert(1)"}]}`): "languages.en.card.actions[0].url: is not a URL with one of the schemes",
		one("card", `{"a":"\u0000"}`): "contains NUL",
	} {
		_, err := template.Compile(source(t, languages))
		wrong, ok := errors.AsType[*template.Error](err)
		if !ok || !strings.Contains(wrong.Error(), want) {
			t.Errorf("%.80s is answered %v, want %s", languages, err, want)
		}
	}
}

func TestWrongParameters(t *testing.T) {
	t.Parallel()
	for parameter, want := range map[string]string{
		`{"name":"1a","type":"any"}`:                          "parameters[0].name: is not a name",
		`{"name":"a","type":"date"}`:                          "parameters[0].type: is none of",
		`{"name":"a","type":"integer","example":1.5}`:         "parameters[0].example: is not an integer",
		`{"name":"a","type":"any"},{"name":"a","type":"any"}`: "parameters[1].name: is there twice",
		`{"name":"a","type":"time","example":"tomorrow"}`:     "parameters[0].example: is neither a time",
	} {
		var src template.Source
		if err := json.Unmarshal([]byte(`{"default_language":"en","languages":{"en":{"text":"x"}},"parameters":[`+parameter+`]}`), &src); err != nil {
			t.Fatal(err)
		}
		if _, err := template.Compile(src); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s is answered %v, want %s", parameter, err, want)
		}
	}
}

func TestDataIsHeldToTheParameters(t *testing.T) {
	t.Parallel()
	src := source(t, one("text", `"${data.n}"`))
	src.Parameters[1].Required = true
	parsed, err := template.Compile(src)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ data, each, want string }{
		{`{"n":1}`, ``, ""},
		{`{"n":1,"deal":null}`, `{"ann":{"n":2},"ben":{}}`, ""},
		{``, ``, "data.n: is required"},
		{`{"n":null}`, ``, "data.n: is required"},
		{`{"n":"1"}`, ``, "data.n: is not an integer"},
		{`{"n":1.5}`, ``, "data.n: is not an integer"},
		{`{"n":1,"m":1}`, ``, "data.m: is no parameter of the template"},
		{`[]`, ``, "data: is not a JSON object"},
		{`{"n":1,"n":2}`, ``, "data: is not right as JSON"},
		{`{"n":1,"s":"` + strings.Repeat("x", template.MaxData) + `"}`, ``, "data: is larger than"},
		{`{"n":1}`, `{"ann":{"n":"x"}}`, "each.ann.n: is not an integer"},
		{`{"n":1}`, `{"ann":{"n":null}}`, "each.ann.n: is required"},
		{`{"n":1}`, `{"ann":5}`, "each.ann: is not a JSON object"},
		{`{"n":1,"at":"24.12."}`, ``, "data.at: is neither a time"},
		{`{"n":1,"rows":{}}`, ``, "data.rows: is not an array"},
		{`{"n":1,"s":true}`, ``, "data.s: is not a string"},
	} {
		data, err := parsed.ReadData(jsontext.Value(c.data), jsontext.Value(c.each))
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || c.want == "" || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.60s and %s: %v, want %s", c.data, c.each, err, c.want)
		}
		_ = data
	}
	data, err := parsed.ReadData(jsontext.Value(`{"n":1,"s":"x"}`), jsontext.Value(`{"ann":{"n":2}}`))
	if err != nil || !slices.Equal(data.Recipients(), []string{"ann"}) {
		t.Fatal(data.Recipients(), err)
	}
	for who, want := range map[string]string{"ann": "2 x", "ben": "1 x", "": "1 x"} {
		if all := data.For(who); string(all["n"])+" "+strings.Trim(string(all["s"]), `"`) != want {
			t.Errorf("%s has %s", who, all)
		}
	}
	all, err := template.ReadFor(jsontext.Value(`{"n":1,"s":"x"}`), jsontext.Value(`{"ann":{"n":2}}`), func(name string) bool { return name == "ann" })
	if err != nil || string(all["n"]) != "2" || string(all["s"]) != `"x"` {
		t.Errorf("stored for ann: %s, %v", all, err)
	}
}

func TestWrongDataIsToldWithItsPlace(t *testing.T) {
	t.Parallel()
	long := jsontextOf(t, map[string]any{"s": strings.Repeat("x", 60_000)})
	many := jsontextOf(t, map[string]any{"rows": make([]int, 1001)})
	big := jsontextOf(t, map[string]any{"rows": slices.Repeat([]any{strings.Repeat("x", 60)}, 900)})
	for _, c := range []struct{ form, content, data, want string }{
		{"text", `"${data.deal.owner.name}"`, `{"deal":{}}`, "languages.en.text: column 19: cannot fetch name from <nil>"},
		{"text", `"${data.x + 1}"`, `{"x":"a"}`, "languages.en.text: column "},
		{"text", `"${data.n / 0}"`, `{"n":1}`, "languages.en.text"},
		{"text", `"${data.s}${data.s}${data.s}"`, long, "is larger than 131072 bytes"},
		{"text", `[{"$each":"${data.rows}","line":"x"}]`, many, "has more than 1000 items"},
		{"text", `[{"$each":"${data.n}","line":"x"}]`, `{"n":1}`, "languages.en.text[0].$each: column 3: is no list"},
		{"text", `[{"$when":"${data.n}","line":"x"}]`, `{"n":1}`, "is neither true nor false"},
		{"card", `{"body":[{"$each":"${data.rows}","items":[{"$each":"${data.rows}","text":"${len(item)}"}]}]}`, big, "takes too many steps"},
		{"card", `{"url":"${data.s}"}`, `{"s":"ftp://x"}`, "languages.en.card.url: is not a URL with one of the schemes"},
		{"text", `"${date(data.s)}"`, `{"s":"x"}`, "is neither a time such as"},
		{"text", `"${plural(data.s, 'a', 'b')}"`, `{"s":"x"}`, "is no number"},
	} {
		_, err := say(t, parse(t, one(c.form, c.content)), c.data, "en", "")
		wrong, ok := errors.AsType[*template.Error](err)
		if !ok || !strings.Contains(wrong.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.content, err, c.want)
		}
	}
}

func TestExamplesAreData(t *testing.T) {
	t.Parallel()
	src := source(t, one("text", `"${data.n}"`))
	src.Parameters[1].Example = jsontext.Value(`7`)
	if got := string(src.Example()); got != `{"n":7}` {
		t.Errorf("it is %s", got)
	}
}

// FuzzBind: whatever a template and its data are, they are refused or bound, soon, and what is bound is JSON.
func FuzzBind(f *testing.F) {
	f.Add(`{"body":[{"$each":"${data.rows}","text":"${item.a} ${upper(data.s)}"}]}`, `{"rows":[{"a":1}],"s":"x"}`)
	f.Add(`{"a":"${data.deal.x ?? 'y'}$${","url":"https://x/${data.s}"}`, `{"deal":{}}`)
	f.Add(`{"a":["${data.n}",{"$when":"${data.n == 1}"}]}`, `{"n":1}`)
	f.Fuzz(func(t *testing.T, card, data string) {
		if !jsontext.Value(card).IsValid() || jsontext.Value(card).Kind() != jsontext.KindBeginObject {
			return
		}
		src := template.Source{Language: "en", Languages: map[string]template.Content{"en": {Card: jsontext.Value(card)}}}
		if err := json.Unmarshal([]byte(parameters), &src.Parameters); err != nil {
			t.Fatal(err)
		}
		parsed, err := template.Compile(src)
		if err != nil {
			return
		}
		read, err := parsed.ReadData(jsontext.Value(data), nil)
		if err != nil {
			return
		}
		bound, err := parsed.Bind(template.Input{Data: read.For("")})
		if err == nil && !bound.Card.IsValid() {
			t.Errorf("%s with %s is %s", card, data, bound.Card)
		}
	})
}
