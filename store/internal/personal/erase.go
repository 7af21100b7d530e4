package personal

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/state"
)

// Eraser erases in one transaction.
type Eraser struct {
	Tx
	Dialect
}

func (e Eraser) books() Books { return Books{e.Tx, e.Dialect} }

// progress is how far an erasure has come.
type progress struct {
	// Entry is which of the person's entries it is at, and Stage which of [stages] for that one.
	Entry int `json:"entry,omitzero"`
	Stage int `json:"stage,omitzero"`
	// After and Inner are where the stage goes on.
	After  int64            `json:"after,omitzero"`
	Inner  int64            `json:"inner,omitzero"`
	Counts map[string]int64 `json:"counts,omitzero"`
}

// stages are what an erasure goes through for each entry once the person is silent. Those that look for what names the
// person come before the last ones, which erase the conversations by which it is found. Each is to erase about n rows, and
// tells whether it is over.
var stages = []func(Eraser, context.Context, *step, int) (over bool, err error){
	Eraser.eraseEvents, Eraser.eraseFresh, Eraser.eraseJobs, Eraser.eraseSchedules, Eraser.eraseScopes,
	Eraser.redactLines, Eraser.eraseReceipts, Eraser.erasePlaces, Eraser.eraseLines,
}

// step is a step of an erasure.
type step struct {
	progress
	own
	began time.Time
}

func (s *step) count(what string, n int64) {
	if n == 0 {
		return
	}
	if s.Counts == nil {
		s.Counts = make(map[string]int64)
	}
	s.Counts[what] += n
}

// Insert notes an erasure.
func (e Eraser) Insert(ctx context.Context, x privacy.Erasure) error {
	entries, err := json.Marshal(x.Entries)
	if err != nil {
		return fmt.Errorf("encode the entries: %w", err)
	}
	_, err = e.Exec(ctx, "INSERT INTO erasures (id, app_id, entries, progress, started_at) VALUES ($1, $2, $3, $4, $5)",
		int64(x.ID), x.AppID, entries, []byte("{}"), x.StartedAt)
	return err
}

const erasureColumns = "SELECT x.id, x.app_id, x.entries, x.progress, x.started_at, x.silent_at, x.done_at FROM erasures x "

func scanErasure(r Row) (x privacy.Erasure, p progress, err error) {
	x = privacy.Erasure{ID: privacy.ErasureID(r.Int(0)), AppID: r.Text(1), StartedAt: r.Time(4), SilentAt: r.Time(5), DoneAt: r.Time(6)}
	if !r.Null(2) {
		if err := json.Unmarshal(r.Bytes(2), &x.Entries); err != nil {
			return x, p, fmt.Errorf("the entries of erasure %s: %w", x.ID, err)
		}
	}
	if err := json.Unmarshal(r.Bytes(3), &p); err != nil {
		return x, p, fmt.Errorf("the progress of erasure %s: %w", x.ID, err)
	}
	x.Counts = p.Counts
	return x, p, nil
}

// Erasure is what [privacy.Store] says.
func (b Books) Erasure(ctx context.Context, appID string, id privacy.ErasureID) (x privacy.Erasure, err error) {
	found, err := b.erasures(ctx, "WHERE x.id = $1 AND x.app_id = $2", int64(id), appID)
	if err == nil && len(found) == 0 {
		return x, privacy.ErrNoErasure
	}
	if err != nil {
		return x, err
	}
	return found[0], nil
}

// Erasing is what [privacy.Store] says.
func (b Books) Erasing(ctx context.Context, n int) ([]privacy.Erasure, error) {
	return b.erasures(ctx, "WHERE x.done_at IS NULL ORDER BY x.id LIMIT $1", int64(n))
}

func (b Books) erasures(ctx context.Context, which string, args ...any) (found []privacy.Erasure, err error) {
	err = b.Each(ctx, func(r Row) error {
		x, _, err := scanErasure(r)
		found = append(found, x)
		return err
	}, erasureColumns+which, args...)
	return found, err
}

// load locks an erasure of which something is left to do. When another node is at it, it is busy.
func (e Eraser) load(ctx context.Context, id privacy.ErasureID) (x privacy.Erasure, p progress, found, busy bool, err error) {
	const open = erasureColumns + "WHERE x.id = $1 AND x.entries IS NOT NULL"
	if err = e.Each(ctx, func(r Row) error {
		found = true
		x, p, err = scanErasure(r)
		return err
	}, open+e.Lock, int64(id)); err != nil || found {
		return x, p, found, false, err
	}
	busy, err = one(ctx, e, func(Row) {}, open, int64(id))
	return x, p, false, busy, err
}

// Next is what Silence is to do next: to take a conversation out of the book, which is the person's own or not; or, if
// there is none, nothing more.
type Next struct {
	Entry privacy.Entry
	Row   int64
	Key   headsup.ConversationKey
	Own   bool
}

// NextConversation finds a conversation of the book that somebody who is to be erased is in.
func (b Books) NextConversation(ctx context.Context, id privacy.ErasureID) (n Next, found bool, err error) {
	var entries []privacy.Entry
	if err := b.Each(ctx, func(r Row) error {
		x, _, err := scanErasure(r)
		if x.SilentAt.IsZero() {
			entries = x.Entries
		}
		return err
	}, erasureColumns+"WHERE x.id = $1", int64(id)); err != nil {
		return n, false, err
	}
	for _, e := range entries {
		own, err := ownIn(ctx, b, e, 0, 1)
		if err != nil {
			return n, false, err
		}
		if len(own) > 0 {
			return Next{e, own[0].row, own[0].key, true}, true, nil
		}
		shared, err := sharedWith(ctx, b, e, 0, 1)
		if err != nil {
			return n, false, err
		}
		if len(shared) > 0 {
			return Next{Entry: e, Row: shared[0].row, Key: shared[0].key}, true, nil
		}
	}
	return n, false, nil
}

// EndLines ends the personal conversations of the embedded channel that a person opened, so that nothing comes in there.
// It is to be done before their conversations leave the book.
func (e Eraser) EndLines(ctx context.Context, entry privacy.Entry, also activity.ConversationID) error {
	if entry.Channel != activity.ChannelDirectLine {
		return nil
	}
	if _, err := e.Exec(ctx, `UPDATE dl_conversations SET ended = true WHERE app_id = $1 AND kind NOT IN ('group', 'channel')
			AND (user_id = $2 OR conversation_id = $3) AND NOT ended`, entry.AppID, string(entry.User), string(also)); err != nil {
		return err
	}
	return nil
}

// LeaveShared takes what is a person's own out of a conversation with others, but for the reference, which the driver
// keeps in memory too.
func (e Eraser) LeaveShared(ctx context.Context, entry privacy.Entry, key headsup.ConversationKey, row int64) error {
	if _, err := e.Exec(ctx, "DELETE FROM members WHERE person = $1 AND conversation = $2", entry.Row, row); err != nil {
		return err
	}
	if key.Channel == activity.ChannelDirectLine {
		if _, err := e.Exec(ctx, `DELETE FROM dl_members WHERE user_id = $1 AND conversation =
				(SELECT c.number FROM dl_conversations c WHERE c.conversation_id = $2)`, string(entry.User), string(key.Conversation)); err != nil {
			return err
		}
	}
	path := state.PrivatePrefix(key) + string(entry.User) + "/"
	_, err := e.Exec(ctx, "DELETE FROM state WHERE app_id = $1 AND tenant_id = $2 AND path >= $3 AND path < $4",
		key.AppID, string(key.Tenant), path, next(path))
	return err
}

// Silent notes that nothing is said to the person any more, unless one of the entries is in a conversation again.
func (e Eraser) Silent(ctx context.Context, id privacy.ErasureID, at time.Time) (more bool, err error) {
	x, _, found, busy, err := e.load(ctx, id)
	if err != nil || !found || !x.SilentAt.IsZero() {
		return busy, err
	}
	for _, entry := range x.Entries {
		if err := e.EndLines(ctx, entry, ""); err != nil {
			return false, err
		}
		if _, err := e.Exec(ctx, "DELETE FROM people WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM members m WHERE m.person = $1)",
			entry.Row); err != nil {
			return false, err
		}
		if err := e.eraseMemories(ctx, entry); err != nil {
			return false, err
		}
		if _, err := one(ctx, e, func(r Row) { more = more || r.Bool(0) },
			"SELECT EXISTS (SELECT 1 FROM people p WHERE p.id = $1)", entry.Row); err != nil {
			return false, err
		}
	}
	if more {
		return true, nil
	}
	_, err = e.Exec(ctx, "UPDATE erasures SET silent_at = $1 WHERE id = $2", at, int64(id))
	return false, err
}

// eraseMemories removes what bots remember of a person in all conversations of a channel.
func (e Eraser) eraseMemories(ctx context.Context, entry privacy.Entry) error {
	path := state.UserPath(entry.Channel, entry.User)
	_, err := e.Exec(ctx, "DELETE FROM state WHERE app_id = $1 AND tenant_id = $2 AND path >= $3 AND path < $4",
		entry.AppID, string(entry.Tenant), path, next(path))
	return err
}

// Erase is what [privacy.Store] says.
func (e Eraser) Erase(ctx context.Context, id privacy.ErasureID, n int) (more bool, err error) {
	x, p, found, busy, err := e.load(ctx, id)
	if err != nil || !found || x.SilentAt.IsZero() || p.Entry >= len(x.Entries) {
		return busy, err
	}
	s := &step{progress: p, began: x.StartedAt}
	if s.own, err = e.books().own(ctx, x.Entries[p.Entry]); err != nil {
		return false, err
	}
	over, err := stages[p.Stage](e, ctx, s, n)
	if err != nil {
		return false, fmt.Errorf("stage %d: %w", p.Stage, err)
	}
	if over {
		s.Stage, s.After, s.Inner = s.Stage+1, 0, 0
		if s.Stage == len(stages) {
			s.Entry, s.Stage = s.Entry+1, 0
		}
	}
	raw, err := json.Marshal(s.progress, json.Deterministic(true))
	if err != nil {
		return false, fmt.Errorf("encode the progress: %w", err)
	}
	_, err = e.Exec(ctx, "UPDATE erasures SET progress = $1 WHERE id = $2", raw, int64(id))
	return s.Entry < len(x.Entries), err
}

// Anonymous forgets whose erasure it was.
func (e Eraser) Anonymous(ctx context.Context, id privacy.ErasureID) error {
	_, err := e.Exec(ctx, "UPDATE erasures SET entries = NULL WHERE id = $1 AND entries IS NOT NULL", int64(id))
	return err
}

// Done notes that an erasure is done.
func (e Eraser) Done(ctx context.Context, id privacy.ErasureID, at time.Time) error {
	_, err := e.Exec(ctx, "UPDATE erasures SET done_at = $1 WHERE id = $2 AND done_at IS NULL", at, int64(id))
	return err
}

// found is a row that a stage looks at.
type found struct {
	id, other int64
	raw, more []byte
	flag      bool
}

// list reads a page for a stage.
func (e Eraser) list(ctx context.Context, scan func(Row) found, sql string, args ...any) (all []found, err error) {
	err = e.Each(ctx, func(r Row) error {
		all = append(all, scan(r))
		return nil
	}, sql, args...)
	return all, err
}

// looked is how many rows a walk looks at for each that it may erase.
const looked = 4

// eraseEvents removes events that tell of the person, with what is to be posted of them.
func (e Eraser) eraseEvents(ctx context.Context, s *step, n int) (over bool, err error) {
	all, err := e.list(ctx, func(r Row) found { return found{id: r.Int(0), other: r.Int(1), raw: r.Bytes(2)} },
		"SELECT e.id, e.conversation, e.data FROM events e WHERE e.app_id = $1 AND e.id > $2 ORDER BY e.id LIMIT $3",
		s.entry.AppID, s.After, int64(n))
	if err != nil {
		return false, err
	}
	for _, f := range all {
		s.After = f.id
		if !s.rows[f.other] && !s.told(f.raw) {
			continue
		}
		for _, sql := range []string{"DELETE FROM webhook_posts WHERE event = $1", "DELETE FROM events WHERE id = $1"} {
			if _, err := e.Exec(ctx, sql, f.id); err != nil {
				return false, err
			}
		}
		s.count("event", 1)
	}
	return len(all) < n, nil
}

// eraseFresh is eraseEvents for those that have no id yet.
func (e Eraser) eraseFresh(ctx context.Context, s *step, n int) (over bool, err error) {
	if !e.Fresh {
		return true, nil
	}
	all, err := e.list(ctx, func(r Row) found { return found{id: r.Int(0), other: r.Int(1), raw: r.Bytes(2)} },
		"SELECT e.number, e.conversation, e.data FROM events_fresh e WHERE e.app_id = $1 AND e.number > $2 ORDER BY e.number LIMIT $3",
		s.entry.AppID, s.After, int64(n))
	if err != nil {
		return false, err
	}
	for _, f := range all {
		s.After = f.id
		if s.rows[f.other] || s.told(f.raw) {
			if _, err := e.Exec(ctx, "DELETE FROM events_fresh WHERE number = $1", f.id); err != nil {
				return false, err
			}
			s.count("event", 1)
		}
	}
	return len(all) < n, nil
}

// eraseJobs removes the jobs of the person's own conversations, and the person from others that name them.
func (e Eraser) eraseJobs(ctx context.Context, s *step, n int) (over bool, err error) {
	all, err := e.list(ctx, func(r Row) found {
		f := found{id: r.Int(0), flag: s.in(r.Text(1), r.Text(2), r.Text(3))}
		if r.Text(2) == string(s.entry.Channel) {
			f.raw, f.more = r.Bytes(4), r.Bytes(5)
		}
		return f
	}, `SELECT j.number, j.tenant_id, j.channel_id, j.conversation_id, j.reference, j.value FROM jobs j
		WHERE j.app_id = $1 AND j.number > $2 ORDER BY j.number LIMIT $3`, s.entry.AppID, s.After, int64(looked*n))
	if err != nil {
		return false, err
	}
	for _, f := range all {
		s.After = f.id
		switch {
		case f.flag:
			_, err = e.Exec(ctx, "DELETE FROM jobs WHERE app_id = $1 AND number = $2", s.entry.AppID, f.id)
		case s.names.mentioned(f.raw) || s.names.mentioned(f.more):
			_, err = e.Exec(ctx, "UPDATE jobs SET reference = $1, value = $2 WHERE app_id = $3 AND number = $4",
				s.names.without(f.raw), orNull(s.names.without(f.more)), s.entry.AppID, f.id)
		default:
			continue
		}
		if err != nil {
			return false, err
		}
		s.count("job", 1)
	}
	return len(all) < looked*n, nil
}

// orNull is NULL for what is empty.
func orNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// eraseSchedules removes the schedules that go to the person alone. An id that somebody else has, too, is theirs.
func (e Eraser) eraseSchedules(ctx context.Context, s *step, n int) (over bool, err error) {
	others := false
	for _, id := range []struct {
		column string
		value  *string
	}{{"external_id", &s.entry.ExternalID}, {"user_id", (*string)(&s.entry.User)}} {
		if _, err := one(ctx, e, func(r Row) { others = r.Bool(0) },
			"SELECT EXISTS (SELECT 1 FROM people p WHERE p.app_id = $1 AND p."+id.column+" = $2)", s.entry.AppID, *id.value); err != nil {
			return false, err
		}
		if others {
			*id.value = ""
		}
	}
	all, err := e.list(ctx, func(r Row) found { return found{id: r.Int(0), raw: r.Bytes(1)} },
		`SELECT s.id, t.template FROM schedules s JOIN schedule_templates t ON t.id = s.id
		WHERE s.app_id = $1 AND s.id > $2 ORDER BY s.id LIMIT $3`, s.entry.AppID, s.After, int64(n))
	if err != nil {
		return false, err
	}
	for _, f := range all {
		s.After = f.id
		if !s.addressed(f.raw, s.entry.ExternalID) {
			continue
		}
		if _, err := e.Exec(ctx, "UPDATE schedule_counts SET n = n - 1 WHERE app_id = $1", s.entry.AppID); err != nil {
			return false, err
		}
		for _, sql := range []string{
			"DELETE FROM schedules WHERE id = $1", "DELETE FROM schedule_templates WHERE id = $1",
			"DELETE FROM schedule_clocks WHERE schedule = $1", "DELETE FROM occurrences WHERE schedule = $1",
		} {
			if _, err := e.Exec(ctx, sql, f.id); err != nil {
				return false, err
			}
		}
		s.count("schedule", 1)
	}
	return len(all) < n, nil
}

// eraseScopes forgets what is kept of channels' limits for the person's conversations.
func (e Eraser) eraseScopes(ctx context.Context, s *step, _ int) (over bool, err error) {
	for _, table := range e.Scopes {
		var gone []string
		if err := e.Each(ctx, func(r Row) error {
			var scope struct {
				Conversation activity.ConversationID `json:"conversation"`
			}
			if json.Unmarshal(r.Bytes(0), &scope) == nil && s.ids[scope.Conversation] {
				gone = append(gone, r.Text(0))
			}
			return nil
		}, "SELECT t.scope FROM "+table+" t"); err != nil {
			return false, err
		}
		for _, scope := range gone {
			if _, err := e.Exec(ctx, "DELETE FROM "+table+" WHERE scope = $1", scope); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}
