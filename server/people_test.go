package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// The names of somebody who is erased, in everything that is told and said.
const (
	annID   = "CANARYann"
	annName = "CANARYname"
	annSays = "CANARYsaid"
	annHear = "CANARYheard"
)

// meetAnn has the bot meet somebody on a channel and on the embedded one.
func meetAnn(p *program, channelURL string) {
	p.t.Helper()
	for _, who := range []string{annID, "ben"} {
		status, answer := p.post("/api/messages", fmt.Sprintf(`{"type":"message","id":"m-%s","channelId":"test","serviceUrl":%q,`+
			`"from":{"id":%q,"name":"%s-%s"},"recipient":{"id":"bot"},"conversation":{"id":"talk-%s"},"text":"%s-%s"}`,
			who, channelURL, who, annNameOf(who), who, who, annSaysOf(who), who))
		if status != http.StatusOK {
			p.t.Fatalf("status %d: %s", status, answer)
		}
	}
	var made struct {
		Token        string `json:"token"`
		Conversation string `json:"conversationId"`
	}
	_, answer := p.post("/playground/api/token", `{"user":{"id":"dl_`+annID+`","name":"`+annName+`"}}`)
	if err := json.Unmarshal(answer, &made); err != nil || made.Token == "" {
		p.t.Fatalf("%v: %s", err, answer)
	}
	bearer := []string{"Authorization", "Bearer " + made.Token}
	if status, answer := p.post("/v3/directline/conversations", "", bearer...); status != http.StatusCreated && status != http.StatusOK {
		p.t.Fatalf("status %d: %s", status, answer)
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		p.t.Fatal(err)
	}
	if status, answer := p.post("/v3/directline/conversations/"+made.Conversation+"/activities",
		`{"type":"message","from":{"id":"dl_`+annID+`","name":"`+annName+`"},"text":"`+annSays+`"}`, bearer...); status != http.StatusOK {
		p.t.Fatalf("status %d: %s", status, answer)
	}
}

func annNameOf(who string) string {
	if who == annID {
		return annName
	}
	return "name"
}

func annSaysOf(who string) string {
	if who == annID {
		return annSays
	}
	return "said"
}

// canaries are the texts that may be nowhere once Ann is erased.
var canaries = []string{annID, annName, annSays, annHear}

// TestErasedPersonIsNowhere erases somebody in the middle of a broadcast to many, kills the server as soon as it has
// acknowledged that, and starts it again: nothing was said to them after the acknowledgement, and when the erasure is done
// nothing of them is in any file. The log, from the first start to the end, never had a name or what anybody said.
func TestErasedPersonIsNowhere(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	p := build(t)
	r := launch(t, p, "--log-level", "info", "--pace", "off")
	meetAnn(p, l.URL)
	for i := range 60 {
		for _, who := range []string{annID, "ben"} {
			status, answer := p.post("/v1/notifications", fmt.Sprintf(`{"to":{"user":%q},"text":"%s-%d","value":{"v":%q},"collapse_key":"k%s%d"}`,
				who, map[bool]string{true: annHear, false: "heard"}[who == annID], i, who, who, i), "Idempotency-Key", fmt.Sprint(who, i))
			if status != http.StatusAccepted {
				t.Fatalf("status %d: %s", status, answer)
			}
		}
	}
	if status, answer := p.post("/v1/schedules", `{"name":"for `+annID+`","rule":{"cron":"0 9 * * *"},"notification":{"to":{"user":"`+annID+`"},"text":"`+annHear+`"}}`); status != http.StatusCreated {
		t.Fatalf("status %d: %s", status, answer)
	}
	status, export := p.post("/v1/people/export", `{"user":"`+annID+`"}`)
	if status != http.StatusOK || bytes.Contains(export, []byte("ben")) || !bytes.Contains(export, []byte(annHear+"-59")) ||
		!bytes.Contains(export[bytes.LastIndexByte(bytes.TrimSpace(export), '\n')+1:], []byte(`"type":"end"`)) {
		t.Errorf("status %d: exported %s", status, export)
	}

	var telling sync.WaitGroup
	stop := make(chan struct{})
	telling.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				p.post("/v1/notifications", fmt.Sprintf(`{"to":{"everyone":true},"text":"to all %d"}`, i))
			}
		}
	})
	var erasures []string
	for _, who := range []string{annID, "dl_" + annID} {
		status, answer := p.post("/v1/people/erasures", `{"user":"`+who+`"}`)
		var x api.Erasure
		if err := json.Unmarshal(answer, &x); err != nil || status != http.StatusAccepted || x.State == "begun" {
			t.Fatalf("status %d, %v: %s", status, err, answer)
		}
		erasures = append(erasures, x.ID)
	}
	said := l.saidTo("talk-" + annID)
	_ = r.cmd.Process.Kill() // which launch waits for
	close(stop)
	telling.Wait()
	if err := <-r.ended; err == nil {
		t.Error("it was not killed")
	}
	first := r.raw
	r = launch(t, p, "--log-level", "info", "--pace", "off")
	waitErased(p, erasures...)
	if status, answer := p.post("/v1/notifications", `{"to":{"user":"`+annID+`"},"text":"x"}`); status != http.StatusUnprocessableEntity {
		t.Errorf("status %d: %s", status, answer)
	}
	if now := l.saidTo("talk-" + annID); now != said {
		t.Errorf("%d things were said after the erasure was acknowledged", now-said)
	}
	nowhere(t, p.data)
	r.signal()
	if err := r.exit(); err != nil {
		t.Error(err)
	}
	nowhere(t, p.data)
	for _, line := range append(first, r.raw...) {
		for _, canary := range append(canaries, "heard-", "to all", "name-ben", "said-ben") {
			if strings.Contains(line, canary) {
				t.Errorf("the log has %s: %s", canary, line)
			}
		}
	}
	if !holds(t, p.data, "talk-ben") {
		t.Error("somebody else is gone, too")
	}
}

func (l *ledger) saidTo(conversation string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, times := range l.seen {
		if strings.HasPrefix(key, conversation+" ") {
			n += times
		}
	}
	return n
}

func waitErased(p *program, ids ...string) {
	p.t.Helper()
	for _, id := range ids {
		for deadline := time.Now().Add(time.Minute); ; {
			_, answer := p.call(http.MethodGet, "/v1/people/erasures/"+id, "")
			var x api.Erasure
			if json.Unmarshal(answer, &x) == nil && x.State == "done" {
				break
			}
			if time.Now().After(deadline) {
				p.t.Fatalf("not erased: %s", answer)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func nowhere(t *testing.T, dir string) {
	t.Helper()
	for _, canary := range canaries {
		if holds(t, dir, canary) {
			t.Errorf("%s is still in the files", canary)
		}
	}
}

// holds reports whether a file in a directory has a text.
func holds(t *testing.T, dir, text string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(text)) {
			return true
		}
	}
	return false
}
