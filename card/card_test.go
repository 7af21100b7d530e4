package card_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/net/html"

	"github.com/headsup-bot/headsup/card"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// invoice tells everything that a notice can.
func invoice() *card.Notice {
	return &card.Notice{
		What: "The invoice needs your approval", Severity: card.Warning,
		Text:    "It is above the limit of your team.\nIf nobody answers, it is paid on Friday.",
		Item:    &card.Item{Title: "INV-2041, Contoso Ltd", URL: "https://erp.example.com/invoices/2041?tab=lines&lang=en"},
		Actor:   &card.Actor{Name: "Ann Example", URL: "mailto:ann@example.com"},
		When:    time.Date(2026, 3, 4, 16, 30, 0, 0, time.UTC),
		Picture: &card.Picture{URL: "https://erp.example.com/invoices/2041.png", Alt: "The first page of the invoice"},
		Facts:   []card.Fact{{Title: "Amount", Value: "€ 12,400.00"}, {Title: "Due", Value: "6 March 2026"}, {Title: "Cost centre", Value: "R&D_4711"}},
		Actions: []card.Action{
			{Do: card.Open, Title: "Look at it", URL: "https://erp.example.com/invoices/2041"},
			{Do: card.Call, Title: "Approve", Name: "approve", Value: jsontext.Value(`{"invoice":2041}`)},
			{Do: card.Snooze, For: 2 * time.Hour},
		},
	}
}

// hostile tries to be read as something else in every form.
func hostile() *card.Notice {
	const evil = `{{DATE(2026-01-01T00:00:00Z)}} ${evil} <script>alert(1)</script> [bank](http://evil.example) **bold** <at>Ann</at> &amp; "quoted" ` + "`code`"
	return &card.Notice{
		What: evil, Text: "# Title\n- list\n1. one\n---\n    code\n> quote\n" + evil + "\n\n{\"type\":\"AdaptiveCard\"}",
		Item: &card.Item{Title: evil, URL: "https://erp.example.com/?q=%22%3E%3Cscript%3E"}, Actor: &card.Actor{Name: "_Ann_ ](http://evil.example) <b>"},
		Picture: &card.Picture{URL: "https://erp.example.com/x.png", Alt: `"><script>alert(1)</script>`},
		Facts:   []card.Fact{{Title: "[a](http://evil.example)", Value: evil}},
		Actions: []card.Action{{Do: card.Open, Title: evil, URL: "https://erp.example.com/a?b='%22"}},
	}
}

// view is of somebody in Berlin who reads English.
func view(t *testing.T, locale string) card.View {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return card.View{
		Locale: locale, Zone: berlin, Topic: "invoices", OptOut: []card.Action{{Do: card.Mute}},
		Ticket: func(a card.Action) (string, error) { return "ticket-to-" + string(a.Do), nil },
	}
}

// forms are all that becomes of a notice, by the end of the name of its file.
func forms(t *testing.T, n *card.Notice, v card.View) map[string]string {
	t.Helper()
	out := make(map[string]string)
	keep := func(name, text string, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = text
	}
	made, err := n.AdaptiveCard(v)
	if err == nil {
		err = made.Indent()
	}
	keep("card.json", string(made)+"\n", err)
	text, err := n.Plain(v)
	keep("txt", text+"\n", err)
	text, err = n.Markdown(v)
	keep("md", text+"\n", err)
	mailed := v
	mailed.Link = func(ticket string) string { return "https://bot.example.com/actions/" + ticket }
	text, err = n.HTML(mailed)
	keep("html", "<!-- "+n.Subject(v)+" -->\n"+text, err)
	sms := n.SMS(v)
	keep("sms", fmt.Sprintf("%s\n-- %d, unicode %v\n", sms.Text, sms.Segments, sms.Unicode), nil)
	keep("summary", n.Summary(v)+"\n", nil)
	return out
}

func TestForms(t *testing.T) {
	t.Parallel()
	done := view(t, "en-GB")
	done.Done = done.Say(card.AnswerMuted, "invoices")
	execute := view(t, "en")
	execute.Execute = true
	for _, c := range []struct {
		name   string
		notice *card.Notice
		view   card.View
	}{
		{"invoice", invoice(), view(t, "en-GB")},
		{"rechnung", invoice(), view(t, "de-AT")},
		{"done", invoice(), done},
		{"hostile", hostile(), execute},
		{"least", &card.Notice{What: "The backup is ready"}, card.View{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := c.notice.Validate(); err != nil {
				t.Fatal(err)
			}
			for form, got := range forms(t, c.notice, c.view) {
				file := filepath.Join("testdata", c.name+"."+form)
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("%s is now:\n%s", file, got)
				}
			}
		})
	}
}

// TestNothingIsReadAsMarkup: what is in a notice is text in every form, and no link leads where its own do not.
func TestNothingIsReadAsMarkup(t *testing.T) {
	t.Parallel()
	n := hostile()
	all := forms(t, n, view(t, "en"))
	for _, found := range regexp.MustCompile(`"(text|value)":\s*"[^"]*\{\{[^"]*"`).FindAllString(all["card.json"], -1) {
		t.Errorf("the card has %s", found)
	}
	if facts := between(all["card.json"], `"facts"`, `]`); strings.Contains(facts, "](http") && !strings.Contains(facts, `\\](http`) {
		t.Errorf("the card has %s", facts)
	}
	for _, found := range regexp.MustCompile(`(?m)(^|[^\\])(\*\*bold|\[bank|\[a\]|\]\(http|<script|<at|&amp;|`+"`code"+`)|^(# |- list|1\. |---|> )`).FindAllString(all["md"], -1) {
		t.Errorf("the Markdown has %q:\n%s", found, all["md"])
	}
	page, err := html.Parse(strings.NewReader(all["html"]))
	if err != nil {
		t.Fatal(err)
	}
	for node := range page.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		if node.Data == "script" || node.Data == "at" || node.Data == "b" {
			t.Errorf("the mail has a <%s>", node.Data)
		}
		for _, a := range node.Attr {
			if strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "evil.example") {
				t.Errorf("the mail has %s=%q in <%s>", a.Key, a.Val, node.Data)
			}
		}
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

func TestWhatCannotComeBackIsLeftOut(t *testing.T) {
	t.Parallel()
	v := view(t, "en")
	v.Ticket = nil
	all := forms(t, invoice(), v)
	for form, text := range all {
		if strings.Contains(text, "Approve") || strings.Contains(text, "Remind me") {
			t.Errorf("%s offers what nobody could tell us:\n%s", form, text)
		}
	}
	if !strings.Contains(all["txt"], "answer: mute invoices") || !strings.Contains(all["sms"], "STOP") {
		t.Errorf("there is no way out in %s or %s", all["txt"], all["sms"])
	}
	own := invoice()
	own.Actions = []card.Action{{Do: card.Mute, Title: "Not any more"}}
	made, err := own.AdaptiveCard(view(t, "en"))
	if err != nil || strings.Count(string(made), "ticket-to-mute") != 1 {
		t.Errorf("a way out of the notice's own is offered beside ours: %s, %v", made, err)
	}
}

func TestLanguagesFallBack(t *testing.T) {
	t.Parallel()
	for locale, want := range map[string]string{
		"": "Mute this topic", "en-US": "Mute this topic", "de": "Thema stummschalten", "de-Latn-CH-1996": "Thema stummschalten",
		"pt_BR": "Silenciar este tema", "JA": "このトピックをミュート", "sv-SE": "Mute this topic", "-": "Mute this topic", "fr-": "Ignorer ce sujet",
		"it": "Silenzia questo argomento", "nl": "Dit onderwerp dempen", "es-419": "Silenciar este tema",
	} {
		v := card.View{Locale: locale}
		if got := v.Label(card.Action{Do: card.Mute}); got != want {
			t.Errorf("%q: %q, want %q", locale, got, want)
		}
		for _, a := range []card.Answer{
			card.AnswerMuted, card.AnswerOptedOut, card.AnswerSnoozed, card.AnswerDone, card.AnswerAlready, card.AnswerExpired, card.AnswerNotYours,
			card.AnswerInvalid, card.AnswerMandatory, card.AnswerFailed,
		} {
			if said := v.Say(a, "deals"); said == "" || strings.Contains(said, "%") {
				t.Errorf("%q: %s is %q", locale, a, said)
			}
		}
	}
}

// TestNothingOfANoticeIsReadAsMarkdown; internal/markdown has the rules.
func TestNothingOfANoticeIsReadAsMarkdown(t *testing.T) {
	t.Parallel()
	const text, want = "a_b *c* {{DATE(x)}} [d](e)", `a_b \*c\* {\{DATE(x)}} \[d\](e)`
	n := card.Notice{What: "x", Facts: []card.Fact{{Title: "t", Value: text}}, Text: text}
	got, err := n.Markdown(card.View{})
	if err != nil || strings.Count(got, want) != 2 {
		t.Errorf("%q, %v; want %q twice", got, err, want)
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		n       int
		unicode bool
	}{
		{"", 0, false},
		{strings.Repeat("a", 160), 1, false},
		{strings.Repeat("a", 161), 2, false},
		{strings.Repeat("a", 306), 2, false},
		{strings.Repeat("a", 307), 3, false},
		{strings.Repeat("€", 80), 1, false},
		{strings.Repeat("€", 81), 2, false},
		{strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), 3, false}, // the euro is not cut through
		{strings.Repeat("ł", 70), 1, true},
		{strings.Repeat("ł", 71), 2, true},
		{strings.Repeat("ł", 134), 2, true},
		{strings.Repeat("😀", 35), 1, true},
		{strings.Repeat("ł", 66) + "😀" + strings.Repeat("ł", 66), 3, true},
	} {
		if n, unicode := card.Segments(c.text); n != c.n || unicode != c.unicode {
			t.Errorf("%d of %.3q: %d, %v; want %d, %v", len(c.text), c.text, n, unicode, c.n, c.unicode)
		}
	}
}

func TestATextMessageHasRoomForTheWayOut(t *testing.T) {
	t.Parallel()
	n := &card.Notice{
		What: strings.Repeat("ł", 128), Item: &card.Item{Title: strings.Repeat("ж", 128), URL: "https://erp.example.com/" + strings.Repeat("a", 900)},
		Actor: &card.Actor{Name: strings.Repeat("č", 128)}, Text: strings.Repeat("long ", 1000),
		Actions: []card.Action{{Do: card.Open, Title: "x", URL: "https://erp.example.com/" + strings.Repeat("b", 2000)}},
	}
	if err := n.Validate(); err != nil {
		t.Fatal(err)
	}
	sms := n.SMS(view(t, "en"))
	if len([]rune(sms.Text)) > card.MaxSMS || !strings.HasSuffix(sms.Text, "Reply STOP to stop") || strings.Contains(sms.Text, "bbb") {
		t.Errorf("%d characters: %s", len([]rune(sms.Text)), sms.Text)
	}
	if s := (&card.Notice{What: "“Quoted” – and more…"}).SMS(card.View{}); s.Unicode || s.Text != `"Quoted" - and more...` {
		t.Errorf("%+v", s)
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	whole, err := invoice().Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := card.Decode(whole)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := back.Encode(); err != nil || string(again) != string(whole) {
		t.Errorf("%s came back as %s, %v", whole, again, err)
	}
	if back.Actions[2].For != 2*time.Hour {
		t.Errorf("the reminder is after %v", back.Actions[2].For)
	}
	long := strings.Repeat("x", 300)
	action := func(members string) string {
		return `{"what":"x","actions":[{"do":"open","title":"a","url":"https://a.example"},{` + members + `}]}`
	}
	opens := func(url string) string { return action(`"do":"open","title":"a","url":` + url) }
	for name, c := range map[string]struct{ raw, field, reason string }{
		"no JSON":            {`{`, "notice", ""},
		"no object":          {`[]`, "notice", ""},
		"nothing":            {`{}`, "notice.what", "required"},
		"blank":              {`{"what":"  "}`, "notice.what", "required"},
		"kind":               {`{"what":1}`, "notice.what", ""},
		"unknown":            {`{"what":"x","color":"red"}`, "notice.color", "not a member"},
		"unknown in it":      {`{"what":"x","facts":[{"title":"a","value":"b"},{"title":"a","value":"b","x":1}]}`, "notice.facts[1].x", "not a member"},
		"letter case":        {`{"What":"x"}`, "notice.What", "not a member"},
		"twice":              {`{"what":"x","what":"y"}`, "notice.what", ""},
		"line break":         {`{"what":"a\nb"}`, "notice.what", "line break"},
		"control":            {`{"what":"x","text":"a\u0000"}`, "notice.text", "control"},
		"long":               {`{"what":"` + long + `"}`, "notice.what", "longer"},
		"severity":           {`{"what":"x","severity":"bad"}`, "notice.severity", "none of"},
		"when":               {`{"what":"x","when":"yesterday"}`, "notice.when", ""},
		"year":               {`{"what":"x","when":"0001-01-02T00:00:00Z"}`, "notice.when", "1970"},
		"item":               {`{"what":"x","item":{}}`, "notice.item", "neither"},
		"item's URL":         {`{"what":"x","item":{"url":"mailto:a@b.example"}}`, "notice.item.url", "https"},
		"actor":              {`{"what":"x","actor":{"url":"https://a.example"}}`, "notice.actor.name", "required"},
		"actor's URL":        {`{"what":"x","actor":{"name":"a","url":"javascript:x"}}`, "notice.actor.url", "is not a URL with"},
		"picture":            {`{"what":"x","picture":{"url":"http://a.example/x.png","alt":"x"}}`, "notice.picture.url", "https"},
		"data picture":       {`{"what":"x","picture":{"url":"data:image/png;base64,AA","alt":"x"}}`, "notice.picture.url", "https"},
		"no alt":             {`{"what":"x","picture":{"url":"https://a.example/x.png"}}`, "notice.picture.alt", "required"},
		"fact":               {`{"what":"x","facts":[{"title":"a","value":"b"},{"title":"a"}]}`, "notice.facts[1].value", "required"},
		"facts":              {`{"what":"x","facts":[` + strings.Repeat(`{"title":"a","value":"b"},`, 20) + `{"title":"a","value":"b"}]}`, "notice.facts", "more than 20"},
		"actions":            {`{"what":"x","actions":[` + strings.Repeat(`{"do":"mute"},`, 5) + `{"do":"mute"}]}`, "notice.actions", "more than 5"},
		"do":                 {action(`"do":"run"`), "notice.actions[1].do", "none of"},
		"no title":           {action(`"do":"open","url":"https://a.example"`), "notice.actions[1].title", "required"},
		"no URL":             {opens(`""`), "notice.actions[1].url", "required"},
		"script":             {opens(`"javascript:alert(1)"`), "notice.actions[1].url", "https, http, mailto, tel"},
		"script in capitals": {opens(`"JaVaScRiPt:alert(1)"`), "notice.actions[1].url", "https, http, mailto, tel"},
		"script after space": {opens(`" javascript:alert(1)"`), "notice.actions[1].url", "escaped"},
		"script in tabs":     {opens(`"java\tscript:alert(1)"`), "notice.actions[1].url", "escaped"},
		"data":               {opens(`"data:text/html,x"`), "notice.actions[1].url", "https, http, mailto, tel"},
		"file":               {opens(`"file:///etc/passwd"`), "notice.actions[1].url", "https, http, mailto, tel"},
		"relative":           {opens(`"//a.example"`), "notice.actions[1].url", "https, http, mailto, tel"},
		"no host":            {opens(`"https:///x"`), "notice.actions[1].url", "no host"},
		"user":               {opens(`"https://bank.example@evil.example/"`), "notice.actions[1].url", "user name"},
		"quote":              {opens(`"https://a.example/\""`), "notice.actions[1].url", "escaped"},
		"letters":            {opens(`"https://bänk.example/"`), "notice.actions[1].url", "escaped"},
		"mailto":             {opens(`"mailto:a@b.example?bcc=c@d.example"`), "notice.actions[1].url", "one address"},
		"mailto, several":    {opens(`"mailto:a@b.example,c@d.example"`), "notice.actions[1].url", "one address"},
		"mailto, lines":      {opens(`"mailto:a%0D%0Abcc:c@d.example"`), "notice.actions[1].url", "one address"},
		"tel":                {opens(`"tel:*21*5%23"`), "notice.actions[1].url", "number"},
		"URL of mute":        {action(`"do":"mute","url":"https://a.example"`), "notice.actions[1].url", "not for mute"},
		"no name":            {action(`"do":"do","title":"a"`), "notice.actions[1].name", "required"},
		"value":              {action(`"do":"do","title":"a","name":"n","value":"` + strings.Repeat("x", card.MaxValue) + `"`), "notice.actions[1].value", "larger"},
		"value of snooze":    {action(`"do":"snooze","value":1`), "notice.actions[1].value", "not for snooze"},
		"for":                {action(`"do":"snooze","for":"soon"`), "notice.actions[1].for", "duration"},
		"for too long":       {action(`"do":"snooze","for":"721h"`), "notice.actions[1].for", "720h"},
		"for too short":      {action(`"do":"snooze","for":"1s"`), "notice.actions[1].for", "1m"},
		"for of open":        {action(`"do":"open","title":"a","url":"https://a.example","for":"1h"`), "notice.actions[1].for", "not for open"},
		"large":              {`{"what":"x","facts":[` + strings.Repeat(`{"title":"a","value":"`+strings.Repeat("b", 1000)+`"},`, 19) + `{"title":"a","value":"b"}],"text":"` + strings.Repeat("c", 8000) + `"}`, "notice", "Adaptive Card of"},
	} {
		n, err := card.Decode(jsontext.Value(c.raw))
		bad, ok := err.(*card.FieldError) //nolint:errorlint // it is promised to be one
		if !ok || n != nil || bad.Field != c.field || !strings.Contains(bad.Reason, c.reason) || bad.Reason == "" {
			t.Errorf("%s: %v; want %s: … %s", name, err, c.field, c.reason)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	n := invoice()
	before, _ := n.Encode()
	c := n.Clone()
	c.Item.Title, c.Actor.Name, c.Picture.Alt, c.Facts[0].Title, c.Actions[0].Title = "x", "x", "x", "x", "x"
	c.Actions[1].Value[2] = 'x'
	if after, _ := n.Encode(); string(after) != string(before) {
		t.Errorf("a change of the copy is in the notice: %s", after)
	}
}

func FuzzDecode(f *testing.F) {
	for _, n := range []*card.Notice{invoice(), hostile()} {
		raw, err := n.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := card.Decode(raw)
		if err != nil {
			return
		}
		v := card.View{Ticket: func(card.Action) (string, error) { return "x", nil }, OptOut: []card.Action{{Do: card.OptOut}}}
		made, err := n.AdaptiveCard(v)
		if err != nil || !made.IsValid() {
			t.Errorf("%s: %s, %v", raw, made, err)
		}
		page, err := n.HTML(v)
		if err != nil || strings.Contains(page, "ZgotmplZ") {
			t.Errorf("%s: %s, %v", raw, page, err)
		}
		if s := n.SMS(v); len([]rune(s.Text)) > card.MaxSMS {
			t.Errorf("%s: %d characters", raw, len([]rune(s.Text)))
		}
		if len([]rune(n.Summary(v))) > card.MaxSummary || strings.ContainsAny(n.Summary(v), "\r\n") {
			t.Errorf("%s: %s", raw, n.Summary(v))
		}
		if again, err := n.Encode(); err != nil {
			t.Errorf("%s: %v", raw, err)
		} else if _, err := card.Decode(again); err != nil {
			t.Errorf("%s is no notice any more as %s: %v", raw, again, err)
		}
	})
}
