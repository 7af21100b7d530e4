package storetest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

func (s suite) jobs(t *testing.T) {
	s.promise(t, "JobIsKeptAsItWasStarted", jobIsKept)
	s.promise(t, "NumbersCountUpPerApp", numbersCountUp)
	s.promise(t, "ManyStartsGetDifferentNumbers", manyStarts)
	s.promise(t, "OnceStartsOnce", onceStartsOnce)
	s.promise(t, "CompletingTellsInTheSameCommit", completingTells)
	s.promise(t, "CompletionThatCannotTellDoesNothing", completionDoesNothing)
	s.promise(t, "CompletedOnlyOnce", completedOnlyOnce)
	s.promise(t, "OneOfManyCompletionsWins", oneCompletionWins)
	s.promise(t, "UnknownJobs", unknownJobs)
	s.promise(t, "JobsAreListedByNumber", jobsAreListed)
}

func (e *env) jobIn(id string) proactive.JobStart {
	key := keyOf(id)
	return proactive.JobStart{Job: proactive.Job{
		AppID: app, Name: "report", Key: key, Reference: referenceTo(key),
		Value: jsontext.Value(`{"id":9007199254740993}`), StartedAt: e.start,
	}}
}

func (e *env) starts(s proactive.JobStart) proactive.Job {
	e.Helper()
	j, err := e.StartJob(e.ctx, s)
	e.ok(err)
	return j
}

// isJob expects the job as it is given.
func (e *env) isJob(want proactive.Job) {
	e.Helper()
	got, err := e.Job(e.ctx, want.AppID, want.Number)
	e.ok(err)
	equal(e.T, "job", got, want)
}

func jobIsKept(e *env) {
	s := e.jobIn("a")
	s.Job.Number = 77 // the store's to set
	s.Job.Reference.Extra = jsontext.Value(`{"newMember":9007199254740993}`)
	want := s.Job
	want.Reference = want.Reference.Clone()
	want.Number = 1
	equal(e.T, "started", e.starts(s), want)
	s.Job.Reference.User.ID = "changed by the caller"
	e.isJob(want)

	plain := e.jobIn("a")
	plain.Job.Name, plain.Job.Value = "", nil
	want = plain.Job
	want.Number = 2
	equal(e.T, "started", e.starts(plain), want)
	e.isJob(want)

	scalar := e.jobIn("a")
	scalar.Job.Value = jsontext.Value(`9007199254740993`)
	want = scalar.Job
	want.Number = 3
	equal(e.T, "started", e.starts(scalar), want)
	e.isJob(want)
}

func numbersCountUp(e *env) {
	for want := range proactive.JobNumber(3) {
		if j := e.starts(e.jobIn("a")); j.Number != want+1 {
			e.Errorf("number %d, want %d", j.Number, want+1)
		}
	}
	other := e.jobIn("a")
	other.Job.AppID, other.Job.Key.AppID = "other", "other"
	if j := e.starts(other); j.Number != 1 {
		e.Errorf("the other app's first job has number %d", j.Number)
	}
	if j := e.starts(e.jobIn("b")); j.Number != 4 {
		e.Errorf("number %d, want 4", j.Number)
	}
}

func manyStarts(e *env) {
	numbers := make([]proactive.JobNumber, 50)
	together(len(numbers), func(i int) {
		j, err := e.StartJob(e.ctx, e.jobIn(fmt.Sprint(i)))
		if err != nil {
			e.Error(err)
		}
		numbers[i] = j.Number
	})
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != proactive.JobNumber(i+1) {
			e.Fatalf("numbers are %v", numbers)
		}
	}
}

func onceStartsOnce(e *env) {
	once := func(id, once string) proactive.JobStart {
		s := e.jobIn(id)
		s.Once = once
		return s
	}
	first := e.starts(once("a", "x"))
	again := once("a", "x")
	again.Job.Name = "something else"
	equal(e.T, "started again", e.starts(again), first)
	for i, s := range []proactive.JobStart{once("a", "y"), once("b", "x"), once("a", ""), once("a", "")} {
		if j := e.starts(s); j.Number != proactive.JobNumber(i+2) {
			e.Errorf("%q in %s has number %d, want %d", s.Once, s.Job.Key, j.Number, i+2)
		}
	}
	done, err := e.CompleteJob(e.ctx, proactive.JobEnd{AppID: app, Number: first.Number, At: e.at(time.Minute)})
	e.ok(err)
	equal(e.T, "started again after its end", e.starts(again), done)

	var numbers [20]proactive.JobNumber
	together(len(numbers), func(i int) {
		j, err := e.StartJob(e.ctx, once("c", "x"))
		if err != nil {
			e.Error(err)
		}
		numbers[i] = j.Number
	})
	if got := slices.Compact(numbers[:]); len(got) != 1 {
		e.Errorf("started at once, the same job has numbers %v", got)
	}
}

func completingTells(e *env) {
	c := e.meet("a")
	j := e.starts(e.jobIn("a"))
	tell := e.message(c)
	e.quiet()
	got, err := e.CompleteJob(e.ctx, proactive.JobEnd{AppID: app, Number: j.Number, At: e.at(time.Minute), Tell: &tell})
	e.ok(err)
	e.woken()
	j.CompletedAt, j.Message = e.at(time.Minute), tell.Message.ID
	equal(e.T, "completed", got, j)
	e.isJob(j)
	e.claimsOnly(10, e.start, tell)

	quiet := e.starts(e.jobIn("a"))
	got, err = e.CompleteJob(e.ctx, proactive.JobEnd{AppID: app, Number: quiet.Number, At: e.at(time.Minute)})
	e.ok(err)
	quiet.CompletedAt = e.at(time.Minute)
	equal(e.T, "completed without a word", got, quiet)

	// What is told under a key that is known is the earlier message.
	known := e.message(c)
	known.Message.Key, known.Message.Fingerprint = "k", []byte("1")
	e.accept(known)
	again := e.message(c)
	again.Message.Key, again.Message.Fingerprint = "k", []byte("1")
	third := e.starts(e.jobIn("a"))
	got, err = e.CompleteJob(e.ctx, proactive.JobEnd{AppID: app, Number: third.Number, At: e.start, Tell: &again})
	e.ok(err)
	if got.Message != known.Message.ID {
		e.Errorf("the job's message is %d, want %d", got.Message, known.Message.ID)
	}
}

func completionDoesNothing(e *env) {
	c := e.meet("a")
	j := e.starts(e.jobIn("a"))
	known := e.message(c)
	known.Message.Key, known.Message.Fingerprint = "k", []byte("1")
	e.accept(known)
	reused := e.message(c)
	reused.Message.Key, reused.Message.Fingerprint = "k", []byte("2")
	c.Row += 1000
	nowhere := e.message(c)
	for _, bad := range []struct {
		tell outbox.Submission
		want error
	}{{reused, outbox.ErrKeyReused}, {nowhere, book.ErrNotFound}} {
		_, err := e.CompleteJob(e.ctx, proactive.JobEnd{AppID: app, Number: j.Number, At: e.start, Tell: &bad.tell})
		e.is(err, bad.want)
		e.isJob(j)
	}
	e.counts(map[outbox.State]int64{outbox.StateReady: 1})
}

func completedOnlyOnce(e *env) {
	c := e.meet("a")
	j := e.starts(e.jobIn("a"))
	end := func(once string) proactive.JobEnd {
		tell := e.message(c)
		return proactive.JobEnd{AppID: app, Number: j.Number, At: e.at(time.Minute), Once: once, Tell: &tell}
	}
	first, err := e.CompleteJob(e.ctx, end("x"))
	e.ok(err)
	again := end("x")
	again.At = e.at(time.Hour)
	got, err := e.CompleteJob(e.ctx, again)
	e.ok(err)
	equal(e.T, "repeated", got, first)
	for _, once := range []string{"", "y"} {
		got, err := e.CompleteJob(e.ctx, end(once))
		e.is(err, proactive.ErrJobCompleted)
		equal(e.T, "completed before", got, first)
	}
	e.isJob(first)
	e.counts(map[outbox.State]int64{outbox.StateReady: 1})

	// Without Once nothing can be repeated.
	j = e.starts(e.jobIn("a"))
	_, err = e.CompleteJob(e.ctx, end(""))
	e.ok(err)
	_, err = e.CompleteJob(e.ctx, end(""))
	e.is(err, proactive.ErrJobCompleted)
}

func oneCompletionWins(e *env) {
	c := e.meet("a")
	j := e.starts(e.jobIn("a"))
	var won atomic.Int32
	tells := make([]outbox.Submission, 20)
	for i := range tells {
		tells[i] = e.message(c)
	}
	together(len(tells), func(i int) {
		end := proactive.JobEnd{AppID: app, Number: j.Number, At: e.start, Once: fmt.Sprint(i), Tell: &tells[i]}
		if _, err := e.CompleteJob(e.ctx, end); err == nil {
			won.Add(1)
		}
	})
	if n := won.Load(); n != 1 {
		e.Errorf("%d completed the job, want 1", n)
	}
	e.counts(map[outbox.State]int64{outbox.StateReady: 1})
}

func unknownJobs(e *env) {
	e.starts(e.jobIn("a"))
	for _, j := range []struct {
		app string
		n   proactive.JobNumber
	}{{app, 2}, {app, 0}, {app, -1}, {app, 1 << 60}, {"other", 1}, {"", 1}} {
		_, err := e.Job(e.ctx, j.app, j.n)
		e.is(err, proactive.ErrNoJob)
		tell := e.message(e.meet("a"))
		_, err = e.CompleteJob(e.ctx, proactive.JobEnd{AppID: j.app, Number: j.n, At: e.start, Tell: &tell})
		e.is(err, proactive.ErrNoJob)
	}
	e.counts(nil)
}

func jobsAreListed(e *env) {
	const n = 7
	var want []proactive.Job
	for i := range n {
		want = append(want, e.starts(e.jobIn(fmt.Sprint(i))))
		other := e.jobIn("x")
		other.Job.AppID = "other"
		e.starts(other)
	}
	done, err := e.CompleteJob(e.ctx, proactive.JobEnd{AppID: app, Number: 3, At: e.start})
	e.ok(err)
	want[2] = done
	slices.Reverse(want)
	for _, limit := range []int{1, 3, n, n + 1} {
		var got []proactive.Job
		for before := proactive.JobNumber(0); ; before = got[len(got)-1].Number {
			page, err := e.Jobs(e.ctx, app, "", before, limit)
			e.ok(err)
			if len(page) > limit {
				e.Fatalf("a page of %d has %d jobs", limit, len(page))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		equal(e.T, fmt.Sprintf("listed by %d", limit), got, want)
	}
}
