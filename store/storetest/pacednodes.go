package storetest

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// pacedNodes: several processes keep within a channel's limits together. The clock of these tests is the real one.
func (s suite) pacedNodes(t *testing.T) {
	const long = 30 * time.Second
	for name, c := range map[string]struct {
		profile pace.Profile
		test    func(each []*paced)
	}{
		"ConversationsHaveOneCount":     {pace.Profile{PerConversation: []pace.Window{{Limit: 5, Per: long}}}, conversationOfNodes},
		"RepliesCountAtTheOthers":       {pace.Profile{PerConversation: []pace.Window{{Limit: 5, Per: long}}}, repliesOfNodes},
		"TenantsHaveOneCount":           {pace.Profile{PerTenant: []pace.Window{{Limit: 7, Per: long}}}, tenantOfNodes},
		"ShortWindowsAreSharedOut":      {pace.Profile{PerTenant: []pace.Window{{Limit: 6, Per: 2 * time.Second}}}, shortWindowOfNodes},
		"OneCallGoesToWhoeverNeedsIt":   {pace.Profile{PerBot: []pace.Window{{Limit: 1, Per: 100 * time.Millisecond}}}, oneCallOfNodes},
		"PauseHoldsAtAll":               {pace.Profile{}, pauseOfNodes},
		"PauseEndsAtAll":                {pace.Profile{}, pauseEndsAtAll},
		"SuccessEndsNoPauseThatIsNewer": {pace.Profile{}, newerPause},
		"OneNodeTriesAfterAPause":       {pace.Profile{}, oneNodeTries},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := limiter(t, c.profile)
			first := &paced{newEnv(t, s.OpenShared(t, limits)), limits}
			each := []*paced{first}
			for range 2 {
				limits := limiter(t, c.profile)
				another := *first.env
				another.Store = s.NodePaced(t, first.Store, limits)
				each = append(each, &paced{&another, limits})
			}
			c.test(each)
		})
	}
}

// handed claims at a node until so many are handed out, or nobody would be for a while.
func (e *paced) handed(n int, within time.Duration) (got []outbox.Attempt) {
	e.Helper()
	for end := present().Add(within); len(got) < n && present().Before(end); {
		got = append(got, e.claims(n-len(got), present()).Attempts...)
		select {
		case <-e.Wakeups():
		case <-time.After(5 * time.Millisecond):
		}
	}
	return got
}

// delivers hands out what there is at all nodes, one after the other, until there were so many and then for a while more, and
// counts it.
func delivers(each []*paced, least int, more time.Duration) (n int) {
	each[0].Helper()
	given, end := present().Add(patience), present().Add(more)
	for present().Before(end) || n < least && present().Before(given) {
		for _, e := range each {
			got := e.handed(1, 10*time.Millisecond)
			e.sends(present(), got...)
			if n += len(got); len(got) > 0 {
				end = present().Add(more)
			}
		}
	}
	return n
}

func (e *paced) sayTimes(n int, to book.Conversation) {
	e.Helper()
	for range n {
		e.say(to)
	}
}

func conversationOfNodes(each []*paced) {
	a, b := each[0].meet("a"), each[0].meet("b")
	each[0].sayTimes(12, a)
	each[0].sayTimes(2, b)
	if n := delivers(each, 5+2, time.Second); n != 5+2 {
		each[0].Errorf("%d were handed out, want 5 and 2", n)
	}
}

func repliesOfNodes(each []*paced) {
	a := each[0].meet("a")
	for i := range 3 {
		p, err := each[i].limits.Wait(each[i].ctx, each[i].route(a), "a", pace.Reply)
		each[i].ok(err)
		p.Done(present())
	}
	each[0].sayTimes(5, a)
	if n := delivers(each, 2, time.Second); n != 2 {
		each[0].Errorf("%d were handed out after 3 replies of 5 calls", n)
	}
}

func tenantOfNodes(each []*paced) {
	each[0].say(each[0].people(tenant, 12)...)
	n := 0
	each[0].soon("all of the window is used", func() bool {
		n += delivers(each, 0, 100*time.Millisecond)
		return n >= 7
	})
	if n += delivers(each, 0, 500*time.Millisecond); n != 7 {
		each[0].Errorf("%d were handed out, want 7", n)
	}
}

// shortWindowOfNodes: who was first does not keep it all.
func shortWindowOfNodes(each []*paced) {
	each[0].say(each[0].people(tenant, 60)...)
	each[0].sends(present(), each[0].handed(6, 5*time.Second)...)
	had := make([]int, len(each))
	each[0].soon("each node has a part", func() bool {
		for i, e := range each {
			got := e.handed(1, 10*time.Millisecond)
			e.sends(present(), got...)
			had[i] += len(got)
		}
		return had[0] > 0 && had[1] > 0 && had[2] > 0
	})
}

// oneCallOfNodes: a reply at one node has the only call although another could use it all the time.
func oneCallOfNodes(each []*paced) {
	x := each[0].people(tenant, 100)
	each[0].say(x...)
	each[0].sends(present(), each[0].handed(3, 5*time.Second)...)
	answered := make(chan error, 1)
	go func() {
		p, err := each[1].limits.Wait(each[1].ctx, each[1].route(x[0]), "asks", pace.Reply)
		p.Done(present())
		answered <- err
	}()
	each[0].soon("the reply has its turn", func() bool {
		each[0].sends(present(), each[0].handed(1, 20*time.Millisecond)...)
		select {
		case err := <-answered:
			each[0].ok(err)
			return true
		default:
			return false
		}
	})
}

func pauseOfNodes(each []*paced) {
	x := each[0].people("x", 3)
	way := each[0].route(x[0])
	each[0].limits.Pause(way.OfTenant(), present().Add(time.Hour), pace.ReasonThrottled)
	for _, e := range each {
		e.soon("it is paused everywhere", func() bool {
			all := e.limits.Pauses()
			return len(all) == 1 && all[0].Scope == way.OfTenant() && all[0].Reason == pace.ReasonThrottled &&
				all[0].Until.After(present().Add(50*time.Minute))
		})
	}
	each[0].say(x...)
	if n := len(each[1].handed(1, 200*time.Millisecond)); n != 0 {
		each[1].Errorf("%d were handed out", n)
	}
}

func pauseEndsAtAll(each []*paced) {
	x := each[0].people("x", 3)
	scope := each[0].route(x[0]).OfTenant()
	each[0].limits.Pause(scope, present().Add(time.Hour), pace.ReasonThrottled)
	each[1].soon("it is paused elsewhere", func() bool { return len(each[1].limits.Pauses()) == 1 })
	each[0].say(x...)
	if !each[1].limits.Resume(scope) {
		each[1].Fatal("there was no pause")
	}
	for _, e := range each {
		e.soon("it is over everywhere", func() bool { return len(e.limits.Pauses()) == 0 })
	}
	if n := len(each[0].handed(3, patience)); n != 3 {
		each[0].Errorf("%d were handed out", n)
	}
}

// newerPause: a call that began under an older pause succeeds while another node is told to wait.
func newerPause(each []*paced) {
	x := each[0].people("x", 1)[0]
	way := each[0].route(x)
	old := present().Add(50 * time.Millisecond)
	each[0].limits.Pause(way.OfTenant(), old, pace.ReasonThrottled)
	for _, e := range each[:2] {
		e.soon("it is known", func() bool { return len(e.limits.Pauses()) == 1 && present().After(old) })
	}
	// Neither has heard of what the other does.
	each[0].limits.Pause(way.OfTenant(), present().Add(time.Hour), pace.ReasonThrottled)
	each[1].limits.Succeeded(way, "a", present())
	for _, e := range each {
		e.soon("the newer one holds", func() bool {
			all := e.limits.Pauses()
			return len(all) == 1 && all[0].Until.After(present().Add(50*time.Minute))
		})
	}
}

func oneNodeTries(each []*paced) {
	x := each[0].people("x", 9)
	way := each[0].route(x[0])
	each[0].limits.Pause(way.OfTenant(), present().Add(300*time.Millisecond), pace.ReasonThrottled)
	for _, e := range each {
		e.soon("it is known", func() bool { return len(e.limits.Pauses()) == 1 })
	}
	each[0].say(x...)
	var probe []outbox.Attempt
	var by *paced
	began := present()
	for present().Before(began.Add(3*time.Second)) || len(probe) == 0 && present().Before(began.Add(patience)) {
		for _, e := range each {
			if got := e.handed(1, 5*time.Millisecond); len(got) > 0 {
				probe, by = append(probe, got...), e
			}
		}
	}
	if len(probe) != 1 {
		each[0].Fatalf("%d are tried at once", len(probe))
	}
	by.sends(present(), probe...)
	n := 1
	each[0].soon("the others go", func() bool {
		n += delivers(each, 0, 50*time.Millisecond)
		return n == len(x)
	})
}
