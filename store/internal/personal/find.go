package personal

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/privacy"
)

func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }

// Books reads what is kept of people.
type Books struct {
	Reader
	Dialect
}

const entryColumns = `SELECT p.id, p.tenant_id, p.channel_id, p.user_id, p.name, p.aad_object_id, p.upn, p.email, p.external_id,
	p.app_id = $1, p.human FROM people p WHERE `

// People is what [privacy.Store] says. Keys are looked up without the app, so that their indexes are taken; a process has
// one.
func (b Books) People(ctx context.Context, w privacy.Who) (found []privacy.Entry, err error) {
	where, key := "", ""
	switch {
	case w.User != "":
		where, key = "p.user_id = $2 AND p.app_id = $1", string(w.User)
	case w.ExternalID != "":
		where, key = "p.external_id = $2", w.ExternalID
	case w.ObjectID != "":
		where, key = "p.aad_object_id = $2", book.Fold(w.ObjectID)
	case w.UPN != "":
		where, key = "p.upn = $2", book.Fold(w.UPN)
	default:
		where, key = "p.email = $2", book.Fold(w.Email)
	}
	seen, embedded := make(map[privacy.Entry]bool), false // entries without what is not their key
	add := func(e privacy.Entry) {
		bare := privacy.Entry{Tenant: e.Tenant, Channel: e.Channel, User: e.User}
		fits := (w.Channel == "" || w.Channel == e.Channel) && (w.Tenant == "" || w.Tenant == e.Tenant)
		if fits && !seen[bare] {
			seen[bare] = true
			embedded = embedded || e.Channel == activity.ChannelDirectLine
			e.AppID = w.AppID
			found = append(found, e)
		}
	}
	humans := make(map[int64]bool)
	look := func(where string, key any) error {
		return b.Each(ctx, func(r Row) error {
			if !r.Bool(9) {
				return nil
			}
			if !r.Null(10) {
				humans[r.Int(10)] = true
			}
			add(privacy.Entry{
				Row: r.Int(0), Tenant: activity.TenantID(r.Text(1)), Channel: activity.ChannelID(r.Text(2)),
				User: activity.AccountID(r.Text(3)), Name: r.Text(4), ObjectID: r.Text(5), UPN: r.Text(6), Email: r.Text(7),
				ExternalID: r.Text(8),
			})
			return nil
		}, entryColumns+where+" ORDER BY p.id LIMIT $3", w.AppID, key, int64(privacy.MaxEntries+1))
	}
	if err := look(where, key); err != nil {
		return nil, err
	}
	for _, human := range slices.Sorted(maps.Keys(humans)) { // who was merged is one human
		if err := look("p.human = $2", human); err != nil {
			return nil, err
		}
	}
	if w.User != "" {
		if err := b.removed(ctx, w, add); err != nil {
			return nil, err
		}
		if known, err := b.embedded(ctx, w); err != nil {
			return nil, err
		} else if known && !embedded {
			add(privacy.Entry{Channel: activity.ChannelDirectLine, User: w.User})
		}
	}
	if len(found) > privacy.MaxEntries {
		return nil, privacy.ErrTooMany
	}
	return found, nil
}

// removed finds those whom only conversations that were removed from the book know.
func (b Books) removed(ctx context.Context, w privacy.Who, add func(privacy.Entry)) error {
	return b.Each(ctx, func(r Row) error {
		add(privacy.Entry{Tenant: activity.TenantID(r.Text(0)), Channel: activity.ChannelID(r.Text(1)), User: w.User})
		return nil
	}, `SELECT DISTINCT f.tenant_id, f.channel_id FROM forgotten f WHERE f.app_id = $1 AND f.user_id = $2 LIMIT $3`,
		w.AppID, string(w.User), int64(privacy.MaxEntries+1))
}

// embedded reports whether somebody is known to the embedded channel, where they may never have said anything.
func (b Books) embedded(ctx context.Context, w privacy.Who) (known bool, err error) {
	_, err = one(ctx, b, func(r Row) { known = r.Bool(0) }, `SELECT EXISTS (
			SELECT 1 FROM dl_conversations c WHERE c.app_id = $1 AND c.user_id = $2)
		OR EXISTS (SELECT 1 FROM dl_members m JOIN dl_conversations c ON c.number = m.conversation
			WHERE m.user_id = $2 AND c.app_id = $1)`, w.AppID, string(w.User))
	return known, err
}
