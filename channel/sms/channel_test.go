package sms_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/faketwilio"
	"github.com/headsup-bot/headsup/channel/sms"
	"github.com/headsup-bot/headsup/pace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	own    = "+15550001111"
	ann    = "+15551234567"
	public = "https://bot.example.com"
)

// phone is a channel before Twilio.
type phone struct {
	*sms.Channel
	t      *testing.T
	twilio *faketwilio.Server
	said   []sms.Word
	told   []sms.Status
	heard  []*activity.Activity
	fail   error
}

func open(t *testing.T, twilio faketwilio.Config, change func(*sms.Config)) *phone {
	t.Helper()
	p := &phone{t: t, twilio: faketwilio.Start(twilio)}
	t.Cleanup(p.twilio.Close)
	cfg := sms.Config{
		AccountSID: p.twilio.AccountSID(), AuthToken: p.twilio.AuthToken(), From: own, BaseURL: p.twilio.URL,
		PublicURL: func() string { return public },
		Said:      func(_ context.Context, w sms.Word) error { p.said = append(p.said, w); return p.fail },
		Told:      func(_ context.Context, s sms.Status) error { p.told = append(p.told, s); return p.fail },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if p.Channel, err = sms.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Process implements sms.Endpoint.
func (p *phone) Process(_ context.Context, id auth.Identity, a *activity.Activity) (headsup.Answer, error) {
	if id.Kind != auth.KindEmbedded {
		return headsup.Answer{}, errors.New("who is it")
	}
	p.heard = append(p.heard, a)
	return headsup.Answer{Status: http.StatusOK}, p.fail
}

func (p *phone) send(text string) (activity.ResourceResponse, error) {
	return p.Send(p.t.Context(), headsup.Outgoing{Reference: p.Reference(ann), Activity: activity.Message(text), Key: "dlv_1:0"})
}

// TestAMessageIsAsTwilioDescribesIt: the fake checks every request against the description that Twilio publishes.
func TestAMessageIsAsTwilioDescribesIt(t *testing.T) {
	t.Parallel()
	p := open(t, faketwilio.Config{}, nil)
	r, err := p.send("Zürich: 5 € & more? 😀")
	if err != nil {
		t.Fatal(err)
	}
	m := p.twilio.Messages()[0]
	want := url.Values{
		"To": {ann}, "From": {own}, "Body": {"Zürich: 5 € & more? 😀"}, "SmartEncoded": {"true"},
		"StatusCallback": {public + "/v1/channels/sms/status?key=dlv_1%3A0"},
	}
	if m.Form.Encode() != want.Encode() || r.ID != activity.ID(m.SID) {
		t.Errorf("sent %v as %s, want %v", m.Form, r.ID, want)
	}
	service := "MG" + strings.Repeat("0", 32)
	q := open(t, faketwilio.Config{}, func(c *sms.Config) {
		c.From, c.MessagingService = "", service
		c.PublicURL = func() string { return "http://127.0.0.1:3978" }
	})
	card := activity.Message("")
	card.Attachments = []activity.Attachment{{ContentType: activity.ContentAdaptiveCard, Content: jsontext.Value(`{"type":"AdaptiveCard","version":"1.5","fallbackText":"Deal won"}`)}}
	if _, err := q.Send(t.Context(), headsup.Outgoing{Reference: q.Reference(ann), Activity: card}); err != nil {
		t.Fatal(err)
	}
	if f := q.twilio.Messages()[0].Form; f.Get("MessagingServiceSid") != service || f.Has("From") || f.Has("StatusCallback") || f.Get("Body") != "Deal won" {
		t.Errorf("sent %v", f)
	}
	if wrong := append(p.twilio.Wrong(), q.twilio.Wrong()...); len(wrong) > 0 {
		t.Errorf("by the description: %v", wrong)
	}
	if err := p.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTheFakeRefusesWhatIsNotDescribed: or the test above would show nothing.
func TestTheFakeRefusesWhatIsNotDescribed(t *testing.T) {
	t.Parallel()
	twilio := faketwilio.Start(faketwilio.Config{})
	t.Cleanup(twilio.Close)
	for name, form := range map[string]url.Values{
		"unknown field": {"To": {ann}, "From": {own}, "Body": {"x"}, "Colour": {"red"}},
		"no To":         {"From": {own}, "Body": {"x"}},
		"bad service":   {"To": {ann}, "MessagingServiceSid": {"MG1"}, "Body": {"x"}},
		"bad boolean":   {"To": {ann}, "From": {own}, "Body": {"x"}, "SmartEncoded": {"perhaps"}},
		"twice":         {"To": {ann, ann}, "From": {own}, "Body": {"x"}},
		"both senders":  {"To": {ann}, "From": {own}, "MessagingServiceSid": {"MG" + strings.Repeat("0", 32)}, "Body": {"x"}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, twilio.URL+"/2010-04-01/Accounts/"+twilio.AccountSID()+"/Messages.json", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(twilio.AccountSID(), twilio.AuthToken())
		resp, err := twilio.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

func TestAnswersMeanSomething(t *testing.T) {
	t.Parallel()
	type want struct {
		meaning  headsup.Meaning
		reason   string
		scope    pace.Level
		suspends bool
	}
	const conversation, bot = pace.LevelConversation, pace.LevelBot
	for name, c := range map[string]struct {
		reply faketwilio.Reply
		want  want
	}{
		"opted out":  {faketwilio.Reply{Status: 400, Code: 21610}, want{headsup.MeaningPermanent, "opted_out", conversation, true}},
		"bad number": {faketwilio.Reply{Status: 400, Code: 21211}, want{headsup.MeaningPermanent, "bad_number", conversation, true}},
		"no mobile":  {faketwilio.Reply{Status: 400, Code: 21614}, want{headsup.MeaningPermanent, "landline", conversation, true}},
		"queue full": {faketwilio.Reply{Status: 429, Code: 30001}, want{headsup.MeaningThrottled, "throttled", bot, false}},
		"too many":   {faketwilio.Reply{Status: 429, Code: 20429, RetryAfter: "7"}, want{headsup.MeaningThrottled, "throttled", bot, false}},
		"bare 429":   {faketwilio.Reply{Status: 429, Raw: "<html>"}, want{headsup.MeaningThrottled, "throttled", bot, false}},
		"token":      {faketwilio.Reply{Status: 401, Code: 20003}, want{headsup.MeaningThrottled, "unauthorized", bot, false}},
		"no account": {faketwilio.Reply{Status: 404, Code: 20404}, want{headsup.MeaningThrottled, "unauthorized", bot, false}},
		"sender":     {faketwilio.Reply{Status: 400, Code: 21606}, want{headsup.MeaningThrottled, "sender_refused", bot, false}},
		"region":     {faketwilio.Reply{Status: 400, Code: 21408}, want{headsup.MeaningPermanent, "region_not_allowed", "", false}},
		"new code":   {faketwilio.Reply{Status: 400, Code: 99999}, want{headsup.MeaningPermanent, "bad_request", "", false}},
		"500":        {faketwilio.Reply{Status: 500, Raw: "x"}, want{headsup.MeaningUnknown, "service_error", bot, false}},
		"503":        {faketwilio.Reply{Status: 503, Code: 20503}, want{headsup.MeaningTransient, "service_error", bot, false}},
		"504":        {faketwilio.Reply{Status: 504}, want{headsup.MeaningUnknown, "service_error", bot, false}},
		"redirect":   {faketwilio.Reply{Status: 302}, want{headsup.MeaningPermanent, "refused", "", false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, faketwilio.Config{Answer: func(url.Values) *faketwilio.Reply { return &c.reply }}, nil)
			_, err := p.send("x")
			e, ok := errors.AsType[*headsup.SendError](err)
			if !ok {
				t.Fatal(err)
			}
			if got := (want{e.Meaning, e.Reason, e.Scope, e.Suspends}); got != c.want || e.Status != c.reply.Status {
				t.Errorf("%d means %+v; want %+v", e.Status, got, c.want)
			}
			if c.reply.RetryAfter != "" && e.RetryAfter != 7*time.Second {
				t.Errorf("wait for %v", e.RetryAfter)
			}
		})
	}
}

func TestALostAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	p := open(t, faketwilio.Config{Taken: func(_ faketwilio.Message, hangUp func()) { hangUp() }}, nil)
	_, err := p.send("x")
	if e := headsup.MeaningOf(err); e == nil || e.Meaning != headsup.MeaningUnknown || e.Reason != "no_answer" {
		t.Errorf("%v", err)
	}
	if n := len(p.twilio.Messages()); n != 1 { // not repeated by the transport
		t.Errorf("sent %d times", n)
	}
	q := open(t, faketwilio.Config{}, nil)
	q.twilio.Close()
	_, err = q.send("x")
	if e := headsup.MeaningOf(err); e == nil || e.Meaning != headsup.MeaningTransient || !e.Unreached {
		t.Errorf("nobody there: %v", err)
	}
	wrong := open(t, faketwilio.Config{}, func(c *sms.Config) { c.AuthToken = "guess" })
	if e := headsup.MeaningOf(wrong.Check(t.Context())); e == nil || e.Reason != "unauthorized" {
		t.Errorf("a wrong token: %v", e)
	}
}

// TestTheAccountIsLookedAt: with a key that Twilio shows no account, too.
func TestTheAccountIsLookedAt(t *testing.T) {
	t.Parallel()
	cfg := faketwilio.Config{
		APIKey: "SK" + strings.Repeat("1", 32), APIKeySecret: "s3cret",
		Numbers: []faketwilio.Number{{Number: own + "5"}, {Number: own, URL: "https://bot.example.com/x", Method: "GET"}},
	}
	p := open(t, cfg, func(c *sms.Config) { c.APIKey, c.APIKeySecret = cfg.APIKey, cfg.APIKeySecret })
	if err := p.Check(t.Context()); err != nil {
		t.Error(err)
	}
	n, found, err := p.Number(t.Context())
	if want := (sms.Number{SMS: true, Inbound: "https://bot.example.com/x", Method: "GET"}); err != nil || !found || n != want {
		t.Errorf("%+v, %v, %v", n, found, err)
	}
	wrong := open(t, cfg, func(c *sms.Config) { c.APIKey, c.APIKeySecret = cfg.APIKey, "guess" })
	if e := headsup.MeaningOf(wrong.Check(t.Context())); e == nil || e.Reason != sms.ReasonUnauthorized {
		t.Errorf("a wrong key: %v", e)
	}
	q := open(t, faketwilio.Config{Status: "closed"}, nil)
	if e := headsup.MeaningOf(q.Check(t.Context())); e == nil || e.Reason != sms.ReasonSuspended || e.Meaning != headsup.MeaningThrottled {
		t.Errorf("a closed account: %v", e)
	}
	if _, found, err := q.Number(t.Context()); err != nil || found {
		t.Errorf("a number of nobody: %v, %v", found, err)
	}
}

func TestTextsAreCounted(t *testing.T) {
	t.Parallel()
	p := open(t, faketwilio.Config{}, nil)
	for name, c := range map[string]struct {
		text string
		fits bool
	}{
		"as long as can be": {strings.Repeat("a", 1600), true},
		"one more":          {strings.Repeat("a", 1601), false},
		"in pairs":          {strings.Repeat("😀", 800), true},
		"one pair more":     {strings.Repeat("😀", 801), false},
		"nothing":           {"", false},
	} {
		_, err := p.send(c.text)
		if c.fits != (err == nil) || err != nil && headsup.MeaningOf(err).Meaning != headsup.MeaningPermanent {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(p.twilio.Messages()); n != 2 {
		t.Errorf("%d were sent", n)
	}
	if r, err := p.Send(t.Context(), headsup.Outgoing{Reference: p.Reference(ann), Activity: &activity.Activity{Type: activity.TypeTyping}}); err != nil || r.ID != "" {
		t.Errorf("typing: %v, %v", r, err)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"+1 (555) 123-4567": ann, "+41.44.668.18.00": "+41446681800", ann: ann, "5551234567": "", "+0123456789": "", "+1": "", "+1555123456789012": "",
		"+1555123456x": "", "++15551234567": "", "+15551234567,+15557654321": "", "+1555\r\n1234567": "", "+１５５５１２３４５６７": "",
	} {
		if got, err := sms.Parse(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", in, got, err, want)
		}
	}
	p := open(t, faketwilio.Config{}, nil)
	made, err := p.Create(t.Context(), headsup.Creation{Parameters: activity.ConversationParameters{
		Members: []activity.ChannelAccount{{ID: own}, {ID: "+1 555 123 4567"}}, Activity: activity.Message("hello"),
	}})
	if err != nil || made.ID != ann || made.ActivityID == "" {
		t.Errorf("%+v, %v", made, err)
	}
	for _, to := range []activity.ConversationID{"", "ann", "+1555123456789012345"} {
		ref := p.Reference(ann)
		ref.Conversation.ID = to
		if _, err := p.Send(t.Context(), headsup.Outgoing{Reference: ref, Activity: activity.Message("x")}); headsup.MeaningOf(err).Reason != sms.ReasonBadNumber {
			t.Errorf("%q: %v", to, err)
		}
	}
	if _, err := p.Update(t.Context(), headsup.Outgoing{}); headsup.MeaningOf(err).Meaning != headsup.MeaningUnsupported {
		t.Error(err)
	}
	if err := p.Delete(t.Context(), activity.Reference{}, ""); headsup.MeaningOf(err).Meaning != headsup.MeaningUnsupported {
		t.Error(err)
	}
}

// post has Twilio post a form to one of the webhooks, signed for the public URL.
func (p *phone) post(h http.Handler, path string, form url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(p.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.Header.Set("X-Twilio-Signature", p.twilio.Sign(public+path, form))
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// text is what Twilio posts for a message.
func (p *phone) text(body string) url.Values {
	return url.Values{
		"MessageSid": {"SM1"}, "AccountSid": {p.twilio.AccountSID()}, "From": {ann}, "To": {own}, "Body": {body}, "NumMedia": {"0"}, "FromCity": {""},
	}
}

func TestWhatPeopleWriteIsHeard(t *testing.T) {
	t.Parallel()
	p := open(t, faketwilio.Config{}, nil)
	form := p.text("I do. \U0001F600")
	form.Set("NumMedia", "1")
	form.Set("MediaUrl0", "https://api.twilio.com/m/1")
	form.Set("MediaContentType0", "image/png")
	w := p.post(p.Inbound(p), sms.InboundPath, form, nil)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<Response></Response>") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/xml") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	a := p.heard[0]
	if a.Text != "I do. \U0001F600" || a.ID != "SM1" || a.From.ID != ann || a.Conversation.ID != ann || a.Recipient.ID != own || a.ChannelID != "sms" ||
		len(a.Attachments) != 1 || a.Attachments[0].ContentURL != "https://api.twilio.com/m/1" {
		t.Errorf("heard %+v", a)
	}
	if err := a.CheckInbound(); err != nil {
		t.Error(err)
	}
	p.fail = errors.New("busy")
	if w := p.post(p.Inbound(p), sms.InboundPath, p.text("again"), nil); w.Code != http.StatusInternalServerError {
		t.Errorf("a bot that fails: %d", w.Code)
	}
	p.fail = nil
	form = p.text("your code")
	form.Set("From", "AUTHMSG")
	if w := p.post(p.Inbound(p), sms.InboundPath, form, nil); w.Code != http.StatusOK || len(p.heard) != 2 {
		t.Errorf("somebody without a number: %d, %d heard", w.Code, len(p.heard))
	}
}

func TestWordsStopAndStart(t *testing.T) {
	t.Parallel()
	for body, c := range map[string]struct {
		kind       string
		said, stop bool
		heard      int
	}{
		"STOP": {"", true, true, 0}, " stop\n": {"", true, true, 0}, "StopAll": {"", true, true, 0}, "UNSUBSCRIBE": {"", true, true, 0},
		"cancel": {"", true, true, 0}, "End": {"", true, true, 0}, "QUIT": {"", true, true, 0}, "START": {"", true, false, 0},
		"unstop": {"", true, false, 0}, "Yes": {"", true, false, 1}, "HELP": {"", false, false, 0}, "stop it": {"", false, false, 1},
		"yes please": {"", false, false, 1}, "arrêt": {"STOP", true, true, 0}, "nochmal": {"START", true, false, 0}, "hilfe": {"HELP", false, false, 0},
	} {
		p := open(t, faketwilio.Config{}, nil)
		form := p.text(body)
		if c.kind != "" {
			form.Set("OptOutType", c.kind)
		}
		if w := p.post(p.Inbound(p), sms.InboundPath, form, nil); w.Code != http.StatusOK {
			t.Errorf("%q: %d", body, w.Code)
		}
		if c.said && p.said[0].Answer != (c.heard == 1) {
			t.Errorf("%q may be an answer: %v", body, p.said[0].Answer)
		}
		if c.said != (len(p.said) == 1) || c.heard != len(p.heard) || c.said && (p.said[0].Stop != c.stop || p.said[0].Reference.Conversation.ID != ann) {
			t.Errorf("%q: said %+v, heard %d", body, p.said, len(p.heard))
		}
	}
}

func TestStatusesAreTold(t *testing.T) {
	t.Parallel()
	p := open(t, faketwilio.Config{}, nil)
	status := func(state, code string) {
		t.Helper()
		form := url.Values{"MessageSid": {"SM7"}, "MessageStatus": {state}, "To": {ann}, "From": {own}, "AccountSid": {p.twilio.AccountSID()}}
		if code != "" {
			form.Set("ErrorCode", code)
		}
		if w := p.post(p.Statuses(), sms.StatusPath+"?key=dlv_1%3A0", form, nil); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", state, w.Code, w.Body)
		}
	}
	for _, state := range []string{"queued", "sending", "sent", "delivered"} {
		status(state, "")
	}
	status("undelivered", "30005")
	status("failed", "30003")
	var got []string
	for _, s := range p.told {
		got = append(got, string(s.State)+" "+s.Reason)
		if s.Key != "dlv_1:0" || s.Message != "SM7" || s.Reference.Conversation.ID != ann || s.Suspends != (s.Code == 30005) {
			t.Errorf("told %+v", s)
		}
	}
	if want := "sent |delivered |undelivered number_unknown|failed handset_unreachable"; strings.Join(got, "|") != want {
		t.Errorf("told %q", got)
	}
}

func TestWebhooksAreSigned(t *testing.T) {
	t.Parallel()
	p := open(t, faketwilio.Config{}, nil)
	other := faketwilio.Start(faketwilio.Config{})
	t.Cleanup(other.Close)
	form := p.text("hello")
	for name, c := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"as it must be": {func(*http.Request) {}, http.StatusOK},
		"with the port": {func(r *http.Request) {
			r.Header.Set("X-Twilio-Signature", p.twilio.Sign("https://bot.example.com:443"+sms.InboundPath, form))
		}, http.StatusOK},
		"unsigned":        {func(r *http.Request) { r.Header.Del("X-Twilio-Signature") }, http.StatusForbidden},
		"another account": {func(r *http.Request) { r.Header.Set("X-Twilio-Signature", other.Sign(public+sms.InboundPath, form)) }, http.StatusForbidden},
		"for another URL": {func(r *http.Request) {
			r.Header.Set("X-Twilio-Signature", p.twilio.Sign("https://evil.example"+sms.InboundPath, form))
		}, http.StatusForbidden},
		"another query": {func(r *http.Request) { r.URL.RawQuery = "key=other" }, http.StatusForbidden},
		"another host":  {func(r *http.Request) { r.Host = "evil.example" }, http.StatusOK}, // the public URL counts
		"JSON":          {func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, http.StatusForbidden},
	} {
		if w := p.post(p.Inbound(p), sms.InboundPath, form, c.change); w.Code != c.want {
			t.Errorf("%s: %d %s; want %d", name, w.Code, w.Body, c.want)
		}
	}
	changed := p.text("hello")
	sign := p.twilio.Sign(public+sms.InboundPath, changed)
	changed.Set("Body", "something else")
	if w := p.post(p.Inbound(p), sms.InboundPath, changed, func(r *http.Request) { r.Header.Set("X-Twilio-Signature", sign) }); w.Code != http.StatusForbidden {
		t.Errorf("another body: %d", w.Code)
	}
	if n := len(p.heard); n != 3 {
		t.Errorf("%d heard", n)
	}
	// Twilio's own example ("Webhooks security").
	q, err := sms.New(sms.Config{
		AccountSID: "AC" + strings.Repeat("0", 32), AuthToken: "12345", From: own, PublicURL: func() string { return "https://example.com" },
	})
	if err != nil {
		t.Fatal(err)
	}
	example := url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675310"}, "Digits": {"1234"}, "From": {"+14158675310"}, "To": {"+18005551212"}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/myapp.php?foo=1&bar=2", strings.NewReader(example.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Twilio-Signature", "L/OH5YylLD5NRKLltdqwSvS0BnU=")
	w := httptest.NewRecorder()
	q.Statuses().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("Twilio's example: %d %s", w.Code, w.Body)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := sms.Config{AccountSID: "AC" + strings.Repeat("a", 32), AuthToken: "t", From: own}
	for field, change := range map[string]func(*sms.Config){
		"AccountSID":       func(c *sms.Config) { c.AccountSID = "AC1" },
		"AuthToken":        func(c *sms.Config) { c.AuthToken = "" },
		"APIKey":           func(c *sms.Config) { c.APIKey, c.APIKeySecret = "x", "y" },
		"APIKeySecret":     func(c *sms.Config) { c.APIKey = "SK" + strings.Repeat("a", 32) },
		"From":             func(c *sms.Config) { c.From = "" },
		"From ":            func(c *sms.Config) { c.MessagingService = "MG" + strings.Repeat("a", 32) },
		"From  ":           func(c *sms.Config) { c.From = "+1 555" },
		"MessagingService": func(c *sms.Config) { c.From, c.MessagingService = "", "MG1" },
		"BaseURL":          func(c *sms.Config) { c.BaseURL = "http://api.twilio.com" },
		"Timeout":          func(c *sms.Config) { c.Timeout = -1 },
	} {
		cfg := good
		change(&cfg)
		e, ok := errors.AsType[*sms.FieldError](cfg.Validate())
		if !ok || e.Field != strings.TrimSpace(field) {
			t.Errorf("%s: %v", field, cfg.Validate())
		}
	}
	for _, from := range []string{own, "12345", "Headsup"} {
		cfg := good
		cfg.From = from
		if err := cfg.Validate(); err != nil {
			t.Error(err)
		}
	}
}
