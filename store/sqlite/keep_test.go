package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/sqlite"
	"github.com/headsup-bot/headsup/store/storetest"
)

func TestSettingKeepsItsFirstValue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	if v, ok, err := s.Setting(t.Context(), "app id"); v != "" || ok || err != nil {
		t.Errorf("%q, %v, %v before it was set", v, ok, err)
	}
	values := []string{"a", "b", "c", "d", ""}
	got := make([]string, len(values))
	var wg sync.WaitGroup
	for i, v := range values {
		wg.Go(func() {
			var err error
			if got[i], err = s.SetSettingOnce(t.Context(), "app id", v); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	kept, ok, err := s.Setting(t.Context(), "app id")
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	for i, v := range got {
		if v != kept {
			t.Errorf("the call with %q was answered %q, but %q is kept", values[i], v, kept)
		}
	}
}

func TestOldAnswersAreForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	key := sightingOf("a").Key
	start := time.Now()
	lease, err := s.Lease(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	var ops []headsup.Op
	for i := range 500 { // more than are deleted at once
		ops = append(ops, headsup.RecordAnswer{
			Activity: activity.ID(fmt.Sprint("old ", i)), At: start.Add(-23 * time.Hour),
		})
	}
	ops = append(ops, headsup.RecordAnswer{Activity: "fresh", At: start})
	if err := s.Commit(t.Context(), lease, ops); err != nil {
		t.Fatal(err)
	}
	last := ops[499].(headsup.RecordAnswer).Activity
	if _, ok, err := s.Answered(t.Context(), key, last); !ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	later, err := sqlite.Open(t.Context(), sqlite.Config{
		Dir: dir, Now: func() time.Time { return time.Now().Add(2 * time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, later)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		_, ok, err := later.Answered(t.Context(), key, last)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an answer from 25 hours ago is still there")
		}
	}
	if _, ok, err := later.Answered(t.Context(), key, "fresh"); !ok || err != nil {
		t.Errorf("a fresh answer is gone: %v, %v", ok, err)
	}
}

// TestSightingTellsNewsOfSeveral: all of it is kept, of those who were known and of those who were not.
func TestSightingTellsNewsOfSeveral(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	sight := func(user string, others ...string) {
		t.Helper()
		sighting := sightingOf("a")
		sighting.Reference.User.Name = user
		for i, name := range others {
			sighting.People = append(sighting.People, activity.ChannelAccount{ID: activity.AccountID(fmt.Sprint(i)), Name: name})
		}
		if _, err := s.Sight(t.Context(), sighting); err != nil {
			t.Fatal(err)
		}
	}
	sight("Ada", "Bob")
	sight("Ada Lovelace", "Robert", "Carol")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "headsup.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var names string
	if err := db.QueryRowContext(t.Context(),
		"SELECT group_concat(name, ', ' ORDER BY name) FROM people").Scan(&names); err != nil {
		t.Fatal(err)
	}
	if want := "Ada Lovelace, Carol, Robert"; names != want {
		t.Errorf("the people are %s, want %s", names, want)
	}
}

// TestStuckHeadHoldsUpItsLaneOnly: with very many behind it, other conversations do not notice.
func TestStuckHeadHoldsUpItsLaneOnly(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	rows := meet(t, s, 2)
	now := time.Now()
	many := submissionTo(rows[0])
	for range 20_000 {
		many.Deliveries = append(many.Deliveries, outbox.NewDelivery{ID: outbox.DeliveryID(ids.Add(1)), Conversation: rows[0]})
	}
	if _, err := s.SubmitMessage(t.Context(), many, false); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		c, err := s.Claim(t.Context(), 100, now)
		if err != nil || len(c.Attempts) != 1 {
			t.Fatalf("round %d: %d attempts, %v", round, len(c.Attempts), err)
		}
		a := c.Attempts[0]
		if a.Delivery != many.Deliveries[0].ID || a.Claims != round+1 {
			t.Fatalf("round %d: delivery %d, claim %d", round, a.Delivery, a.Claims)
		}
		if err := s.RecordOutcome(t.Context(), outbox.Outcome{
			Delivery: a.Delivery, Fence: a.Fence, State: outbox.StateReady, RetryAt: now.Add(time.Minute), At: now, Failed: true,
		}); err != nil {
			t.Fatal(err)
		}
		other := submissionTo(rows[1])
		if _, err := s.SubmitMessage(t.Context(), other, false); err != nil {
			t.Fatal(err)
		}
		c, err = s.Claim(t.Context(), 100, now)
		if err != nil || len(c.Attempts) != 1 || c.Attempts[0].Message != other.Message.ID {
			t.Fatalf("round %d: %v, %v", round, c.Attempts, err)
		}
		if want := now.Add(time.Minute).Truncate(time.Microsecond); !c.NextDue.Equal(want) {
			t.Errorf("round %d: next due %v, want %v", round, c.NextDue, want)
		}
		if err := s.RecordOutcome(t.Context(), delivered(c.Attempts[0])); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
}

// TestHistoryKeepsWhatIsNoText: what comes from the network is kept as far as it is text, and never spoils the record.
func TestHistoryKeepsWhatIsNoText(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	row := meet(t, s, 1)[0]
	for detail, want := range map[string]string{
		"a \"line\"\nand {\"another\":1}\r\n": "a \"line\"\nand {\"another\":1}\r\n",
		"nul \x00 and bell \a":                "nul \x00 and bell \a",
		"cut \xff off":                        "cut \ufffd off",
		"\u2028 <script>":                     "\u2028 <script>",
		strings.Repeat("long ", 10_000):       strings.Repeat("long ", 10_000),
	} {
		sub := submissionTo(row)
		r, err := s.SubmitMessage(t.Context(), sub, true)
		if err != nil {
			t.Fatal(err)
		}
		o := delivered(*r.Attempt)
		o.Detail, o.State, o.RetryAt = detail, outbox.StateReady, time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)
		if err := s.RecordOutcome(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if err := s.CancelMessage(t.Context(), sub.Message.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		record, err := s.MessageRecord(t.Context(), sub.Message.ID, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := record.Deliveries[0].History[1].Detail; got != want {
			t.Errorf("%.40q is kept as %.40q", detail, got)
		}
	}
}

// TestNoStatementLooksThroughATable: what is run while the store is at work finds its rows by an index, in order, however
// many there are.
func TestNoStatementLooksThroughATable(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	everything(t, s)
	plans, err := s.Plans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(plans) < 30 {
		t.Errorf("only %d statements were run", len(plans))
	}
	for query, plan := range plans {
		for step := range strings.Lines(plan) {
			step = strings.TrimSpace(step)
			switch {
			case step == "SCAN counters", step == "SCAN CONSTANT ROW", strings.HasPrefix(step, "SCAN (subquery"),
				// The first of an index that has only those that wait for a time.
				step == "SCAN deliveries USING COVERING INDEX deliveries_timed" && strings.HasSuffix(query, "LIMIT 1"),
				// Few rows: webhooks are bounded; what is unanswered is of one conversation and day.
				step == "SCAN webhooks", step == "SCAN event_readers",
				strings.Contains(query, "FROM unanswered") && step == "USE TEMP B-TREE FOR ORDER BY",
				// Few rows: the conversations of a person, or with one id.
				strings.Contains(query, "seen_at DESC") && step == "USE TEMP B-TREE FOR ORDER BY",
				// Few rows: people on several channels with one id.
				strings.Contains(query, "p.user_id = ? AND p.id > ?") && step == "USE TEMP B-TREE FOR ORDER BY",
				// Few rows: messages whose deliveries are being made.
				step == "SCAN s" && strings.Contains(query, "FROM spreads s"), query == "SELECT count(*) FROM spreads",
				strings.Contains(query, "FROM spreads s") && step == "USE TEMP B-TREE FOR ORDER BY",
				// Few rows: messages whose deliveries are being changed.
				step == "SCAN sweeps",
				// One for every few thousand finished deliveries.
				step == "SCAN parts",
				// What waits in the lanes of one conversation.
				strings.Contains(query, "d.seq IS NOT NULL") && strings.Contains(plan, "deliveries_lane"):
			case strings.HasPrefix(step, "SCAN"), strings.HasPrefix(step, "USE TEMP"):
				t.Errorf("%q in\n%s", step, query)
			}
		}
	}
}

// everything calls every method of the store once.
func everything(t *testing.T, s *sqlite.Store) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rows := meet(t, s, 4)
	told := somebodyListens(t, s)
	sighting := sightingOf("000000")
	_, err := s.Sight(ctx, sighting)
	check(err)
	_, err = s.Conversation(ctx, sighting.Key)
	check(err)
	_, err = s.ConversationsByID(ctx, "app", sighting.Key.Conversation)
	check(err)
	_, err = s.ConversationsByUser(ctx, "app", sighting.Reference.User.ID)
	check(err)
	_, err = s.Conversations(ctx, "app", book.Filter{}, 1, 10)
	check(err)
	check(s.StrikeOut(ctx, sighting.Key, book.Standing{Reach: book.ReachBlocked, Cause: "why", At: now}))

	lease, err := s.Lease(ctx, sighting.Key)
	check(err)
	save := state.Save{Writes: []state.Write{
		{Key: state.Key{Path: "a"}, Value: []byte(`{}`)}, {Key: state.Key{Path: "b"}, ETag: "*"},
	}}
	check(s.Commit(ctx, lease, []headsup.Op{headsup.RecordAnswer{Activity: "1", At: now}, save}))
	lease.Release()
	_, _, err = s.Answered(ctx, sighting.Key, "1")
	check(err)
	_, err = s.ReadState(ctx, []state.Key{{Path: "a"}})
	check(err)

	taken := submissionTo(rows[0])
	taken.Message.Key = "k"
	r, err := s.SubmitMessage(ctx, taken, true)
	check(err)
	check(s.RecordOutcome(ctx, delivered(*r.Attempt)))
	several := submissionTo(rows[1])
	several.Deliveries = append(several.Deliveries,
		outbox.NewDelivery{ID: outbox.DeliveryID(ids.Add(1)), Conversation: rows[2], DueAt: now.Add(time.Minute)},
		outbox.NewDelivery{ID: outbox.DeliveryID(ids.Add(1)), Conversation: rows[1]})
	_, err = s.SubmitMessage(ctx, several, false)
	check(err)
	c, err := s.Claim(ctx, 10, now.Add(time.Hour))
	check(err)
	for _, a := range c.Attempts {
		check(s.RecordOutcome(ctx, outbox.Outcome{
			Delivery: a.Delivery, Fence: a.Fence, State: outbox.StateReady, RetryAt: now.Add(2 * time.Hour), At: now,
		}))
	}
	c, err = s.Claim(ctx, 10, now.Add(3*time.Hour))
	check(err)
	_, err = s.ReclaimExpired(ctx, now.Add(4*time.Hour))
	check(err)
	for _, m := range []outbox.Submission{taken, several} {
		_, err = s.MessageRecord(ctx, m.Message.ID, 100)
		check(err)
		err = s.CancelMessage(ctx, m.Message.ID, now)
		check(err)
	}
	_, err = s.Counts(ctx)
	check(err)
	everythingAboutTheRest(t, s, rows)
	told()
	everythingOfLabels(t, s)
	everythingElse(t, s)
}

func everythingOfLabels(t *testing.T, s *sqlite.Store) {
	t.Helper()
	ctx, now, key := t.Context(), time.Now(), sightingOf("000001").Key
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(s.Label(ctx, key, book.Labels{Tags: &[]string{"t"}, ExternalID: new("x")}, now))
	for _, f := range []book.Filter{
		{Tag: "t"}, {User: "u"}, {ExternalID: "x"}, {Kind: book.KindGroup, Channel: "c", Reach: book.ReachActive, Tag: "t", User: "u"},
		{ObjectID: "o"}, {UPN: "u"}, {Email: "e"}, {Team: "t"}, {Tenant: "t"}, {Tenant: "t", Reach: book.ReachActive}, {Reach: book.ReachActive},
		{Tenant: "t", Email: "e"},
	} {
		_, err := s.Conversations(ctx, "app", f, 0, 10)
		check(err)
	}
	for _, k := range []book.PersonKey{{User: "u"}, {ExternalID: "x"}, {ObjectID: "o"}, {UPN: "u"}, {Email: "e"}} {
		_, err := s.ConversationsOf(ctx, "app", k)
		check(err)
		_, err = s.ListPeople(ctx, "app", book.PeopleFilter{PersonKey: k}, 0, 10)
		check(err)
	}
	people, err := s.ListPeople(ctx, "app", book.PeopleFilter{}, 0, 2)
	check(err)
	both := []book.PersonRow{people[0].Row, people[1].Row}
	_, err = s.Merge(ctx, "app", both, now)
	check(err)
	_, err = s.Human(ctx, "app", both[0])
	check(err)
	check(s.Split(ctx, "app", both[:1], now))
	_, err = s.Change(ctx, book.Change{
		Key: key, Team: "t", Standing: book.Standing{Reach: book.ReachUnreachable, At: now, Until: now}, Left: []activity.AccountID{"u"}, At: now,
	})
	check(err)
	check(s.StrikeOut(ctx, key, book.Standing{Reach: book.ReachUnreachable, At: now, Until: now}))
	_, err = s.Reopen(ctx, now, 10)
	check(err)
	c, err := s.Conversation(ctx, key)
	check(err)
	_, err = s.Details(ctx, []book.Row{c.Row})
	check(err)
	check(s.Forget(ctx, key, now))
}

// everythingAboutTheRest revises, moves, replays and lists.
func everythingAboutTheRest(t *testing.T, s *sqlite.Store, rows []book.Row) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	alone, several := submissionTo(rows[3]), submissionTo(rows[2])
	several.Deliveries = append(several.Deliveries, outbox.NewDelivery{ID: outbox.DeliveryID(ids.Add(1)), Conversation: rows[3]})
	_, err := s.SubmitMessages(ctx, []outbox.Submission{alone, several})
	check(err)
	next := func() outbox.DeliveryID { return outbox.DeliveryID(ids.Add(1)) }
	body := []byte(`{"type":"message"}`)
	for _, f := range []book.Filter{{Reach: book.ReachActive}, {Tag: "none"}, {Kind: book.KindGroup}} {
		_, last, err := s.Extent(ctx, "app", f)
		check(err)
		all := submissionTo(0)
		all.Deliveries, all.Spread = nil, &outbox.Spread{Filter: f, Last: last, DueAt: now.Add(24 * time.Hour)}
		_, err = s.SubmitMessage(ctx, all, false)
		check(err)
		for more := true; more; {
			_, more, err = s.SpreadMessages(ctx, 2, now, next)
			check(err)
		}
		err = s.CancelMessage(ctx, all.Message.ID, now)
		check(err)
	}
	for _, m := range []outbox.Submission{alone, several} {
		err = s.RescheduleMessage(ctx, m.Message.ID, now.Add(time.Hour), now)
		check(err)
		err = s.RescheduleMessage(ctx, m.Message.ID, now, now)
		check(err)
	}
	ended := func(state outbox.State) {
		c, err := s.Claim(ctx, 10, now.Add(9*time.Hour))
		check(err)
		for _, a := range c.Attempts {
			o := delivered(a)
			o.State = state
			check(s.RecordOutcome(ctx, o))
		}
	}
	ended(outbox.StateDelivered)
	for _, m := range []outbox.Submission{alone, several} {
		err = s.ReviseMessage(ctx, outbox.Revision{Message: m.Message.ID, Body: body, At: now, NextID: next})
		check(err)
		err = s.ReviseMessage(ctx, outbox.Revision{Message: m.Message.ID, At: now, NextID: next})
		check(err)
		_, err = s.MessageRecord(ctx, m.Message.ID, 100)
		check(err)
	}
	ended(outbox.StateUnknown)
	r, err := s.MessageRecord(ctx, alone.Message.ID, 100)
	check(err)
	last := r.Deliveries[len(r.Deliveries)-1].ID
	_, err = s.ReplayDelivery(ctx, last, outbox.Replay{At: now})
	check(err)
	ended(outbox.StateUnknown)
	_, err = s.SettleDelivery(ctx, last, outbox.Settlement{State: outbox.StateFailed, At: now})
	check(err)
	for _, state := range []outbox.State{"", outbox.StateReady, outbox.StateDelivered, outbox.StateFailed} {
		for _, reason := range []string{"", "x"} {
			for _, f := range []outbox.DeliveryFilter{{}, {Conversation: rows[3]}, {Message: alone.Message.ID}, {Message: several.Message.ID}} {
				f.AppID, f.State, f.Reason, f.Limit = "app", state, reason, 10
				_, err = s.ListDeliveries(ctx, f)
				check(err)
				_, err = s.ReplayDeliveries(ctx, f, outbox.Replay{At: now})
				check(err)
			}
		}
	}
	for _, f := range []outbox.MessageFilter{{}, {Conversation: rows[3]}} {
		f.AppID, f.Limit = "app", 10
		_, err = s.ListMessages(ctx, f)
		check(err)
	}
}

func everythingElse(t *testing.T, s *sqlite.Store) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := s.OpenConversation(ctx, directline.Conversation{ID: "a", AppID: "app", CreatedAt: now})
	check(err)
	_, err = s.StartConversation(ctx, "a")
	check(err)
	_, _, err = s.Append(ctx, "a", "k", []byte(`{}`), now)
	check(err)
	_, err = s.Replace(ctx, "a", 1, []byte(`{"x":1}`), now)
	check(err)
	_, err = s.History(ctx, "a", 0, 10)
	check(err)
	_, err = s.DirectLineConversation(ctx, "a")
	check(err)
	_, err = s.DirectLineConversations(ctx, "app", "u", 10)
	check(err)
	_, err = s.DirectLineConversations(ctx, "app", "", 10)
	check(err)
	check(s.SaveAttachment(ctx, directline.Attachment{ID: "f", CreatedAt: now}))
	_, err = s.LoadAttachment(ctx, "f")
	check(err)
	check(s.EndConversation(ctx, "a"))

	key := sightingOf("a").Key
	j, err := s.StartJob(ctx, proactive.JobStart{Job: proactive.Job{AppID: "app", Key: key, StartedAt: now}, Once: "x"})
	check(err)
	row := meet(t, s, 1)[0]
	for range 2 {
		_, err = s.ProgressJob(ctx, proactive.JobProgress{
			AppID: "app", Number: j.Number, At: now, Tell: submissionTo(row), Edit: true,
			NextID: func() outbox.DeliveryID { return outbox.DeliveryID(ids.Add(1)) },
		})
		check(err)
	}
	_, err = s.CompleteJob(ctx, proactive.JobEnd{AppID: "app", Number: j.Number, At: now})
	check(err)
	_, err = s.Job(ctx, "app", j.Number)
	check(err)
	_, err = s.Jobs(ctx, "app", "", 0, 10)
	check(err)
	_, err = s.SetSettingOnce(ctx, "n", "v")
	check(err)
	_, _, err = s.Setting(ctx, "n")
	check(err)
	check(s.Check(ctx))
}

func TestSettingIsSwapped(t *testing.T) {
	t.Parallel()
	storetest.SettingsAreSwapped(t, openStore(t, t.TempDir()))
}
