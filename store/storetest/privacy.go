package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/state"
)

// people checks [privacy.Store] of a driver that implements it.
func (s suite) people(t *testing.T) {
	s.private(t, "PeopleAreFoundByEveryKey", foundByEveryKey)
	s.private(t, "ExportTellsEverything", exportTellsEverything)
	s.private(t, "ExportTellsMoreThanAPage", exportTellsManyPages)
	s.private(t, "ErasureLeavesNothing", erasureLeavesNothing)
	s.private(t, "ErasureLeavesOthersAlone", erasureLeavesOthers)
	s.private(t, "MergedPeopleAreToldAndErasedTogether", mergedPrivacy)
	s.private(t, "ErasureOfWhoWasForgotten", erasesTheForgotten)
	s.private(t, "NothingIsHandedOutOnceSilent", silentIsSilent)
	s.private(t, "SharedMessagesStay", sharedMessageStays)
	s.private(t, "WhoWritesAgainIsNew", newAfterErasure)
	s.private(t, "TranscriptsArePurged", transcriptsArePurged)
	if s.Durable {
		s.private(t, "ErasureGoesOnAfterACrash", func(e *env, _ privacy.Store) { erasureGoesOn(s, e) })
	}
}

func (s suite) private(t *testing.T, name string, f func(e *env, p privacy.Store)) {
	s.promise(t, name, func(e *env) {
		p, ok := e.Store.(privacy.Store)
		if !ok {
			e.Fatalf("%T keeps no promises about people", e.Store)
		}
		f(e, p)
	})
}

// Erase erases somebody as a whole.
func Erase(t *testing.T, s Store, who privacy.Who) privacy.Erasure {
	t.Helper()
	return newEnv(t, s).erase(who)
}

func (e *env) begin(who privacy.Who) privacy.Erasure {
	e.Helper()
	p := e.Store.(privacy.Store)
	entries, err := p.People(e.ctx, who)
	e.ok(err)
	if len(entries) == 0 {
		e.Fatalf("nobody is %+v", who)
	}
	x := privacy.Erasure{ID: privacy.ErasureID(ident.New()), AppID: app, Entries: entries, StartedAt: e.at(time.Minute)}
	e.ok(p.BeginErasure(e.ctx, x))
	return x
}

func (e *env) erase(who privacy.Who) privacy.Erasure {
	e.Helper()
	x := e.begin(who)
	e.goesOn(x.ID)
	p := e.Store.(privacy.Store)
	done, err := p.Erasure(e.ctx, app, x.ID)
	e.ok(err)
	if len(done.Entries) != 0 || !done.DoneAt.Equal(e.at(2*time.Minute)) || !done.SilentAt.Equal(e.at(time.Minute)) {
		e.Errorf("done, it is %+v", done)
	}
	return done
}

// goesOn brings an erasure to its end, in small steps.
func (e *env) goesOn(id privacy.ErasureID) {
	e.Helper()
	e.silences(id)
	p := e.Store.(privacy.Store)
	for more := true; more; {
		var err error
		more, err = p.Erase(e.ctx, id, 3)
		e.ok(err)
	}
	e.ok(p.FinishErasure(e.ctx, id, e.at(2*time.Minute)))
}

func (e *env) silences(id privacy.ErasureID) {
	e.Helper()
	for more := true; more; {
		var err error
		more, err = e.Store.(privacy.Store).Silence(e.ctx, id, e.at(time.Minute))
		e.ok(err)
	}
}

// exported is everything that is told of somebody, by type.
func (e *env) exported(who privacy.Who) (all map[string][]string) {
	e.Helper()
	p := e.Store.(privacy.Store)
	entries, err := p.People(e.ctx, who)
	e.ok(err)
	all = make(map[string][]string)
	for _, entry := range entries {
		e.ok(p.ExportPerson(e.ctx, entry, func(r privacy.Record) error {
			if !r.Data.IsValid() {
				e.Errorf("%s is no JSON: %s", r.Type, r.Data)
			}
			all[r.Type] = append(all[r.Type], string(r.Data))
			return nil
		}))
	}
	return all
}

func foundByEveryKey(e *env, p privacy.Store) {
	e.seed("ann")
	e.seed("ben")
	for _, who := range []privacy.Who{
		{User: "user-ann", Channel: activity.ChannelDirectLine, Tenant: tenant}, {ExternalID: "ext-ann"}, {ObjectID: "OID-ann"}, {UPN: "UPN-Ann@example.com"},
		{Email: "mail-ann@EXAMPLE.com"},
	} {
		who.AppID = app
		found, err := p.People(e.ctx, who)
		e.ok(err)
		if len(found) != 1 || found[0].User != "user-ann" || found[0].ExternalID != "ext-ann" || found[0].Row == 0 {
			e.Errorf("%+v is %+v", who, found)
		}
	}
	for _, who := range []privacy.Who{
		{AppID: "other", User: "user-ann"}, {AppID: app, User: "nobody"}, {AppID: app, User: "user-ann", Channel: activity.ChannelTeams},
		{AppID: app, ExternalID: "EXT-ANN"},
	} {
		if found, err := p.People(e.ctx, who); err != nil || len(found) != 0 {
			e.Errorf("%+v is %+v, %v", who, found, err)
		}
	}
}

// recordTypes are what a person may have.
var recordTypes = map[string]int{
	"person": 1, "conversation": 1, "shared_conversation": 1, "removed_conversation": 1, "tag": 1, "delivery": 11, "answer": 1, "state": 4, "job": 2, "schedule": 4,
	"event": 0, "line": 3, "line_member": 1, "activity": 5, "file": 2, "receipt": 7,
}

func exportTellsEverything(e *env, _ privacy.Store) {
	ann := e.seed("ann")
	e.seed("ben")
	all := e.exported(ann.Who)
	for kind, n := range recordTypes {
		if len(all[kind]) != n && n != 0 || len(all[kind]) == 0 {
			e.Errorf("%d of type %s, want %d: %q", len(all[kind]), kind, n, all[kind])
		}
	}
	text := ""
	for kind, records := range all {
		if _, known := recordTypes[kind]; !known {
			e.Errorf("unknown type %s", kind)
		}
		text += strings.Join(records, "\n")
	}
	for _, sign := range []string{"-ben", " ben", "/ben"} { // ids are made up, and may have any three letters
		if strings.Contains(text, sign) {
			e.Error("it tells of somebody else")
		}
	}
	for _, want := range []string{
		"delivered-ann", "edited-ann", "scheduled-ann", "retried-ann", "behind-ann", "delivered-ann-old", "detail-ann", "activity-ann", "idem-delivered-ann",
		"collapse-behind-ann", "value-ann", "tag-ann", "ext-ann", "oid-ann", "upn-ann@example.com", "mail-ann@example.com", "Name ann", "Zone/ann", "Land ann",
		"de-ann", "state-ann", "once-ann", "template-ann", "schedule-ann", "heard-ann", "answer-ann", "inbound-ann", "Line ann", "one-ann", "two-ann",
		"said-ann", "ann.txt", "Talk of ann", "topic-ann",
	} {
		if want == "delivered-ann" || strings.Contains(text, want) { // what was edited is not kept
			continue
		}
		e.Errorf("%s is not told", want)
	}
}

func exportTellsManyPages(e *env, _ privacy.Store) {
	c := e.meet("a")
	const n = 230
	for range n {
		e.accept(due(e.message(c), e.at(time.Hour)))
	}
	e.forgets(c)
	if all := e.exported(privacy.Who{AppID: app, User: "user-of-a"}); len(all["delivery"]) != n {
		e.Errorf("%d deliveries", len(all["delivery"]))
	}
}

func erasureLeavesNothing(e *env, p privacy.Store) {
	ann := e.seed("ann")
	x := e.erase(ann.Who)
	if x.Counts["delivery"] != 11 || x.Counts["schedule"] != 4 || x.Counts["conversation"] != 2 || x.Counts["file"] != 2 {
		e.Errorf("erased %v", x.Counts)
	}
	if found, err := p.People(e.ctx, ann.Who); err != nil || len(found) != 0 {
		e.Errorf("still there: %+v, %v", found, err)
	}
	e.counts(toOthers)
	for _, id := range []activity.ConversationID{"talk-ann", "unmet-ann"} {
		_, err := e.DirectLineConversation(e.ctx, id)
		e.is(err, directline.ErrNotFound)
	}
	open, err := p.Erasing(e.ctx, 10)
	e.ok(err)
	if len(open) != 0 {
		e.Errorf("still open: %+v", open)
	}
}

func erasureLeavesOthers(e *env, _ privacy.Store) {
	ben := e.seed("ben")
	before, counts := e.exported(ben.Who), e.countsNow()
	ann := e.seed("ann")
	e.erase(ann.Who)
	after := e.exported(ben.Who)
	for kind := range before {
		if !slices.Equal(before[kind], after[kind]) {
			e.Errorf("%s was\n%q\nand is\n%q", kind, before[kind], after[kind])
		}
	}
	counts[outbox.StateDelivered]++ // to everybody
	e.counts(counts)
}

// mergedPrivacy: a human who was merged of several people is exported and erased as all of them, by a key of any.
func mergedPrivacy(e *env, p privacy.Store) {
	ann, inTeams := e.somebody(activity.ChannelTeams, "ann", time.Minute)
	anna, inSlack := e.somebody("slack", "anna", 2*time.Minute)
	cem, other := e.somebody("line", "cem", 3*time.Minute)
	e.merge(ann, anna)
	e.sayIn(time.Hour, inTeams)
	e.sayIn(time.Hour, inSlack)
	e.sayIn(time.Hour, other)
	for _, who := range []privacy.Who{
		{AppID: app, User: ann.ID}, {AppID: app, User: anna.ID}, {AppID: app, ObjectID: ann.ObjectID}, {AppID: app, Email: anna.Email},
	} {
		all := e.exported(who)
		if len(all["person"]) != 2 || len(all["conversation"]) != 2 || len(all["delivery"]) != 2 {
			e.Errorf("of %+v is told %v", who, all)
		}
	}
	x := e.erase(privacy.Who{AppID: app, Email: anna.Email})
	if x.Counts["conversation"] != 2 || x.Counts["delivery"] != 2 {
		e.Errorf("erased %v", x.Counts)
	}
	for _, gone := range []book.Person{ann, anna} {
		if found, err := p.People(e.ctx, privacy.Who{AppID: app, User: gone.ID}); err != nil || len(found) != 0 {
			e.Errorf("%s is %+v, %v", gone.ID, found, err)
		}
	}
	for _, c := range []book.Conversation{inTeams, inSlack} {
		_, err := e.Conversation(e.ctx, c.Key)
		e.is(err, book.ErrNotFound)
	}
	e.human(cem, cem)
	if all := e.exported(privacy.Who{AppID: app, User: cem.ID}); len(all["conversation"]) != 1 || len(all["delivery"]) != 1 {
		e.Errorf("of somebody else is left %v", all)
	}
}

func (e *env) countsNow() map[outbox.State]int64 {
	n, err := e.Counts(e.ctx)
	e.ok(err)
	return n
}

func erasesTheForgotten(e *env, p privacy.Store) {
	c := e.meet("a")
	e.sayIn(time.Hour, c)
	e.forgets(c)
	who := privacy.Who{AppID: app, User: "user-of-a"}
	e.erase(who)
	if found, err := p.People(e.ctx, who); err != nil || len(found) != 0 {
		e.Errorf("still there: %+v, %v", found, err)
	}
	e.counts(nil)
}

// silentIsSilent: claims and sends go on at full speed while somebody is erased; what was handed out before is over when
// the person is silent, and nothing is handed out after it.
func silentIsSilent(e *env, p privacy.Store) {
	c, other := e.meet("a"), e.meet("b")
	for range 50 {
		e.say(c, other)
	}
	ctx, stop := context.WithCancel(e.ctx)
	var workers sync.WaitGroup
	var mu sync.Mutex
	silent, late := false, 0
	for range 2 {
		workers.Go(func() {
			for ctx.Err() == nil {
				claimed, err := e.Claim(ctx, 4, e.start)
				if err != nil {
					continue
				}
				for _, a := range claimed.Attempts {
					mu.Lock()
					if silent && a.Conversation.Row == c.Row {
						late++
					}
					mu.Unlock()
					_ = e.RecordOutcome(e.ctx, outcomeOf(a, e.start))
				}
			}
		})
	}
	x := e.begin(privacy.Who{AppID: app, User: "user-of-a"})
	e.silences(x.ID)
	mu.Lock()
	silent = true
	mu.Unlock()
	if _, err := e.SubmitMessage(e.ctx, e.message(c), false); !errors.Is(err, book.ErrNotFound) {
		e.Errorf("accepted after it: %v", err)
	}
	e.goesOn(x.ID)
	for e.countsNow()[outbox.StateDelivered] < 50 && e.ctx.Err() == nil { // the other's
		time.Sleep(time.Millisecond)
	}
	stop()
	workers.Wait()
	if late > 0 {
		e.Errorf("%d deliveries were handed out after the erasure", late)
	}
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 50})
	_ = p
}

func sharedMessageStays(e *env, _ privacy.Store) {
	both := e.sayIn(time.Hour, e.meet("a"), e.meet("b"))
	e.erase(privacy.Who{AppID: app, User: "user-of-a"})
	r := e.record(both)
	if len(r.Deliveries) != 1 || r.Deliveries[0].Key.Conversation != "b" || r.Deliveries[0].State != outbox.StateScheduled || len(r.Message.Body) == 0 {
		e.Errorf("what is left is %+v", r)
	}
	e.counts(map[outbox.State]int64{outbox.StateScheduled: 1})
}

func newAfterErasure(e *env, p privacy.Store) {
	x := e.begin(privacy.Who{AppID: app, User: "user-of-a", Channel: func() activity.ChannelID { e.meet("a"); return "" }()})
	e.silences(x.ID)
	c := e.meet("a") // in the middle of it
	e.writes(write(state.UserPath(c.Key.Channel, "user-of-a"), `{"n":1}`, ""))
	said := e.sayIn(time.Hour, c)
	e.goesOn(x.ID)
	found, err := p.People(e.ctx, privacy.Who{AppID: app, User: "user-of-a"})
	e.ok(err)
	if len(found) != 1 || found[0].Row == x.Entries[0].Row {
		e.Errorf("who has written again is %+v", found)
	}
	e.stands(said, outbox.StateScheduled)
	if e.doc(state.UserPath(c.Key.Channel, "user-of-a")).ETag == "" {
		e.Error("what was remembered since is gone")
	}
}

// erasureGoesOn: the process is killed after every step.
func erasureGoesOn(s suite, e *env) {
	ann := e.seed("ann")
	x := e.begin(ann.Who)
	for range 3 {
		_, err := e.Store.(privacy.Store).Silence(e.ctx, x.ID, e.at(time.Minute))
		e.ok(err)
		e.Store = s.Reopen(e.T, e.Store)
	}
	e.silences(x.ID)
	for range 8 {
		_, err := e.Store.(privacy.Store).Erase(e.ctx, x.ID, 3)
		e.ok(err)
		e.Store = s.Reopen(e.T, e.Store)
	}
	open, err := e.Store.(privacy.Store).Erasing(e.ctx, 10)
	e.ok(err)
	if len(open) != 1 || open[0].ID != x.ID || len(open[0].Entries) == 0 {
		e.Fatalf("open is %+v", open)
	}
	e.goesOn(x.ID)
	if found, err := e.Store.(privacy.Store).People(e.ctx, ann.Who); err != nil || len(found) != 0 {
		e.Errorf("still there: %+v, %v", found, err)
	}
	e.counts(toOthers)
}

func transcriptsArePurged(e *env, p privacy.Store) {
	e.opens(e.line("c"))
	day := 24 * time.Hour
	for i, at := range []time.Time{e.at(-100 * day), e.at(-50 * day), e.at(-40 * day), e.at(-day)} {
		_, _, err := e.Append(e.ctx, "c", "", jsontext.Value(`{"type":"message","text":"a text that is longer than nothing"}`), at)
		e.ok(err)
		e.ok(e.SaveAttachment(e.ctx, directline.Attachment{ID: string(rune('a' + i)), Conversation: "c", Data: []byte("x"), CreatedAt: at}))
	}
	old := e.opens(e.line("d"))
	_, _, err := e.Append(e.ctx, old.ID, "", jsontext.Value(`{"type":"message","text":"a text that is longer than nothing"}`), e.at(-100*day))
	e.ok(err)
	unused := func(id string, age time.Duration, change func(*directline.Conversation)) directline.Conversation {
		c := e.line(id)
		c.CreatedAt, c.Started = e.at(-age), false
		if change != nil {
			change(&c)
		}
		return e.opens(c)
	}
	stranger, fresh := unused("stranger", 100*day, nil), unused("fresh", day, nil)
	started := unused("started", 100*day, func(c *directline.Conversation) { c.Started = true })
	opened := unused("opened", 100*day, func(c *directline.Conversation) { c.ByBot = true })
	known := unused("known", 100*day, nil)
	e.meet("known")
	total := privacy.TranscriptPurged{}
	for mark := (privacy.TranscriptMark{}); ; {
		done, err := p.PurgeTranscripts(e.ctx, privacy.TranscriptPurge{
			ContentBefore: e.at(-30 * day), RecordsBefore: e.at(-90 * day), After: mark, Limit: 2,
		})
		e.ok(err)
		total.Contents += done.Contents
		total.Records += done.Records
		total.Files += done.Files
		total.Unused += done.Unused
		if mark = done.Next; mark == (privacy.TranscriptMark{}) {
			break
		}
	}
	if total.Contents != 3 || total.Records != 1 || total.Files != 3 || total.Unused != 1 {
		e.Errorf("purged %+v", total)
	}
	_, err = e.DirectLineConversation(e.ctx, stranger.ID)
	e.is(err, directline.ErrNotFound)
	for _, c := range []directline.Conversation{fresh, started, opened, known, old} {
		_, err := e.DirectLineConversation(e.ctx, c.ID)
		e.ok(err)
	}
	history, err := e.History(e.ctx, "c", 0, 10)
	e.ok(err)
	if len(history) != 3 || history[0].Seq != 2 || strings.Contains(string(history[1].Body), "text") || !strings.Contains(string(history[2].Body), "text") {
		e.Errorf("the history is %+v", history)
	}
	e.appends(old.ID, "", `{"type":"message"}`, 2)
	_, err = e.LoadAttachment(e.ctx, "c")
	e.is(err, directline.ErrNotFound)
	_, err = e.LoadAttachment(e.ctx, "d")
	e.ok(err)
}
