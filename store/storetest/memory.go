package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// memory: what callers do with the memory that they gave or were given does not change what is stored.
func (s suite) memory(t *testing.T) {
	s.promise(t, "OfDocuments", memoryOfDocuments)
	s.promise(t, "OfAnswers", memoryOfAnswers)
	s.promise(t, "OfReferences", memoryOfReferences)
	s.promise(t, "OfMessages", memoryOfMessages)
	s.promise(t, "OfHistories", memoryOfHistories)
	s.promise(t, "OfAttachments", memoryOfAttachments)
	s.promise(t, "OfJobs", memoryOfJobs)
}

// scribble overwrites what is in a slice.
func scribble[T ~[]byte](all ...T) {
	for _, b := range all {
		for i := range b {
			b[i] = '!'
		}
	}
}

// stays reads the same thing three times, overwriting it in between.
func stays[T ~[]byte](e *env, what string, want T, read func() T) {
	e.Helper()
	for range 3 {
		got := read()
		if !slices.Equal(got, want) {
			e.Fatalf("%s is %s, want %s", what, got, want)
		}
		scribble(got)
	}
}

func memoryOfDocuments(e *env) {
	w := write("x", `{"n":1}`, "")
	e.writes(w)
	scribble(w.Value)
	stays(e, "x", jsontext.Value(`{"n":1}`), func() jsontext.Value { return e.doc("x").Value })
}

func memoryOfAnswers(e *env) {
	l := e.lease(keyOf("a"))
	op := answered("1", e.start)
	e.ok(e.Commit(e.ctx, l, []headsup.Op{op}))
	l.Release()
	scribble(op.Answer.Body)
	stays(e, "answer", answered("1", e.start).Answer.Body, func() []byte {
		a, _, err := e.Answered(e.ctx, keyOf("a"), "1")
		e.ok(err)
		return a.Body
	})
}

func memoryOfReferences(e *env) {
	s := sightingOf(keyOf("a"), e.start)
	s.Reference.User.Name, s.Reference.Extra = "Ann", jsontext.Value(`{"x":1}`)
	c := e.sight(s)
	for range 3 {
		s.Reference.User.Name, c.Reference.User.Name = "changed", "changed"
		scribble(s.Reference.Extra, c.Reference.Extra)
		listed, err := e.Conversations(e.ctx, app, book.Filter{}, 0, 1)
		e.ok(err)
		for _, got := range listed {
			if got.Reference.User.Name != "Ann" || string(got.Reference.Extra) != `{"x":1}` {
				e.Errorf("the reference is %+v to %+v", got.Reference, got.Reference.User)
			}
			c = got
		}
	}
}

func memoryOfMessages(e *env) {
	s := e.message(e.meet("a"))
	s.Message.Key = "k"
	fill := func(m *outbox.Message) {
		m.Body, m.Value, m.Fingerprint = jsontext.Value(`{"n":1}`), jsontext.Value(`{"n":2}`), []byte("print")
	}
	fill(&s.Message)
	e.accept(s)
	scribble(s.Message.Body, s.Message.Value)
	scribble(s.Message.Fingerprint)
	want := s.Message
	fill(&want)
	for range 3 {
		r := e.record(s)
		equal(e.T, "message", r.Message, want)
		equal(e.T, "history", r.Deliveries[0].History, []outbox.Change{{At: e.start, State: outbox.StateReady}})
		scribble(r.Message.Body, r.Message.Value)
		scribble(r.Message.Fingerprint)
		r.Deliveries[0].History[0].State = outbox.StateFailed
	}
	stays(e, "attempt", jsontext.Value(`{"n":1}`), func() jsontext.Value {
		a := e.claimsOnly(1, e.start, s)[0]
		e.ends(retryOf(a, e.start, e.start))
		return a.Body
	})
	fill(&s.Message)
	if r, err := e.SubmitMessage(e.ctx, s, false); err != nil || !r.Replayed {
		e.Errorf("receipt %+v, %v", r, err)
	}
}

func memoryOfHistories(e *env) {
	e.opens(e.line("a"))
	body := jsontext.Value(`{"n":1}`)
	_, _, err := e.Append(e.ctx, "a", "", body, e.start)
	e.ok(err)
	scribble(body)
	stays(e, "activity", jsontext.Value(`{"n":1}`), func() jsontext.Value {
		h, err := e.History(e.ctx, "a", 0, 1)
		e.ok(err)
		return h[0].Body
	})

	c := e.line("b")
	opened := e.opens(c)
	scribble(c.User.Extra, opened.User.Extra)
	stays(e, "user", e.line("b").User.Extra, func() jsontext.Value {
		c, err := e.DirectLineConversation(e.ctx, "b")
		e.ok(err)
		return c.User.Extra
	})
}

func memoryOfAttachments(e *env) {
	e.opens(e.line("a"))
	a := directline.Attachment{ID: "f", Conversation: "a", Data: []byte("data"), CreatedAt: e.start}
	e.ok(e.SaveAttachment(e.ctx, a))
	scribble(a.Data)
	stays(e, "attachment", []byte("data"), func() []byte {
		a, err := e.LoadAttachment(e.ctx, "f")
		e.ok(err)
		return a.Data
	})
}

func memoryOfJobs(e *env) {
	s := e.jobIn("a")
	s.Job.Value = jsontext.Value(`{"n":1}`)
	started := e.starts(s)
	scribble(s.Job.Value, started.Value)
	s.Job.Reference.User.Name, started.Reference.User.Name = "changed", "changed"
	stays(e, "job", jsontext.Value(`{"n":1}`), func() jsontext.Value {
		j, err := e.Job(e.ctx, app, started.Number)
		e.ok(err)
		if j.Reference.User.Name != "Somebody" {
			e.Errorf("the user is %+v", j.Reference.User)
		}
		return j.Value
	})
	done, err := e.CompleteJob(e.ctx, proactive.JobEnd{AppID: app, Number: started.Number, At: e.at(time.Second)})
	e.ok(err)
	scribble(done.Value)
	jobs, err := e.Jobs(e.ctx, app, "", 0, 1)
	e.ok(err)
	equal(e.T, "job", jobs[0].Value, jsontext.Value(`{"n":1}`))
}
