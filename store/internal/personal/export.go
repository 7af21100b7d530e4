package personal

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/state"
)

// page is how many rows are read at once; bodies may have a megabyte each, so there are fewer of those.
const (
	page      = 500
	largePage = 16
)

// kind is what a column holds.
type kind int

const (
	isText kind = iota
	isNumber
	isBool
	isTime
	isJSON
	isLines // JSON values, one a line
	isBytes
	isState
	isEvent
	isReceipt
	isNotification // ids, as the API tells them
	isDelivery
	isSchedule
	isEventID
)

// column is a column of a record, by the name that it has there.
type column struct {
	name string
	kind kind
}

func texts(names ...string) (all []column) {
	for _, n := range names {
		all = append(all, column{n, isText})
	}
	return all
}

// record writes the columns of a row, from an index on, as a JSON object. What is NULL or empty is left out.
func (b Books) record(r Row, from int, columns []column) (jsontext.Value, error) {
	var buf bytes.Buffer
	e := jsontext.NewEncoder(&buf, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	tokens := []jsontext.Token{jsontext.BeginObject}
	write := func() error {
		for _, t := range tokens {
			if err := e.WriteToken(t); err != nil {
				return err
			}
		}
		tokens = tokens[:0]
		return nil
	}
	for i, c := range columns {
		i += from
		if r.Null(i) || c.kind == isTime && r.Time(i).IsZero() || c.kind == isText && r.Text(i) == "" {
			continue
		}
		tokens = append(tokens, jsontext.String(c.name))
		switch c.kind {
		case isJSON, isLines:
			v := jsontext.Value(r.Bytes(i))
			if c.kind == isLines {
				v = lines(v)
			}
			if !v.IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) {
				tokens = append(tokens, jsontext.String(string(v)))
				break
			}
			if err := write(); err != nil {
				return nil, err
			}
			if err := e.WriteValue(v); err != nil {
				return nil, err
			}
		case isTime:
			tokens = append(tokens, jsontext.String(r.Time(i).UTC().Format(time.RFC3339Nano)))
		case isNumber:
			tokens = append(tokens, jsontext.Int(r.Int(i)))
		case isBool:
			tokens = append(tokens, jsontext.Bool(r.Bool(i)))
		case isBytes:
			tokens = append(tokens, jsontext.String(base64.StdEncoding.EncodeToString(r.Bytes(i))))
		default:
			tokens = append(tokens, jsontext.String(b.word(r, i, c.kind)))
		}
	}
	tokens = append(tokens, jsontext.EndObject)
	if err := write(); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(buf.Bytes()), nil
}

func (b Books) word(r Row, i int, k kind) string {
	switch k {
	case isState:
		return b.State(r.Int(i))
	case isEvent:
		return b.Event(r.Int(i))
	case isReceipt:
		return b.Receipt(r.Int(i))
	case isNotification:
		return ident.Text("ntf", r.Int(i))
	case isDelivery:
		return ident.Text("dlv", r.Int(i))
	case isSchedule:
		return ident.Text("sch", r.Int(i))
	case isEventID:
		return ident.Text("evt", r.Int(i))
	default:
		return r.Text(i)
	}
}

// lines makes an array of values that have a line each.
func lines(b []byte) []byte {
	return append(append([]byte{'['}, bytes.ReplaceAll(bytes.TrimSpace(b), []byte{'\n'}, []byte{','})...), ']')
}

// source is where records come from: a query whose first column is what the next page comes after (as its last
// parameter but one; the last is the limit).
type source struct {
	record  string
	sql     string
	args    []any
	limit   int
	columns []column
	// only says which rows to tell; nil is all. It sees the row with the columns from the second on.
	only func(Row) bool
}

// walkThrough tells the records of a source, page by page.
func (b Books) walkThrough(ctx context.Context, s source, yield func(privacy.Record) error) error {
	if s.limit == 0 {
		s.limit = page
	}
	for after, seen := int64(0), s.limit; seen == s.limit; {
		var found []privacy.Record
		seen = 0
		if err := b.Each(ctx, func(r Row) error {
			seen++
			after = r.Int(0)
			if s.only != nil && !s.only(r) {
				return nil
			}
			data, err := b.record(r, 1, s.columns)
			found = append(found, privacy.Record{Type: s.record, Data: data})
			return err
		}, s.sql, append(append([]any(nil), s.args...), after, int64(s.limit))...); err != nil {
			return fmt.Errorf("%s: %w", s.record, err)
		}
		for _, r := range found {
			if err := yield(r); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	personColumns = append(texts("tenant", "channel", "user", "name", "object_id", "upn", "email", "external_id", "time_zone", "locale", "country"),
		column{"preferences", isJSON}, column{"created_at", isTime}, column{"updated_at", isTime})

	conversationColumns = append(texts("tenant", "channel", "bot", "conversation", "kind", "service_url", "url_source"),
		column{"verified_at", isTime}, column{"reference", isJSON}, column{"user", isText}, column{"locale", isText},
		column{"time_zone", isText}, column{"reach", isText}, column{"reach_cause", isText}, column{"reach_at", isTime},
		column{"reach_until", isTime},
		column{"last_seen_at", isTime}, column{"created_at", isTime}, column{"updated_at", isTime})

	deliveryColumns = []column{
		{"delivery", isDelivery}, {"state", isState}, {"reason", isText}, {"activity_id", isText}, {"attempts", isNumber},
		{"created_at", isTime}, {"updated_at", isTime}, {"history", isLines}, {"notification", isNotification},
		{"activity", isJSON}, {"value", isJSON}, {"topic", isText}, {"to", isJSON}, {"idempotency_key", isText},
		{"collapse_key", isText}, {"handler", isText}, {"accepted_at", isTime}, {"expires_at", isTime},
	}
	selectDelivery = `d.id, d.state, d.reason, d.activity_id, d.claims, d.created_at, d.updated_at, d.history, m.id,
		m.body, m.value, m.topic, m.target, m.idem_key, m.collapse_key, m.handler, m.created_at, m.expires_at `
)

// Export tells everything that is kept of an entry.
func (b Books) Export(ctx context.Context, e privacy.Entry, yield func(privacy.Record) error) error {
	steps := []func(context.Context, privacy.Entry, func(privacy.Record) error) error{
		b.exportBook, b.exportReceipts, b.exportState, b.exportJobs, b.exportSchedules, b.exportEvents, b.exportLine,
	}
	for _, step := range steps {
		if err := step(ctx, e, yield); err != nil {
			return err
		}
	}
	return nil
}

// exportBook tells the entry, its conversations and what was said to them.
func (b Books) exportBook(ctx context.Context, e privacy.Entry, yield func(privacy.Record) error) error {
	if err := b.walkThrough(ctx, source{
		record: "person", args: []any{e.Row}, columns: personColumns,
		sql: `SELECT p.id, p.tenant_id, p.channel_id, p.user_id, p.name, p.aad_object_id, p.upn, p.email, p.external_id, p.time_zone,
			p.locale, p.country, p.preferences, p.created_at, p.updated_at FROM people p WHERE p.id = $1 AND p.id > $2 LIMIT $3`,
	}, yield); err != nil {
		return err
	}
	for after := int64(0); ; { // of those with others, nothing is told that is not the person's
		found, err := sharedWith(ctx, b, e, after, page)
		if err != nil {
			return err
		}
		for _, p := range found {
			if err := b.walkThrough(ctx, source{
				record: "shared_conversation", args: []any{p.row}, columns: texts("tenant", "channel", "bot", "conversation", "kind"),
				sql: `SELECT c.id, c.tenant_id, c.channel_id, c.bot_id, c.conversation_id, c.kind FROM conversations c
					WHERE c.id = $1 AND c.id > $2 LIMIT $3`,
			}, yield); err != nil {
				return err
			}
			after = p.row
		}
		if len(found) < page {
			break
		}
	}
	return b.eachOwn(ctx, e, func(p place, removed bool) error {
		return b.exportPlace(ctx, p, removed, yield)
	})
}

// ownIn lists a person's own conversations of the book: personal ones with them, or with nobody else.
func ownIn(ctx context.Context, r Reader, e privacy.Entry, after int64, limit int) ([]place, error) {
	return memberIn(ctx, r, "AND "+isOwn, e, after, limit)
}

// sharedWith lists the conversations that a person is in with others.
func sharedWith(ctx context.Context, r Reader, e privacy.Entry, after int64, limit int) ([]place, error) {
	return memberIn(ctx, r, "AND NOT "+isOwn, e, after, limit)
}

const isOwn = `(c.kind = 'personal' AND (c.user_id = $2
	OR NOT EXISTS (SELECT 1 FROM members o WHERE o.conversation = c.id AND o.person <> m.person)))`

func memberIn(ctx context.Context, r Reader, which string, e privacy.Entry, after int64, limit int) (found []place, err error) {
	err = r.Each(ctx, func(row Row) error {
		found = append(found, place{row.Int(0), headsup.ConversationKey{
			AppID: e.AppID, Tenant: e.Tenant, Channel: e.Channel, Bot: activity.AccountID(row.Text(1)),
			Conversation: activity.ConversationID(row.Text(2)),
		}})
		return nil
	}, `SELECT c.id, c.bot_id, c.conversation_id FROM members m JOIN conversations c ON c.id = m.conversation
		WHERE m.person = $1 `+which+` AND m.conversation > $3 ORDER BY m.conversation LIMIT $4`,
		e.Row, string(e.User), after, int64(limit))
	return found, err
}

// eachOwn calls f with the person's own conversations, those of the book first.
func (b Books) eachOwn(ctx context.Context, e privacy.Entry, f func(p place, removed bool) error) error {
	for i, list := range []func(context.Context, Reader, privacy.Entry, int64, int) ([]place, error){ownIn, placesOf} {
		for after := int64(0); ; {
			found, err := list(ctx, b, e, after, page)
			if err != nil {
				return err
			}
			for _, p := range found {
				if err := f(p, i > 0); err != nil {
					return err
				}
				after = p.row
			}
			if len(found) < page {
				break
			}
		}
	}
	return nil
}

// exportPlace tells what belongs to a conversation that is the person's own.
func (b Books) exportPlace(ctx context.Context, p place, removed bool, yield func(privacy.Record) error) error {
	about := source{
		record: "conversation", args: []any{p.row}, columns: conversationColumns,
		sql: `SELECT c.id, c.tenant_id, c.channel_id, c.bot_id, c.conversation_id, c.kind, c.service_url, c.url_source, c.verified_at,
			c.reference, c.user_id, c.locale, c.time_zone, c.reach, c.reach_cause, c.reach_at, c.reach_until, c.seen_at, c.created_at, c.updated_at
			FROM conversations c WHERE c.id = $1 AND c.id > $2 LIMIT $3`,
	}
	if removed {
		about = source{
			record: "removed_conversation", args: []any{p.row}, columns: texts("tenant", "channel", "bot", "conversation", "user"),
			sql: `SELECT f.id, f.tenant_id, f.channel_id, f.bot_id, f.conversation_id, f.user_id FROM forgotten f
				WHERE f.id = $1 AND f.id > $2 LIMIT $3`,
		}
	}
	if err := b.walkThrough(ctx, about, yield); err != nil {
		return err
	}
	parts := int64(0)
	if _, err := one(ctx, b, func(r Row) { parts = r.Int(0) }, b.Parts); err != nil {
		return err
	}
	sources := []source{
		{record: "tag", args: []any{p.row}, columns: texts("tag", "conversation"), sql: `SELECT 1, t.tag, c.conversation_id FROM tags t
			JOIN conversations c ON c.id = t.conversation WHERE t.conversation = $1 AND 1 > $2 LIMIT $3`},
		{record: "delivery", args: []any{p.row}, columns: deliveryColumns, limit: 100, sql: "SELECT d.id, " + selectDelivery +
			"FROM deliveries d JOIN messages m ON m.id = d.message WHERE d.conversation = $1 AND d.id > $2 ORDER BY d.id LIMIT $3"},
	}
	for part := range parts + 1 {
		sources = append(sources, source{
			record: "delivery", args: []any{part, p.row}, columns: deliveryColumns, limit: 100, sql: "SELECT d.id, " + selectDelivery +
				"FROM finished d JOIN messages m ON m.id = d.message WHERE " + b.InPart + " AND d.id > $3 ORDER BY d.id LIMIT $4",
		})
	}
	sources = append(sources, b.receiptsOf(parts, p)...)
	sources = append(sources,
		source{record: "answer", args: []any{b.KeyHash(p.key)}, limit: -1,
			columns: []column{{"activity_id", isText}, {"status", isNumber}, {"body", isJSON}, {"at", isTime}},
			sql:     `SELECT 0, i.activity_id, i.status, i.body, i.at FROM inbound i WHERE i.conversation = $1 AND 0 >= $2 AND $3 < 0`})
	for _, s := range sources {
		if err := b.walkThrough(ctx, s, yield); err != nil {
			return err
		}
	}
	return nil
}

// exportState tells what is remembered of the person: of their own conversations, and of them in others.
func (b Books) exportState(ctx context.Context, e privacy.Entry, yield func(privacy.Record) error) error {
	columns := []column{{"tenant", isText}, {"path", isText}, {"value", isJSON}}
	under := func(key headsup.ConversationKey, from, before string) error {
		return b.walkThrough(ctx, source{
			record: "state", columns: columns, limit: -1, args: []any{key.AppID, string(key.Tenant), from, before},
			sql: `SELECT 0, s.tenant_id, s.path, s.value FROM state s WHERE s.app_id = $1 AND s.tenant_id = $2 AND s.path >= $3 AND s.path < $4
				AND 0 >= $5 AND $6 < 0`,
		}, yield)
	}
	user := headsup.ConversationKey{AppID: e.AppID, Tenant: e.Tenant}
	path := state.UserPath(e.Channel, e.User)
	if err := under(user, path, next(path)); err != nil {
		return err
	}
	if err := b.eachOwn(ctx, e, func(p place, _ bool) error {
		path := state.ConversationPath(p.key)
		return under(p.key, path, next(path))
	}); err != nil {
		return err
	}
	for after := int64(0); ; {
		shared, err := sharedWith(ctx, b, e, after, page)
		if err != nil {
			return err
		}
		for _, p := range shared {
			path := state.PrivatePrefix(p.key) + string(e.User) + "/"
			if err := under(p.key, path, next(path)); err != nil {
				return err
			}
			after = p.row
		}
		if len(shared) < page {
			return nil
		}
	}
}

// next is the first text behind all that begin with one, which ends with a byte that is not 255.
func next(prefix string) string {
	return prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
}

// own is what says whether something belongs to a person: the conversations that are theirs, and their names.
type own struct {
	entry privacy.Entry
	rows  map[int64]bool
	ids   map[activity.ConversationID]bool
	names names
}

func (b Books) own(ctx context.Context, e privacy.Entry) (own, error) {
	o := own{e, make(map[int64]bool), make(map[activity.ConversationID]bool), make(names)}
	o.names.add(string(e.User))
	o.names.addFolded(e.ObjectID, e.UPN, e.Email)
	err := b.eachOwn(ctx, e, func(p place, _ bool) error {
		o.rows[p.row], o.ids[p.key.Conversation] = true, true
		return nil
	})
	return o, err
}

// in reports whether a conversation is the person's own.
func (o own) in(tenant, channel, id string) bool {
	return o.ids[activity.ConversationID(id)] && string(o.entry.Tenant) == tenant && string(o.entry.Channel) == channel
}

// told reports whether an event's data tells of the person. Others may have their id on another channel.
func (o own) told(data []byte) bool {
	var where struct {
		Channel activity.ChannelID `json:"channel"`
	}
	return o.names.mentioned(data) && json.Unmarshal(data, &where) == nil && where.Channel == o.entry.Channel
}

func (b Books) exportJobs(ctx context.Context, e privacy.Entry, yield func(privacy.Record) error) error {
	o, err := b.own(ctx, e)
	if err != nil {
		return err
	}
	return b.walkThrough(ctx, source{
		record: "job", args: []any{e.AppID},
		columns: []column{
			{"tenant", isText}, {"channel", isText}, {"bot", isText}, {"conversation", isText}, {"number", isNumber}, {"name", isText},
			{"reference", isJSON}, {"value", isJSON}, {"started_once", isText}, {"completed_once", isText}, {"started_at", isTime},
			{"completed_at", isTime}, {"progress", isText}, {"progress_percent", isNumber},
		},
		sql: `SELECT j.number, j.tenant_id, j.channel_id, j.bot_id, j.conversation_id, j.number, j.name, j.reference, j.value, j.started_once,
			j.completed_once, j.started_at, j.completed_at, j.progress_text, j.progress_percent
			FROM jobs j WHERE j.app_id = $1 AND j.number > $2 ORDER BY j.number LIMIT $3`,
		only: func(r Row) bool {
			return o.in(r.Text(1), r.Text(2), r.Text(4)) ||
				r.Text(2) == string(e.Channel) && (o.names.mentioned(r.Bytes(7)) || o.names.mentioned(r.Bytes(8)))
		},
	}, yield)
}

func (b Books) exportSchedules(ctx context.Context, e privacy.Entry, yield func(privacy.Record) error) error {
	o, err := b.own(ctx, e)
	if err != nil {
		return err
	}
	return b.walkThrough(ctx, source{
		record: "schedule", args: []any{e.AppID},
		columns: []column{
			{"schedule", isSchedule}, {"name", isText}, {"idempotency_key", isText}, {"rule", isJSON}, {"notification", isJSON},
			{"created_at", isTime}, {"updated_at", isTime},
		},
		sql: `SELECT s.id, s.id, s.name, s.idem_key, s.rule, t.template, s.created_at, s.updated_at FROM schedules s
			JOIN schedule_templates t ON t.id = s.id WHERE s.app_id = $1 AND s.id > $2 ORDER BY s.id LIMIT $3`,
		only: func(r Row) bool { return o.addressed(r.Bytes(5), e.ExternalID) },
	}, yield)
}

func (b Books) exportEvents(ctx context.Context, e privacy.Entry, yield func(privacy.Record) error) error {
	o, err := b.own(ctx, e)
	if err != nil {
		return err
	}
	return b.walkThrough(ctx, source{
		record: "event", args: []any{e.AppID},
		columns: []column{{"event", isEventID}, {"type", isEvent}, {"at", isTime}, {"data", isJSON}},
		sql: `SELECT e.id, e.id, e.type, e.at, e.data, e.conversation FROM events e WHERE e.app_id = $1 AND e.id > $2
			ORDER BY e.id LIMIT $3`,
		only: func(r Row) bool { return o.rows[r.Int(5)] || o.told(r.Bytes(4)) },
	}, yield)
}
