package storetest

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

func (s suite) progress(t *testing.T) {
	s.promise(t, "FirstProgressIsAMessage", firstProgress)
	s.promise(t, "ProgressThatWaitsIsReplaced", progressThatWaits)
	s.promise(t, "ProgressThatWasSaidIsEdited", progressThatWasSaid)
	s.promise(t, "ProgressThatCannotBeEditedIsAMessageNowAndThen", progressNowAndThen)
	s.promise(t, "ProgressGoesOnAfterAnEditHasFailed", progressAfterFailure)
	s.promise(t, "CompletionEndsProgress", completionEndsProgress)
}

func (e *env) progressOf(j proactive.Job, c book.Conversation, text string, edit bool, at time.Time) proactive.JobProgress {
	s := e.message(c)
	s.Message.Body, s.At, s.Message.CreatedAt = []byte(`{"type":"message","text":"`+text+`"}`), at, at
	return proactive.JobProgress{
		AppID: app, Number: j.Number, At: at, Text: text, Percent: new(len(text)), Tell: s, Edit: edit, Every: 5 * time.Second,
		NextID: e.nextDelivery,
	}
}

// tells tells progress and returns the job and the record of the message that does.
func (e *env) tells(p proactive.JobProgress) (proactive.Job, outbox.Record) {
	e.Helper()
	j, err := e.ProgressJob(e.ctx, p)
	e.ok(err)
	e.isJob(j)
	if r := j.Progress; r.Text != p.Text || r.Percent == nil || *r.Percent != *p.Percent || !r.At.Equal(p.At) {
		e.Errorf("kept as %+v", r)
	}
	r, err := e.MessageRecord(e.ctx, j.Progress.Message, every)
	e.ok(err)
	equal(e.T, "body", r.Message.Body, p.Tell.Message.Body)
	return j, r
}

func firstProgress(e *env) {
	c := e.meet("a")
	j := e.starts(e.jobIn("a"))
	_, err := e.ProgressJob(e.ctx, e.progressOf(proactive.Job{Number: 99}, c, "x", true, e.start))
	e.is(err, proactive.ErrNoJob)
	p := e.progressOf(j, c, "a third", true, e.start)
	j, r := e.tells(p)
	if j.Progress.Message != p.Tell.Message.ID || len(r.Deliveries) != 1 || r.Deliveries[0].State != outbox.StateReady {
		e.Errorf("told by %+v", r)
	}
	e.claimsOnly(1, e.start, p.Tell)
	p = e.progressOf(j, c, "x", true, e.start)
	p.Percent = nil
	got, err := e.ProgressJob(e.ctx, p)
	e.ok(err)
	if got.Progress.Percent != nil {
		e.Errorf("%d percent", *got.Progress.Percent)
	}
}

func progressThatWaits(e *env) {
	c := e.meet("a")
	j := e.starts(e.jobIn("a"))
	for _, edit := range []bool{true, false} {
		first := e.progressOf(j, c, "1", edit, e.start)
		e.tells(first)
		_, r := e.tells(e.progressOf(j, c, "2", edit, e.at(time.Minute)))
		if len(r.Deliveries) != 1 {
			e.Errorf("%d deliveries, want the one that waits", len(r.Deliveries))
		}
		a := e.claims(10, e.at(time.Minute)).Attempts[0]
		equal(e.T, "body", a.Body, r.Message.Body)
		e.ends(outcomeOf(a, e.at(time.Minute)))
		j = e.starts(e.jobIn("a"))
	}
}

func progressThatWasSaid(e *env) {
	c := e.meet("a")
	j := e.starts(e.jobIn("a"))
	p := e.progressOf(j, c, "1", true, e.start)
	e.tells(p)
	a := e.claimsOnly(1, e.start, p.Tell)[0]
	e.tells(e.progressOf(j, c, "2", true, e.start)) // while it is being said
	e.saidAs(a, "said", e.start)
	_, r := e.tells(e.progressOf(j, c, "3", true, e.start))
	if r.Message.ID != p.Tell.Message.ID || len(r.Deliveries) != 2 || r.Deliveries[1].Verb != outbox.VerbUpdate {
		e.Fatalf("told by %+v", r)
	}
	a = e.claimsOnly(10, e.start, p.Tell)[0]
	equal(e.T, "body", a.Body, r.Message.Body)
	if a.Sent != "said" {
		e.Errorf("edits %q", a.Sent)
	}
}

func progressNowAndThen(e *env) {
	c := e.meet("a")
	j := e.starts(e.jobIn("a"))
	p := e.progressOf(j, c, "1", false, e.start)
	e.tells(p)
	e.saidAs(e.claimsOnly(1, e.start, p.Tell)[0], "said", e.start)
	second := e.progressOf(j, c, "2", false, e.at(time.Second))
	_, r := e.tells(second)
	if d := r.Deliveries[0]; r.Message.ID != second.Tell.Message.ID || d.State != outbox.StateScheduled || !d.DueAt.Equal(e.at(5*time.Second)) {
		e.Errorf("told by %+v", r)
	}
	_, r = e.tells(e.progressOf(j, c, "3", false, e.at(2*time.Second)))
	if r.Message.ID != second.Tell.Message.ID {
		e.Error("what waits was not replaced")
	}
	a := e.claimsOnly(10, e.at(5*time.Second), second.Tell)[0]
	equal(e.T, "body", a.Body, r.Message.Body)
	e.ends(outcomeOf(a, e.at(5*time.Second)))
	late := e.progressOf(j, c, "4", false, e.at(time.Minute))
	_, r = e.tells(late)
	if r.Deliveries[0].State != outbox.StateReady {
		e.Errorf("told by %+v", r)
	}
	e.claimsOnly(10, e.at(time.Minute), late.Tell)
}

func progressAfterFailure(e *env) {
	c := e.meet("a")
	j := e.starts(e.jobIn("a"))
	p := e.progressOf(j, c, "1", true, e.start)
	e.tells(p)
	e.saidAs(e.claimsOnly(1, e.start, p.Tell)[0], "said", e.start)
	e.tells(e.progressOf(j, c, "2", true, e.start))
	o := outcomeOf(e.claimsOnly(1, e.start, p.Tell)[0], e.start)
	o.State, o.Reason, o.Activity = outbox.StateFailed, "not_supported", ""
	e.ends(o)
	next := e.progressOf(j, c, "3", true, e.at(time.Second))
	_, r := e.tells(next)
	if r.Message.ID != next.Tell.Message.ID || !r.Deliveries[0].DueAt.Equal(e.at(5*time.Second)) {
		e.Errorf("told by %+v", r)
	}

	o = outcomeOf(e.claimsOnly(1, e.at(5*time.Second), next.Tell)[0], e.start) // the message itself fails
	o.State, o.Activity = outbox.StateFailed, ""
	e.ends(o)
	last := e.progressOf(j, c, "4", true, e.at(time.Minute))
	if _, r := e.tells(last); r.Message.ID != last.Tell.Message.ID {
		e.Errorf("told by %+v", r)
	}
}

func completionEndsProgress(e *env) {
	c := e.meet("a")
	j := e.starts(e.jobIn("a"))
	p := e.progressOf(j, c, "1", false, e.start)
	e.tells(p)
	e.saidAs(e.claimsOnly(1, e.start, p.Tell)[0], "said", e.start)
	waiting := e.progressOf(j, c, "2", false, e.start)
	e.tells(waiting)
	end := e.message(c)
	done, err := e.CompleteJob(e.ctx, proactive.JobEnd{AppID: app, Number: j.Number, At: e.start, Tell: &end})
	e.ok(err)
	if done.Progress.Text != "2" || done.Message != end.Message.ID {
		e.Errorf("completed as %+v", done)
	}
	e.stands(waiting.Tell, outbox.StateScheduled, outbox.StateCancelled)
	e.claimsOnly(10, e.at(time.Hour), end)
	_, err = e.ProgressJob(e.ctx, e.progressOf(j, c, "3", true, e.start))
	e.is(err, proactive.ErrJobCompleted)
}
