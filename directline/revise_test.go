package directline_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

// changes has the bot update an activity.
func (r *rig) changes(o opened, id activity.ID, text string) {
	r.t.Helper()
	a := activity.Message(text)
	a.ID = id
	if _, err := r.ch.Update(r.t.Context(), outgoing(o.ConversationID, a, "")); err != nil {
		r.t.Fatal(err)
	}
}

// removes has the bot delete an activity.
func (r *rig) removes(o opened, id activity.ID) {
	r.t.Helper()
	ref := activity.Reference{ChannelID: activity.ChannelDirectLine, Conversation: activity.ConversationAccount{ID: o.ConversationID}}
	if err := r.ch.Delete(r.t.Context(), ref, id); err != nil {
		r.t.Fatal(err)
	}
}

// seen is what a client shows that knows activities by their ids, as Web Chat does: one that comes again replaces the
// earlier one, and all are in the order of their times.
func seen(as []*activity.Activity) []string {
	var shown []*activity.Activity
	for _, a := range as {
		shown = slices.DeleteFunc(shown, func(b *activity.Activity) bool { return b.ID == a.ID })
		shown = append(shown, a)
	}
	slices.SortStableFunc(shown, func(a, b *activity.Activity) int { return strings.Compare(a.Timestamp.String(), b.Timestamp.String()) })
	shown = slices.DeleteFunc(shown, func(a *activity.Activity) bool { return a.Type != activity.TypeMessage })
	return texts(shown)
}

func TestWhatChangesIsSeenInItsPlace(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	s := r.connect(o.StreamURL)
	var ids []activity.ID
	for _, text := range []string{"one", "two", "three"} {
		ids = append(ids, r.say(o, text, ""))
		r.clock.forward(time.Second)
	}
	live := s.read(3)
	r.changes(o, ids[0], "better")
	r.changes(o, ids[0], "best")
	r.removes(o, ids[1])
	live = append(live, s.read(3)...)
	set := r.poll(o, "")
	for how, got := range map[string][]*activity.Activity{"live": live, "later": set.Activities} {
		if want := []string{"best", "three"}; !slices.Equal(seen(got), want) {
			t.Errorf("%s: shows %q, want %q of %+v", how, seen(got), want, texts(got))
		}
	}
	if last := live[5]; last.ID != ids[1] || last.Type != activity.TypeMessageDelete || last.From.ID != "bot" {
		t.Errorf("removed as %+v", last)
	}
	if *set.Watermark != "6" {
		t.Errorf("the watermark is %s", *set.Watermark)
	}
	said, err := r.ch.Transcript(t.Context(), o.ConversationID, 0, 2)
	if err != nil || len(said) != 2 || said[0].Seq != 1 || said[1].Seq != 3 || !strings.Contains(string(said[0].Body), `"best"`) {
		t.Errorf("the transcript has %+v, %v", said, err)
	}
	for _, a := range set.Activities {
		if strings.Contains(a.Text, "two") || strings.Contains(a.Text, "one") || strings.Contains(a.Text, "better") {
			t.Errorf("the history still says %q", a.Text)
		}
	}
}

func TestOnlyWhatTheBotHasSaidChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o, other := r.join("dl_ann"), r.join("dl_ben")
	theirs := r.post(o, message("mine"))
	said := r.say(o, "said", "")
	elsewhere := r.say(other, "elsewhere", "")
	gone := r.say(o, "gone", "")
	r.removes(o, gone)
	for name, id := range map[string]activity.ID{
		"a person's": theirs, "another conversation's": elsewhere, "removed": gone, "none": "", "not yet": activity.ID(o.ConversationID) + "|0000099",
		"the change itself": activity.ID(o.ConversationID) + "|0000004", "no number": activity.ID(o.ConversationID) + "|x",
		"another spelling": activity.ID(o.ConversationID) + "|2",
	} {
		a := activity.Message("x")
		a.ID = id
		_, err := r.ch.Update(t.Context(), outgoing(o.ConversationID, a, ""))
		if e := headsup.MeaningOf(err); e == nil || e.Meaning != headsup.MeaningPermanent || e.Reason != "not_found" {
			t.Errorf("update of %s: %v", name, err)
		}
		err = r.ch.Delete(t.Context(), outgoing(o.ConversationID, a, "").Reference, id)
		if e := headsup.MeaningOf(err); e == nil || e.Meaning != headsup.MeaningPermanent || e.Reason != "not_found" {
			t.Errorf("delete of %s: %v", name, err)
		}
	}
	event := &activity.Activity{Type: activity.TypeEvent, ID: said}
	_, err := r.ch.Update(t.Context(), outgoing(o.ConversationID, event, ""))
	if e := headsup.MeaningOf(err); e == nil || e.Reason != "bad_argument" {
		t.Errorf("a message becomes an event: %v", err)
	}
	huge := activity.Message(strings.Repeat("x", 257<<10))
	huge.ID = said
	_, err = r.ch.Update(t.Context(), outgoing(o.ConversationID, huge, ""))
	if e := headsup.MeaningOf(err); e == nil || e.Reason != "too_large" {
		t.Errorf("too large: %v", err)
	}
}

func TestBotOfAnotherProcessChangesWhatItSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, anonymous)
	o := r.join("dl_ann")
	id := r.say(o, "one", "")
	path := "/v3/conversations/" + string(o.ConversationID) + "/activities/" + url.PathEscape(string(id))
	a := r.do("PUT", path, "", `{"type":"message","id":"`+string(id)+`","text":"two"}`)
	if got := decode[activity.ResourceResponse](t, a); a.status != 200 || got.ID != id {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := seen(r.poll(o, "").Activities); !slices.Equal(got, []string{"two"}) {
		t.Errorf("shows %q", got)
	}
	if a := r.do("DELETE", path, "", nil); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := seen(r.poll(o, "").Activities); len(got) != 0 {
		t.Errorf("shows %q", got)
	}
	if a := r.do("DELETE", path, "", nil); a.status != 404 {
		t.Errorf("twice: %d %s", a.status, a.body)
	}
}

func TestWhatChangesInAThreadStaysThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	conv, who := r.open(directline.KindChannel, "Ann")
	ann := who[0]
	root := r.say(ann, "root", "")
	thread := ann
	thread.ConversationID = activity.ConversationID(string(conv.ID) + ";messageid=" + string(root))
	answer := r.say(thread, "answer", "")
	r.changes(thread, answer, "better answer")
	r.changes(ann, root, "better root")
	threads := make(map[string]string)
	for _, a := range r.poll(ann, "").Activities {
		threads[a.Text] += string(a.ID) + " " + string(a.ChannelData) + "\n"
	}
	for text, id := range map[string]activity.ID{"better root": root, "better answer": answer} {
		line := fmt.Sprintf("%s {\"headsup\":{\"thread\":\"%s\"}}\n", id, root)
		if threads[text] != line+line { // in its place, and once more
			t.Errorf("%q is seen as %q, want %q twice", text, threads[text], line)
		}
	}
	r.removes(thread, answer)
	if got := seen(r.poll(ann, "").Activities); !slices.Equal(got, []string{"better root"}) {
		t.Errorf("shows %q", got)
	}
}
