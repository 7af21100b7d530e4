package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/server"
)

// page is a server as the playground's page uses it.
type page struct {
	*testing.T
	url string
}

// do sends a request and decodes the answer's body, unless it is not the status that is wanted.
func (p page) do(method, path, body string, status int, into any) {
	p.Helper()
	resp, answer := request(p.T, method, p.url+path, body)
	if resp.StatusCode != status {
		p.Fatalf("%s %s: %s %s, want %d", method, path, resp.Status, answer, status)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(answer), into, json.MatchCaseInsensitiveNames(true)); err != nil {
		p.Fatalf("%s %s: %s: %v", method, path, answer, err)
	}
}

type chat struct {
	ID, Kind, Name string
	Members        []struct{ ID, Name string }
	CreatedBy      string `json:"createdBy"`
	Installed      bool   `json:"installed"`
}

func (c chat) names() string {
	var names []string
	for _, m := range c.Members {
		names = append(names, m.Name)
	}
	return strings.Join(names, " ")
}

// seat is one person's client of one conversation.
type seat struct {
	page
	conversation, token string
}

func (p page) enter(user, conversation string) seat {
	p.Helper()
	var t struct {
		ConversationID string `json:"conversationId"`
		Token          string `json:"token"`
	}
	p.do("POST", "/playground/api/token", fmt.Sprintf(`{"user":{"id":%q},"conversationId":%q}`, user, conversation), 200, &t)
	c := seat{p, t.ConversationID, t.Token}
	c.call("POST", "/v3/directline/conversations", "{}", nil)
	return c
}

func (c seat) call(method, path, body string, into any) int {
	c.Helper()
	resp, answer := request(c.T, method, c.url+path, body, "Authorization", "Bearer "+c.token)
	if into != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal([]byte(answer), into, json.MatchCaseInsensitiveNames(true)); err != nil {
			c.Fatal(err)
		}
	}
	return resp.StatusCode
}

func (c seat) post(activity string) string {
	c.Helper()
	var sent struct{ ID string }
	if status := c.call("POST", "/v3/directline/conversations/"+c.conversation+"/activities", activity, &sent); status != 200 {
		c.Fatalf("post %s: %d", activity, status)
	}
	return sent.ID
}

func (c seat) say(text string) string {
	c.Helper()
	return c.post(fmt.Sprintf(`{"type":"message","text":%q}`, text))
}

func (c seat) history() []*activity.Activity {
	c.Helper()
	var set struct{ Activities []*activity.Activity }
	if status := c.call("GET", "/v3/directline/conversations/"+c.conversation+"/activities", "", &set); status != 200 {
		c.Fatalf("the history: %d", status)
	}
	return set.Activities
}

// sees waits for messages with texts, as often as they are given.
func (c seat) sees(texts ...string) {
	c.Helper()
	var got []string
	eventually(c.T, func() string { return fmt.Sprintf("%q, have %q", texts, got) }, func() bool {
		got = nil
		for _, a := range c.history() {
			got = append(got, a.Text)
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(texts))
		return slices.Equal(got, want)
	})
}

func eventually(t *testing.T, what func() string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// foreign is a bot in another process: it keeps what it hears and answers as it is told.
type foreign struct {
	*httptest.Server
	mu     sync.Mutex
	heard  []*activity.Activity                         // guarded by mu
	answer func(*activity.Activity) (int, string, bool) // guarded by mu; false: as usual
}

func newForeign(t *testing.T) *foreign {
	t.Helper()
	f := &foreign{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		a, err := activity.Decode(body)
		if err != nil || r.Header.Get("Content-Type") != "application/json; charset=utf-8" || r.Header.Get("Authorization") != "" {
			t.Errorf("the bot is posted %s with %v: %v", body, r.Header, err)
		}
		f.mu.Lock()
		f.heard = append(f.heard, a)
		answer := f.answer
		f.mu.Unlock()
		if answer != nil {
			if status, text, mine := answer(a); mine {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, text)
				return
			}
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *foreign) answers(how func(*activity.Activity) (int, string, bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = how
}

// last returns the newest activity of a type that it has heard.
func (f *foreign) last(t *testing.T, kind activity.Type) *activity.Activity {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range slices.Backward(f.heard) {
		if a.Type == kind {
			return a
		}
	}
	t.Fatalf("the bot has heard no %s", kind)
	return nil
}

func (f *foreign) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, a := range f.heard {
		s := string(a.Type) + string(a.Action)
		for _, m := range a.MembersAdded {
			s += " +" + m.Name
		}
		for _, m := range a.MembersRemoved {
			s += " -" + m.Name
		}
		out = append(out, s)
	}
	return out
}

func playing(t *testing.T) (page, *foreign) {
	t.Helper()
	f := newForeign(t)
	return page{t, running(t, server.Config{BotURL: f.URL + "/api/messages"})}, f
}

func TestPlaygroundTellsWhatItPlaysWith(t *testing.T) {
	t.Parallel()
	type setup struct {
		URL   string
		AppID string `json:"app_id"`
		Bot   struct {
			ID, Name string
		}
		External bool
		BotURL   string `json:"bot_url"`
		Demo     bool
	}
	p, f := playing(t)
	var got setup
	p.do("GET", "/playground/api/setup", "", 200, &got)
	if got.URL != p.url || got.AppID == "" || got.Bot.ID != "bot" || !got.External || got.BotURL != f.URL+"/api/messages" || got.Demo {
		t.Errorf("%+v", got)
	}
	own := page{t, running(t, server.Config{Demo: true})}
	own.do("GET", "/playground/api/setup", "", 200, &got)
	if got.Bot.Name != "Headsup" || got.External || !got.Demo {
		t.Errorf("%+v", got)
	}
}

func TestPlaygroundGroups(t *testing.T) {
	t.Parallel()
	p, bot := playing(t)
	var group chat
	p.do("POST", "/playground/api/conversations",
		`{"kind":"group","name":"Ops","members":[{"id":"dl_ann","name":"Ann"},{"id":"dl_ben","name":"Ben"}],"creator":"dl_ben"}`, 201, &group)
	if group.Kind != "group" || group.Name != "Ops" || group.names() != "Ann Ben" || group.CreatedBy != "user" || !group.Installed {
		t.Errorf("opened %+v", group)
	}
	ann, again, ben := p.enter("dl_ann", group.ID), p.enter("dl_ann", group.ID), p.enter("dl_ben", group.ID)
	ann.say("hi")
	for _, c := range []seat{ann, again, ben} {
		c.sees("hi")
	}
	heard := bot.last(t, activity.TypeMessage)
	if heard.From.Name != "Ann" || !heard.Conversation.Group() || heard.Conversation.ConversationType != activity.ConversationGroupChat ||
		heard.ServiceURL != p.url || heard.Recipient.ID != "bot" {
		t.Errorf("the bot heard %+v in %+v", heard, heard.Conversation)
	}
	path := "/playground/api/conversations/" + group.ID
	p.do("POST", path+"/members", `{"members":[{"id":"dl_cem","name":"Cem"}]}`, 200, &group)
	p.do("PATCH", "/playground/api/people/dl_ann", `{"name":"Änne"}`, 200, nil)
	p.do("DELETE", path+"/members/dl_ben", "", 200, &group)
	if group.names() != "Änne Cem" {
		t.Errorf("then it has %s", group.names())
	}
	if status := ben.call("GET", "/v3/directline/conversations/"+group.ID+"/activities", "", nil); status != 403 {
		t.Errorf("who was removed reads on: %d", status)
	}
	ann.say("new name")
	if got := bot.last(t, activity.TypeMessage).From.Name; got != "Änne" {
		t.Errorf("says it as %q", got)
	}
	p.do("POST", path+"/uninstall", "", 200, nil)
	ann.say("unheard")
	p.do("POST", path+"/install", "", 200, nil)
	want := []string{"conversationUpdate +Bot", "conversationUpdate +Ann +Ben", "message", "conversationUpdate +Cem", "conversationUpdate -Ben",
		"message", "conversationUpdate -Bot", "installationUpdateremove", "conversationUpdate +Bot", "installationUpdateadd"}
	if got := bot.all(); !slices.Equal(got, want) {
		t.Errorf("the bot heard %q, want %q", got, want)
	}

	var alone chat
	p.do("POST", "/playground/api/conversations", `{"kind":"personal","members":[{"id":"dl_ann","name":"Änne"}]}`, 201, &alone)
	p.do("POST", "/v3/conversations", `{"isGroup":true,"members":[{"id":"dl_cem","name":"Cem"},{"id":"dl_dan","name":"Dan"}]}`, 201, nil)
	for user, want := range map[string][]string{"dl_ann": {"group", "personal"}, "dl_ben": nil, "dl_dan": {"group"}, "": {"group", "personal", "group"}} {
		var list struct{ Conversations []chat }
		p.do("GET", "/playground/api/conversations?user="+user, "", 200, &list)
		var kinds []string
		for _, c := range list.Conversations {
			kinds = append(kinds, c.Kind)
		}
		if !slices.Equal(kinds, want) {
			t.Errorf("%q is in %+v, want %q", user, list.Conversations, want)
		}
	}
}

func TestPlaygroundChannelsHaveThreads(t *testing.T) {
	t.Parallel()
	p, bot := playing(t)
	var channel chat
	p.do("POST", "/playground/api/conversations", `{"kind":"channel","name":"Ops","members":[{"id":"dl_ann","name":"Ann"}]}`, 201, &channel)
	ann := p.enter("dl_ann", channel.ID)
	root := ann.say("question")
	heard := bot.last(t, activity.TypeMessage)
	thread := channel.ID + ";messageid=" + root
	if string(heard.Conversation.ID) != thread || string(heard.ID) != root {
		t.Errorf("the bot heard %s in %s", heard.ID, heard.Conversation.ID)
	}
	escaped := strings.ReplaceAll(thread, ";", "%3B")
	p.do("POST", "/v3/conversations/"+escaped+"/activities/"+root, `{"type":"message","text":"answer"}`, 200, nil)
	p.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":"engine in thread"}`, thread), 202, nil)
	p.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":"engine begins a thread"}`, channel.ID), 202, nil)
	p.do("POST", "/v3/conversations", fmt.Sprintf(`{"isGroup":true,"channelData":{"channel":{"id":%q}},"activity":{"type":"message","text":"bot begins a thread"}}`, channel.ID), 201, nil)
	ann.sees("question", "answer", "engine in thread", "engine begins a thread", "bot begins a thread")
	threads := make(map[string]int)
	for _, a := range ann.history() {
		data, _ := activity.Member(a.ChannelData, "headsup")
		of, _ := activity.Member(data, "thread")
		threads[strings.Trim(string(of), `"`)]++
	}
	if len(threads) != 3 || threads[root] != 3 {
		t.Errorf("the threads have %v, want three in %s", threads, root)
	}
}

func TestExternalBotIsFullyOnTheChannel(t *testing.T) {
	t.Parallel()
	p, bot := playing(t)
	ann := p.enter("dl_ann", "")
	bot.answers(func(a *activity.Activity) (int, string, bool) {
		switch {
		case a.Type == activity.TypeInvoke:
			return 409, `{"why":"taken"}`, true
		case a.DeliveryMode == activity.DeliveryExpectReplies:
			return 200, `{"activities":[{"type":"message","text":"reply in the answer"}]}`, true
		case a.Text == "fail":
			return 500, "", true
		}
		return 0, "", false
	})
	ann.post(`{"type":"message","text":"now","deliveryMode":"expectReplies"}`)
	ann.sees("now", "reply in the answer")
	ann.post(`{"type":"event","name":"go","value":1}`)
	ann.post(`{"type":"messageReaction","reactionsAdded":[{"type":"like"}],"replyToId":"x"}`)
	ann.post(`{"type":"typing"}`)
	for _, kind := range []activity.Type{activity.TypeEvent, activity.TypeMessageReaction, activity.TypeTyping, activity.TypeConversationUpdate} {
		bot.last(t, kind)
	}
	path := "/v3/directline/conversations/" + ann.conversation + "/activities"
	if status := ann.call("POST", path, `{"type":"message","text":"fail"}`, nil); status != 502 {
		t.Errorf("a bot that fails: %d", status)
	}
	if status := ann.call("POST", path, `{"type":"invoke","name":"adaptiveCard/action","value":{"action":{"type":"Action.Execute"}}}`, nil); status != 502 {
		t.Errorf("a bot that refuses an invoke: %d", status)
	}
	var created struct{ ID string }
	p.do("POST", "/v3/conversations", `{"members":[{"id":"dl_ben","name":"Ben"}],"activity":{"type":"message","text":"hello Ben"}}`, 201, &created)
	ben := p.enter("dl_ben", created.ID)
	p.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":"from the engine"}`, created.ID), 202, nil)
	ben.sees("hello Ben", "from the engine")
	p.do("POST", "/v1/notifications", `{"to":{"user":"dl_ben"},"text":"by person"}`, 202, nil)
	ben.sees("hello Ben", "from the engine", "by person")

	// It goes away, and comes back while somebody waits.
	address := bot.Listener.Addr().String()
	bot.Close()
	if status := ann.call("POST", path, `{"type":"message","text":"gone"}`, nil); status != 502 {
		t.Errorf("a bot that is down: %d", status)
	}
	said := make(chan int, 1)
	go func() { said <- ann.call("POST", path, `{"type":"message","text":"back"}`, nil) }()
	listener, err := listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	back := &http.Server{Handler: bot.Config.Handler}
	go func() { _ = back.Serve(listener) }()
	defer back.Close()
	if status := <-said; status != 200 {
		t.Errorf("a bot that comes back: %d", status)
	}
	if got := bot.last(t, activity.TypeMessage).Text; got != "back" {
		t.Errorf("then it heard %q", got)
	}
}

// fault sets faults; the body is what is inside of the list.
func (p page) fault(list string) {
	p.Helper()
	p.do("PUT", "/playground/api/faults", `{"faults":[`+list+`]}`, 200, nil)
}

func TestFaultsHappenToOurBot(t *testing.T) {
	t.Parallel()
	p := page{t, running(t, server.Config{})}
	for _, tt := range []struct {
		fault, state, reason string
		status, times        int
	}{
		{`{"on":["send"],"kind":"status","status":429,"retry_after_s":1,"remaining":1}`, "delivered", "throttled", 429, 1},
		{`{"on":["send","create"],"kind":"status","status":503,"remaining":1}`, "delivered", "service_error", 503, 1},
		{`{"on":["send"],"kind":"outage","remaining":1}`, "delivered", "unreachable", 0, 1},
		{`{"on":["send"],"kind":"lost_answer","remaining":1}`, "delivered", "no_answer", 0, 1},
		{`{"on":["send"],"kind":"lost_answer","status":504,"remaining":1}`, "delivered", "service_error", 504, 1},
		{`{"on":["send"],"kind":"slow","delay_ms":50,"remaining":1}`, "delivered", "", 0, 1},
		{`{"on":["update"],"kind":"outage"}`, "delivered", "", 0, 1},
		{`{"on":["send"],"kind":"status","status":403,"code":"BotDisabledByAdmin"}`, "failed", "bot_disabled", 403, 0},
		{`{"on":["send"],"kind":"status","status":403,"code":"MessageWritesBlocked"}`, "failed", "blocked", 403, 0},
	} {
		p.do("DELETE", "/playground/api/faults", "", 200, nil)
		ann := p.enter("dl_ann", "")
		eventually(t, func() string { return "welcome" }, func() bool { return len(ann.history()) > 0 })
		p.fault(tt.fault)
		var n api.Notification
		p.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":"news","on_unknown":"hold"}`, ann.conversation), 202, &n)
		eventually(t, func() string { return tt.fault + ": " + n.State }, func() bool {
			p.do("GET", "/v1/notifications/"+n.ID, "", 200, &n)
			return n.State == tt.state
		})
		found := tt.reason == ""
		for _, change := range n.Deliveries[0].History {
			found = found || change.Reason == tt.reason && change.Status == tt.status
		}
		if !found {
			t.Errorf("%s: the history is %+v", tt.fault, n.Deliveries[0].History)
		}
		times := 0
		for _, a := range ann.history() {
			if a.Text == "news" {
				times++
			}
		}
		if times != tt.times {
			t.Errorf("%s: it was said %d times, want %d", tt.fault, times, tt.times)
		}
	}
}

func TestFaultsHappenToBotsElsewhere(t *testing.T) {
	t.Parallel()
	p, _ := playing(t)
	ann, ben := p.enter("dl_ann", ""), p.enter("dl_ben", "")
	send := func(c seat) (*http.Response, string) {
		return request(t, "POST", p.url+"/v3/conversations/"+c.conversation+"/activities", `{"type":"message","text":"x"}`)
	}
	p.fault(fmt.Sprintf(`{"id":"f","on":["send","members"],"conversation":%q,"kind":"status","status":429,"retry_after_s":7,"message":"slow down","remaining":2}`, ann.conversation))
	resp, body := send(ann)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" || body != `{"error":{"code":"Throttled","message":"slow down"}}` {
		t.Errorf("%s %v %s", resp.Status, resp.Header, body)
	}
	if resp, _ := send(ben); resp.StatusCode != 200 {
		t.Errorf("another conversation: %s", resp.Status)
	}
	var list struct{ Faults []map[string]jsontext.Value }
	p.do("GET", "/playground/api/faults", "", 200, &list)
	if len(list.Faults) != 1 || string(list.Faults[0]["remaining"]) != "1" || string(list.Faults[0]["id"]) != `"f"` {
		t.Errorf("faults %v", list)
	}
	if resp, _ := request(t, "GET", p.url+"/v3/conversations/"+ann.conversation+"/members", ""); resp.StatusCode != 429 {
		t.Errorf("members: %s", resp.Status)
	}
	if resp, _ := send(ann); resp.StatusCode != 200 {
		t.Errorf("after it has happened twice: %s", resp.Status)
	}
	p.fault(`{"on":["send"],"kind":"status","status":403,"code":"MessageWritesBlocked"}`)
	if resp, body := send(ann); resp.StatusCode != 403 || !strings.Contains(body, `"errorCode":209`) || !strings.Contains(body, `\"subCode\":\"MessageWritesBlocked\"`) {
		t.Errorf("blocked: %s %s", resp.Status, body)
	}
	before := len(ann.history())
	for _, kind := range []string{"outage", "lost_answer"} {
		p.fault(fmt.Sprintf(`{"on":["send"],"kind":%q}`, kind))
		r, err := http.NewRequestWithContext(t.Context(), "POST", p.url+"/v3/conversations/"+ann.conversation+"/activities", strings.NewReader(`{"type":"message","text":"lost"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
			t.Errorf("%s: the bot has an answer: %s", kind, resp.Status)
		}
	}
	if got := len(ann.history()); got != before+1 {
		t.Errorf("%d were kept, want that whose answer was lost", got-before)
	}
}

// wireOf reads the wire log until an entry fits.
func (p page) wireOf(fits func(map[string]jsontext.Value) bool) map[string]jsontext.Value {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", p.url+"/playground/api/wire", nil)
	if err != nil {
		p.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		var entry map[string]jsontext.Value
		if ok && json.Unmarshal([]byte(data), &entry) == nil && fits(entry) {
			return entry
		}
	}
	p.Fatal("the wire log has no such entry")
	return nil
}

func TestWireShowsRequestsAndAnswers(t *testing.T) {
	t.Parallel()
	external, bot := playing(t)
	bot.answers(func(a *activity.Activity) (int, string, bool) { return 418, `{"short":"stout"}`, a.Text == "tea" })
	own := page{t, running(t, server.Config{})}
	for _, p := range []page{external, own} {
		ann := p.enter("dl_ann", "")
		ann.call("POST", "/v3/directline/conversations/"+ann.conversation+"/activities", `{"type":"message","text":"tea"}`, nil)
		heard := p.wireOf(func(e map[string]jsontext.Value) bool {
			return string(e["direction"]) == `"heard"` && strings.Contains(string(e["activity"]), `"text":"tea"`)
		})
		inProcess := p.url == own.url
		target, status, failure := own.url+"/api/messages", "200", ""
		if !inProcess {
			target, status, failure = bot.URL+"/api/messages", "418", `"the bot answered 418 I'm a teapot"`
		}
		for path, want := range map[string]string{
			"request.method": `"POST"`, "request.url": fmt.Sprintf("%q", target), "request.body.text": `"tea"`, "answer.status": status,
			"conversation": fmt.Sprintf("%q", ann.conversation), "person": `"dl_ann"`, "type": `"message"`, "channel": `"directline"`,
			"error": failure, "in_process": map[bool]string{true: "true"}[inProcess],
		} {
			if got := member(heard, path); got != want {
				t.Errorf("in process %t: %s is %s, want %s", inProcess, path, got, want)
			}
		}
	}
	ann := external.enter("dl_ann", "")
	path := "/v3/conversations/" + ann.conversation + "/activities"
	request(t, "POST", external.url+path, `{"type":"message","text":"said"}`, "Authorization", "Bearer very-secret")
	said := external.wireOf(func(e map[string]jsontext.Value) bool { return string(e["direction"]) == `"said"` })
	for where, want := range map[string]string{
		"request.method": `"POST"`, "request.url": fmt.Sprintf("%q", external.url+path), "request.headers.Authorization": `"redacted"`,
		"answer.status": "200", "answer.body.id": fmt.Sprintf("%q", ann.conversation+"|0000001"), "in_process": "", "error": "", "op": `"send"`,
	} {
		if got := member(said, where); got != want {
			t.Errorf("%s is %s, want %s", where, got, want)
		}
	}
	external.fault(`{"on":["members"],"kind":"outage"}`)
	if resp, err := http.Get(external.url + "/v3/conversations/" + ann.conversation + "/members"); err == nil {
		resp.Body.Close()
		t.Error("there was an answer")
	}
	cut := external.wireOf(func(e map[string]jsontext.Value) bool { return string(e["op"]) == `"members"` })
	if member(cut, "answer.status") != "0" || member(cut, "error") == "" {
		t.Errorf("an outage is shown as %v", cut)
	}
	own.do("POST", "/v1/notifications", `{"to":{"everyone":true},"text":"inside"}`, 202, nil)
	inside := own.wireOf(func(e map[string]jsontext.Value) bool {
		return strings.Contains(string(e["activity"]), `"text":"inside"`)
	})
	if member(inside, "in_process") != "true" || member(inside, "answer.status") != "200" || !strings.Contains(member(inside, "request.url"), "/v3/conversations/") {
		t.Errorf("a send inside is shown as %v", inside)
	}
}

// member follows a path into an entry; what is missing is empty.
func member(entry map[string]jsontext.Value, path string) string {
	first, rest, _ := strings.Cut(path, ".")
	v := entry[first]
	for name := range strings.SplitSeq(rest, ".") {
		if name != "" {
			v, _ = activity.Member(v, name)
		}
	}
	return string(v)
}

func TestPlaygroundSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := page{t, running(t, server.Config{})}
	ann := p.enter("dl_ann", "")
	const conversations = "/playground/api/conversations"
	for _, tt := range []struct {
		method, path, body string
		status             int
		code, says         string
	}{
		{"POST", "/playground/api/token", `{"user":{"id":1}}`, 400, "bad_request", "user.id: is not of the right type"},
		{"POST", "/playground/api/token", `{"user":{"idd":"x"}}`, 400, "bad_request", "user.idd: is not known here"},
		{"POST", "/playground/api/token", `[]`, 400, "bad_request", "the body must be a JSON object"},
		{"POST", "/playground/api/token", `{`, 400, "bad_request", "the body is not valid JSON"},
		{"POST", "/playground/api/token", `{"user":{"id":"dl_ben"},"conversationId":"` + ann.conversation + `"}`, 404, "not_found", "no such conversation"},
		{"POST", conversations, `{"kind":"crowd","members":[{"id":"dl_a"}]}`, 400, "bad_request", "kind: must be"},
		{"POST", conversations, `{"kind":"group"}`, 400, "bad_request", "members: must be"},
		{"POST", conversations, `{"kind":"group","members":[{"id":"ann"}]}`, 400, "bad_request", "members[0]: "},
		{"POST", conversations + "/x/members", `{"members":[{"id":"dl_a"}]}`, 404, "not_found", ""},
		{"POST", conversations + "/" + ann.conversation + "/members", `{"members":[{"id":"dl_a"}]}`, 400, "bad_request", "personal"},
		{"DELETE", conversations + "/x/members/dl_a", ``, 404, "not_found", ""},
		{"POST", conversations + "/x/install", ``, 404, "not_found", ""},
		{"POST", conversations + "/x/uninstall", ``, 404, "not_found", ""},
		{"PATCH", "/playground/api/people/dl_ann", `{"name":""}`, 400, "bad_request", "name: "},
		{"PATCH", "/playground/api/people/ann", `{"name":"Ann"}`, 400, "bad_request", "must start with"},
		{"PUT", "/playground/api/faults", `{"faults":[{"kind":"status","status":500}]}`, 400, "bad_fault", "faults[0].on"},
		{"PUT", "/playground/api/faults", `{"faults":[{"on":["hear"],"kind":"outage"}]}`, 400, "bad_fault", "faults[0].on"},
		{"PUT", "/playground/api/faults", `{"faults":[{"on":["send"],"kind":"status"}]}`, 400, "bad_fault", "faults[0].status"},
		{"PUT", "/playground/api/faults", `{"faults":[{"on":["send"],"kind":"slow"}]}`, 400, "bad_fault", "faults[0].delay_ms"},
		{"PUT", "/playground/api/faults", `{"faults":[{"on":["send"],"kind":"gone"}]}`, 400, "bad_fault", "faults[0].kind"},
		{"PUT", "/playground/api/faults", `{"faults":[{"on":["send"],"kind":"outage","remaining":0}]}`, 400, "bad_fault", "faults[0].remaining"},
	} {
		resp, body := request(t, tt.method, p.url+tt.path, tt.body)
		var e struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(body), &e, json.MatchCaseInsensitiveNames(true)); err != nil || resp.StatusCode != tt.status || e.Error.Code != tt.code || !strings.Contains(e.Error.Message, tt.says) {
			t.Errorf("%s %s %s: %s %s", tt.method, tt.path, tt.body, resp.Status, body)
		}
		if strings.Contains(body, "Go ") || strings.Contains(body, "struct") || strings.Contains(body, "activity.") {
			t.Errorf("%s %s %s: tells of Go: %s", tt.method, tt.path, tt.body, body)
		}
	}
}

func TestBotURLIsChecked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"localhost:3979", "ftp://localhost/x", "http://", "http://user@localhost/api", "http://localhost/#x", "::"} {
		if s, err := server.New(t.Context(), server.Config{Listen: "127.0.0.1:0", DataDir: t.TempDir(), BotURL: url}); err == nil {
			_ = s.Close()
			t.Errorf("%q is taken for a bot's URL", url)
		}
	}
}

// listen takes an address that was in use a moment ago.
func listen(ctx context.Context, address string) (net.Listener, error) {
	deadline := time.Now().Add(2 * time.Second)
	for {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil || time.Now().After(deadline) {
			return l, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
