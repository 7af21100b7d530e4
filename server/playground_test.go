package server_test

import (
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

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/server"
)

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
	deadline := time.Now().Add(time.Minute)
	for {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil || time.Now().After(deadline) {
			return l, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
