package headsup_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/pace"
)

func TestSendBodyPostsTheBytesThroughEveryLayer(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	way, ref, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- r.Method + " " + r.URL.Path + " " + string(body)
		_, _ = w.Write([]byte(`{"id":"7"}`))
	})
	var all headsup.Switch
	all.Otherwise(headsup.NewPacedChannel(way, newLimits(t, pace.Profile{}), ""))
	body := jsontext.Value(`{ "from":{"id":"28:bot"}, "type":"message","text":"a\u00e4" }`)
	sent, err := headsup.SendBody(t.Context(), &all, headsup.Outgoing{Reference: ref}, body)
	if err != nil || sent.ID != "7" {
		t.Fatalf("sent as %q, %v", sent.ID, err)
	}
	if want, posted := "POST /v3/conversations/a:1/activities "+string(body), <-got; posted != want {
		t.Errorf("posted %s, want %s", posted, want)
	}
}

func TestSendBodyDecodesForOtherChannels(t *testing.T) {
	t.Parallel()
	r := &bottest.Recorder{}
	ref := teams("https://example.org", "a:1")
	if _, err := headsup.SendBody(t.Context(), r, headsup.Outgoing{Reference: ref, Key: "k"}, jsontext.Value(`{"type":"message","text":"x"}`)); err != nil {
		t.Fatal(err)
	}
	if sent := r.Sent(); len(sent) != 1 || sent[0].Activity.Text != "x" || sent[0].Key != "k" {
		t.Errorf("sent %+v", sent)
	}
	_, err := headsup.SendBody(t.Context(), r, headsup.Outgoing{Reference: ref}, jsontext.Value(`[]`))
	if failure, ok := errors.AsType[*headsup.SendError](err); !ok || failure.Meaning != headsup.MeaningPermanent {
		t.Errorf("a list was sent: %v", err)
	}
	if _, err := headsup.SendBody(t.Context(), &headsup.Switch{}, headsup.Outgoing{Reference: ref}, jsontext.Value(`{}`)); err == nil {
		t.Error("a switch without a way has sent something")
	}
}
