package personal

import (
	"context"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/privacy"
)

// addressed reports whether what a schedule tells goes to the person.
func (o own) addressed(template []byte, externalID string) bool {
	var t struct {
		To struct {
			Reference *struct {
				User         activity.ChannelAccount      `json:"user"`
				Conversation activity.ConversationAccount `json:"conversation"`
			} `json:"reference"`
			Conversation activity.ConversationID `json:"conversation"`
			User         activity.AccountID      `json:"user"`
			ExternalID   string                  `json:"external_id"`
			ObjectID     string                  `json:"object_id"`
			UPN          string                  `json:"upn"`
			Email        string                  `json:"email"`
			Address      string                  `json:"address"`
		} `json:"to"`
	}
	if json.Unmarshal(template, &t) != nil {
		return false
	}
	to := t.To
	if r := to.Reference; r != nil && (r.User.ID != "" && r.User.ID == o.entry.User || o.ids[r.Conversation.ID]) {
		return true
	}
	for _, key := range [...]struct{ told, known string }{
		{to.ObjectID, o.entry.ObjectID}, {to.UPN, o.entry.UPN}, {to.Email, o.entry.Email},
	} {
		if key.told != "" && book.Fold(key.told) == key.known {
			return true
		}
	}
	if _, address, found := strings.Cut(to.Address, ":"); found && book.Fold(address) == book.Fold(string(o.entry.User)) {
		return true
	}
	return to.Conversation != "" && o.ids[to.Conversation] || to.User != "" && to.User == o.entry.User || to.ExternalID != "" && to.ExternalID == externalID
}

// author is who has said something.
func author(body []byte) string {
	var a struct {
		From struct {
			ID string `json:"id"`
		} `json:"from"`
	}
	if json.Unmarshal(body, &a) != nil {
		return ""
	}
	return a.From.ID
}

var activityColumns = []column{{"conversation", isText}, {"seq", isNumber}, {"at", isTime}, {"activity", isJSON}}

// exportLine tells the transcripts of the embedded channel: personal conversations as a whole, and of others what the
// person has said there.
func (b Books) exportLine(ctx context.Context, e privacy.Entry, yield func(privacy.Record) error) error {
	if e.Channel != activity.ChannelDirectLine {
		return nil
	}
	type line struct {
		number int64
		id     string
		whole  bool
	}
	var found []line
	if err := b.Each(ctx, func(r Row) error {
		found = append(found, line{r.Int(0), r.Text(1), r.Bool(2)})
		return nil
	}, `SELECT c.number, c.conversation_id, c.user_id = $1 AND c.kind NOT IN ('group', 'channel') FROM dl_conversations c
		WHERE c.app_id = $2 AND (c.user_id = $1 OR c.number IN (SELECT m.conversation FROM dl_members m WHERE m.user_id = $1))
		ORDER BY c.number`, string(e.User), e.AppID); err != nil {
		return err
	}
	said := func(r Row) bool { return author(r.Bytes(4)) == string(e.User) }
	for _, l := range found {
		sources := []source{
			{record: "line", args: []any{l.number},
				columns: append(texts("conversation", "kind", "name", "user"), column{"account", isJSON}, column{"created_at", isTime}),
				sql: `SELECT c.number, c.conversation_id, c.kind, c.name, c.user_id, c.` + b.Account + `, c.created_at FROM dl_conversations c
					WHERE c.number = $1 AND c.number > $2 LIMIT $3`},
			{record: "line_member", args: []any{l.number, string(e.User)}, columns: []column{{"account", isJSON}},
				sql: `SELECT m.number, m.account FROM dl_members m WHERE m.conversation = $1 AND m.user_id = $2 AND m.number > $3 LIMIT $4`},
			{record: "activity", args: []any{l.number}, columns: activityColumns, limit: largePage, only: said,
				sql: `SELECT a.seq, c.conversation_id, a.seq, a.at, a.body FROM dl_activities a
					JOIN dl_conversations c ON c.number = a.conversation
					WHERE a.conversation = $1 AND a.again IS NULL AND a.seq > $2 ORDER BY a.seq LIMIT $3`},
		}
		if l.whole {
			sources[2].only = nil
		} else {
			sources[0].columns = sources[0].columns[:3]
		}
		for _, s := range sources {
			if err := b.walkThrough(ctx, s, yield); err != nil {
				return err
			}
		}
		if l.whole {
			if err := b.exportFiles(ctx, l.id, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// exportFiles tells the files of a conversation, one by one.
func (b Books) exportFiles(ctx context.Context, conversation string, yield func(privacy.Record) error) error {
	var ids []string
	if err := b.Each(ctx, func(r Row) error {
		ids = append(ids, r.Text(0))
		return nil
	}, "SELECT f.id FROM dl_attachments f WHERE f.conversation_id = $1 ORDER BY f.created_at, f.id", conversation); err != nil {
		return err
	}
	for _, id := range ids {
		if err := b.walkThrough(ctx, source{
			record: "file", args: []any{id}, limit: -1,
			columns: append(texts("file", "conversation", "name", "content_type"), column{"created_at", isTime}, column{"data", isBytes}),
			sql: `SELECT 0, f.id, f.conversation_id, f.name, f.content_type, f.created_at, f.data FROM dl_attachments f
				WHERE f.id = $1 AND 0 >= $2 AND $3 < 0`,
		}, yield); err != nil {
			return err
		}
	}
	return nil
}
