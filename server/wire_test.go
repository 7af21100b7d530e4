package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/server"
)

// wireOf reads the wire log until an entry fits.
func (p page) wireOf(fits func(map[string]jsontext.Value) bool) map[string]jsontext.Value {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
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
