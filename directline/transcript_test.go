package directline_test

import (
	"errors"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

func TestTranscriptHasWhatBothSaidWithTheirIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	first := r.post(o, message("hi"))
	sent, err := r.ch.Send(t.Context(), outgoing(o.ConversationID, activity.Message("hello"), ""))
	if err != nil {
		t.Fatal(err)
	}
	var said []*activity.Activity
	for after := int64(0); ; {
		page, err := r.ch.Transcript(t.Context(), o.ConversationID, after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		a, err := activity.Decode(page[0].Body)
		if err != nil {
			t.Fatalf("%v in %s", err, page[0].Body)
		}
		if page[0].Seq != after+1 {
			t.Errorf("number %d follows %d", page[0].Seq, after)
		}
		said, after = append(said, a), page[0].Seq
	}
	n := len(said)
	if n < 2 || said[n-2].ID != first || said[n-2].Text != "hi" || said[n-1].ID != sent.ID || said[n-1].Text != "hello" {
		t.Errorf("said %+v", said)
	}
	if _, err := r.ch.Transcript(t.Context(), "nobody's", 0, 1); !errors.Is(err, directline.ErrNotFound) {
		t.Errorf("an unknown conversation: %v", err)
	}
}
