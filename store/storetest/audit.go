package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/event"
)

func (s suite) audit(t *testing.T) {
	s.promise(t, "EntriesAreKeptAsTheyWereWritten", auditIsKept)
	s.promise(t, "EntriesFormOneChain", auditIsAChain)
	s.promise(t, "AppsHaveChainsOfTheirOwn", auditOfApps)
	s.promise(t, "EntriesAreListedEitherWay", auditIsListed)
	s.promise(t, "CutLeavesAFootAndSaysSo", auditIsCut)
	s.promise(t, "TheLastEntryIsNotCut", auditKeepsItsEnd)
	s.promise(t, "ManyWritersMakeOneChain", auditByMany)
	if !s.Durable {
		return
	}
	s.promise(t, "ChangeAndEntryAreOneStep", auditedChanges)
	s.promise(t, "WhatFailsLeavesNoEntry", auditedFailure)
	s.promise(t, "AnActOfManyStepsIsWrittenOnce", auditedOnce)
	t.Run("OutlivesTheProcess", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, s.Open(t))
		e.writesAudit(e.act(audit.KeyCreate, "a"), e.act(audit.KeyRevoke, "a"))
		before := e.auditLog(app)
		again := newEnv(t, s.Reopen(t, e.Store))
		equal(t, "the log", again.auditLog(app), before)
		again.writesAudit(again.act(audit.ServerStart, ""))
		again.verified(app)
	})
	if s.Node != nil {
		t.Run("NodesMakeOneChain", func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, s.Open(t))
			other := s.Node(t, e.Store)
			together(4, func(i int) {
				to := []audit.Store{e.Store, other}[i%2]
				for k := range 25 {
					if err := to.WriteAudit(e.ctx, e.act(audit.KeyCreate, fmt.Sprint(i, k))); err != nil {
						t.Error(err)
					}
				}
			})
			if log := e.verified(app); len(log) != 100 {
				t.Errorf("%d entries", len(log))
			}
		})
	}
}

func (e *env) act(a audit.Action, object string) audit.Act {
	return audit.Act{AppID: app, Action: a, Actor: "key:k", From: "192.0.2.7", Object: object}
}

func (e *env) writesAudit(acts ...audit.Act) {
	e.Helper()
	e.ok(e.WriteAudit(e.ctx, acts...))
}

// auditLog is a whole log, oldest first.
func (e *env) auditLog(appID string) []audit.Entry {
	e.Helper()
	found, err := e.AuditEntries(e.ctx, audit.Filter{AppID: appID, Oldest: true, Limit: 1000})
	e.ok(err)
	return found
}

// verified is auditLog for a log that must be whole.
func (e *env) verified(appID string, keys ...*audit.Key) []audit.Entry {
	e.Helper()
	ends, err := e.AuditEnds(e.ctx, appID)
	e.ok(err)
	log := e.auditLog(appID)
	v := audit.NewVerifier(ends.Foot, keys...)
	for _, entry := range log {
		e.ok(v.Add(entry))
	}
	e.ok(v.End(ends.Head))
	if n := len(log); n > 0 && !ends.HeadAt.Equal(log[n-1].At) {
		e.Errorf("the head is from %v, and the last entry from %v", ends.HeadAt, log[n-1].At)
	}
	return log
}

func auditIsKept(e *env) {
	key, err := audit.NewKey("0123456789abcdef0123456789abcdef")
	e.ok(err)
	ends, err := e.AuditEnds(e.ctx, app)
	e.ok(err)
	equal(e.T, "ends of nothing", ends, audit.Ends{})
	before := time.Now().Add(-time.Minute)
	a := audit.Act{
		AppID: app, Action: audit.WebhookCreate, Actor: "key:ä", From: "2001:db8::/64", Object: "whk_1\x00\xff",
		Detail: audit.Detail{"b": 1, "a": []string{"ü", "\u2028"}, "c": map[string]any{"z": true, "y": nil}}, Trace: "4bf92f", Key: key,
	}
	e.writesAudit(a, e.act(audit.ServerStop, ""))
	log := e.auditLog(app)
	if len(log) != 2 {
		e.Fatalf("%d entries", len(log))
	}
	got := log[0]
	if got.At.Before(before) || got.At.After(time.Now().Add(time.Minute)) || got.At.Location() != time.UTC {
		e.Errorf("written at %v", got.At)
	}
	equal(e.T, "entry", got, a.Follow(audit.Mark{}, got.At))
	equal(e.T, "next", log[1], e.act(audit.ServerStop, "").Follow(got.Mark(), log[1].At))
	ends, err = e.AuditEnds(e.ctx, app)
	e.ok(err)
	equal(e.T, "ends", ends, audit.Ends{Head: log[1].Mark(), HeadAt: log[1].At})
}

func auditIsAChain(e *env) {
	for i := range 20 {
		e.writesAudit(e.act(audit.KeyCreate, fmt.Sprint(i)), e.act(audit.KeyRevoke, fmt.Sprint(i)))
	}
	log := e.verified(app)
	for i, entry := range log {
		if entry.Number != int64(i+1) || i > 0 && entry.At.Before(log[i-1].At) {
			e.Errorf("entry %d has number %d and time %v", i, entry.Number, entry.At)
		}
	}
	if len(log) != 40 || log[39].Object != "19" || log[39].Action != audit.KeyRevoke {
		e.Errorf("the log ends with %+v", log[len(log)-1])
	}
}

func auditOfApps(e *env) {
	for i := range 5 {
		for _, appID := range []string{app, "other"} {
			a := e.act(audit.KeyCreate, fmt.Sprint(i))
			a.AppID = appID
			e.writesAudit(a)
		}
	}
	if n, m := len(e.verified(app)), len(e.verified("other")); n != 5 || m != 5 {
		e.Errorf("%d and %d entries", n, m)
	}
}

func auditIsListed(e *env) {
	for i := range 10 {
		a := e.act([]audit.Action{audit.KeyCreate, audit.KeyRevoke, audit.KeyRefused}[i%3], fmt.Sprint(i%2))
		a.Actor = fmt.Sprint(i % 5)
		e.writesAudit(a)
	}
	log := e.auditLog(app)
	for _, f := range []audit.Filter{
		{}, {Oldest: true}, {Limit: 3}, {Oldest: true, Limit: 3}, {After: 4}, {After: 4, Oldest: true}, {Action: "key.create"},
		{Action: "key."}, {Action: "refused."}, {Action: "key"}, {Actor: "3"}, {Object: "1", Oldest: true},
		{Since: log[3].At, Until: log[7].At}, {Action: "key.", Object: "0", Actor: "2", After: 9}, {Since: log[9].At.Add(time.Second)},
	} {
		f.AppID = app
		if f.Limit == 0 {
			f.Limit = 100
		}
		var want []audit.Entry
		for _, entry := range log {
			if f.Matches(entry) {
				want = append(want, entry)
			}
		}
		if !f.Oldest {
			slices.Reverse(want)
		}
		got, err := e.AuditEntries(e.ctx, f)
		e.ok(err)
		equal(e.T, fmt.Sprintf("%+v", f), got, want[:min(len(want), f.Limit)])
	}
}

// cuts cuts a log off, and returns how many entries are gone.
func (e *env) cuts(before time.Time, limit int) int {
	e.Helper()
	n, err := e.CutAudit(e.ctx, app, before, limit, func(foot audit.Mark) audit.Act {
		a := e.act(audit.LogCut, "")
		a.Detail = audit.Detail{"through": foot.Number, "hash": foot.Hash.String()}
		return a
	})
	e.ok(err)
	return n
}

func auditIsCut(e *env) {
	if n := e.cuts(e.at(time.Hour), 10); n != 0 || len(e.auditLog(app)) != 0 {
		e.Errorf("%d entries gone from an empty log", n)
	}
	for i := range 10 {
		e.writesAudit(e.act(audit.KeyCreate, fmt.Sprint(i)))
	}
	whole := e.auditLog(app)
	if n := e.cuts(whole[0].At, 10); n != 0 || len(e.auditLog(app)) != 10 {
		e.Errorf("%d entries gone although none is that old", n)
	}
	if n := e.cuts(e.at(time.Hour), 4); n != 4 {
		e.Errorf("%d entries gone, want 4", n)
	}
	log := e.verified(app)
	equal(e.T, "kept", log[:6], whole[4:])
	if len(log) != 7 || log[6].Action != audit.LogCut || log[6].Number != 11 {
		e.Errorf("the log ends with %+v", log[len(log)-1])
	}
	ends, err := e.AuditEnds(e.ctx, app)
	e.ok(err)
	equal(e.T, "foot", ends.Foot, whole[3].Mark())
	if n := e.cuts(e.at(time.Hour), 100); n != 6 {
		e.Errorf("%d entries gone, want 6", n)
	}
	e.writesAudit(e.act(audit.KeyRevoke, "x"))
	if log := e.verified(app); len(log) != 3 || log[2].Number != 13 {
		e.Errorf("the log is %+v", log)
	}
}

func auditKeepsItsEnd(e *env) {
	e.writesAudit(e.act(audit.KeyCreate, "a"))
	if n := e.cuts(e.at(time.Hour), 10); n != 0 {
		e.Errorf("%d entries gone", n)
	}
	if log := e.verified(app); len(log) != 1 {
		e.Errorf("the log is %+v", log)
	}
}

func auditByMany(e *env) {
	together(8, func(i int) {
		for k := range 10 {
			if err := e.WriteAudit(e.ctx, e.act(audit.KeyCreate, fmt.Sprint(i, k)), e.act(audit.KeyRevoke, fmt.Sprint(i, k))); err != nil {
				e.Error(err)
			}
		}
	})
	log := e.verified(app)
	if len(log) != 160 {
		e.Fatalf("%d entries", len(log))
	}
	for i := 0; i < len(log); i += 2 {
		if log[i].Object != log[i+1].Object {
			e.Errorf("entries %d and %d were written in one step, and others stand between them", i, i+1)
		}
	}
}

// doing is a context under which an act is done.
func (e *env) doing(a audit.Action, object string) (context.Context, *audit.Pending) {
	e.Helper()
	people := []byte("0123456789abcdef0123456789abcdef")
	log, err := audit.New(audit.Config{AppID: app, Store: e.Store, People: people})
	e.ok(err)
	return log.Begin(e.ctx, e.act(a, object))
}

// wrote fails the test unless an act is the last entry, and was told so.
func (e *env) wrote(p *audit.Pending, entries int, object string) {
	e.Helper()
	log := e.verified(app)
	if len(log) != entries || entries > 0 && log[entries-1].Object != object {
		e.Errorf("the log has %d entries, want %d that end with %s: %+v", len(log), entries, object, log)
	}
	if p.Open() {
		e.Errorf("%s: the act is still open", object)
	}
}

func auditedChanges(e *env) {
	ctx, p := e.doing(audit.KeyCreate, "key")
	_, err := e.CreateAPIKey(ctx, e.apiKey("key"))
	e.ok(err)
	e.wrote(p, 1, "key")

	ctx, p = e.doing(audit.KeyRevoke, "revoked")
	_, err = e.RevokeAPIKey(ctx, app, "key", e.start)
	e.ok(err)
	e.wrote(p, 2, "revoked")

	ctx, p = e.doing(audit.WebhookCreate, "webhook")
	_, err = e.CreateWebhook(ctx, event.Webhook{ID: 7, AppID: app, URL: "https://example.com/", Types: event.Types(), CreatedAt: e.start})
	e.ok(err)
	e.wrote(p, 3, "webhook")

	ctx, p = e.doing(audit.WebhookDelete, "no webhook")
	e.ok(e.DeleteWebhook(ctx, app, 7))
	e.wrote(p, 4, "no webhook")

	c := e.meet("conversation")
	m := e.message(c)
	m.Message.Key, m.Message.Fingerprint = "key", []byte{1}
	ctx, p = e.doing(audit.BroadcastSend, "broadcast")
	_, err = e.SubmitMessage(ctx, m, false)
	e.ok(err)
	e.wrote(p, 5, "broadcast")

	ctx, p = e.doing(audit.BroadcastSend, "again")
	if again, err := e.SubmitMessage(ctx, m, false); err != nil || !again.Replayed {
		e.Errorf("%+v, %v", again, err)
	}
	if log := e.verified(app); len(log) != 5 || !p.Open() {
		e.Errorf("a repetition is in the log: %+v", log)
	}

	ctx, p = e.doing(audit.ConversationForget, "forgotten")
	e.ok(e.Forget(ctx, c.Key, e.start))
	e.wrote(p, 6, "forgotten")
}

func auditedFailure(e *env) {
	e.makesAPIKey(e.apiKey("a"))
	ctx, p := e.doing(audit.KeyCreate, "a")
	_, err := e.CreateAPIKey(ctx, e.apiKey("a"))
	e.is(err, access.ErrExists)
	_, err = e.RevokeAPIKey(ctx, app, "b", e.start)
	e.is(err, access.ErrNotFound)
	if log := e.auditLog(app); len(log) != 0 || !p.Open() {
		e.Errorf("what has not happened is in the log: %+v", log)
	}
}

func auditedOnce(e *env) {
	ctx, p := e.doing(audit.KeyCreate, "many")
	for _, id := range []string{"a", "b", "c"} {
		_, err := e.CreateAPIKey(ctx, e.apiKey(id))
		e.ok(err)
	}
	e.wrote(p, 1, "many")
}
