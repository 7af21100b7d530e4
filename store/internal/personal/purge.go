package personal

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/internal/privacy"
)

// PurgeTranscripts is what [privacy.Store] says.
func (e Eraser) PurgeTranscripts(ctx context.Context, p privacy.TranscriptPurge) (privacy.TranscriptPurged, error) {
	switch {
	case p.After.Lines:
		return e.purgeUnused(ctx, p)
	case p.After.Files:
		return e.purgeFiles(ctx, p)
	}
	return e.purgeActivities(ctx, p)
}

func (e Eraser) purgeActivities(ctx context.Context, p privacy.TranscriptPurge) (done privacy.TranscriptPurged, err error) {
	type said struct {
		conversation, seq int64
		at                time.Time
		content, last     bool
	}
	var all []said
	if err := e.Each(ctx, func(r Row) error {
		all = append(all, said{r.Int(0), r.Int(1), r.Time(2), r.Bool(3), r.Bool(4)})
		return nil
	}, `SELECT a.conversation, a.seq, a.at, a.again IS NULL AND length(a.body) > $1,
			NOT EXISTS (SELECT 1 FROM dl_activities o WHERE o.conversation = a.conversation AND o.seq > a.seq)
		FROM dl_activities a WHERE (a.conversation, a.seq) > ($2, $3) ORDER BY a.conversation, a.seq LIMIT $4`,
		int64(len(stub)), p.After.Conversation, p.After.Seq, int64(p.Limit)); err != nil {
		return done, err
	}
	for _, a := range all {
		gone := int64(0)
		if a.at.Before(p.RecordsBefore) && !a.last { // what was said once more later lends its body to that
			if gone, err = e.Exec(ctx, `DELETE FROM dl_activities WHERE conversation = $1 AND seq = $2 AND NOT EXISTS
				(SELECT 1 FROM dl_activities o WHERE o.conversation = $1 AND o.again = $2)`, a.conversation, a.seq); err != nil {
				return done, err
			}
			done.Records += int(gone)
		}
		switch {
		case gone > 0:
		case a.content && (a.at.Before(p.ContentBefore) || a.at.Before(p.RecordsBefore)):
			done.Contents++
			_, err = e.Exec(ctx, "UPDATE dl_activities SET body = $1 WHERE conversation = $2 AND seq = $3", stub, a.conversation, a.seq)
		}
		if err != nil {
			return done, err
		}
	}
	if len(all) < p.Limit {
		done.Next = privacy.TranscriptMark{Files: true}
	} else {
		last := all[len(all)-1]
		done.Next = privacy.TranscriptMark{Conversation: last.conversation, Seq: last.seq}
	}
	return done, nil
}

func (e Eraser) purgeFiles(ctx context.Context, p privacy.TranscriptPurge) (done privacy.TranscriptPurged, err error) {
	before := p.ContentBefore
	if before.IsZero() {
		before = p.RecordsBefore
	}
	var old []string
	seen := 0
	if err := e.Each(ctx, func(r Row) error {
		seen++
		done.Next = privacy.TranscriptMark{Files: true, File: r.Text(0)}
		if r.Time(1).Before(before) {
			old = append(old, r.Text(0))
		}
		return nil
	}, "SELECT f.id, f.created_at FROM dl_attachments f WHERE f.id > $1 ORDER BY f.id LIMIT $2", p.After.File, int64(p.Limit)); err != nil {
		return done, err
	}
	for _, id := range old {
		if _, err := e.Exec(ctx, "DELETE FROM dl_attachments WHERE id = $1", id); err != nil {
			return done, err
		}
		done.Files++
	}
	if seen < p.Limit {
		done.Next = privacy.TranscriptMark{Lines: true}
	}
	return done, nil
}

// purgeUnused removes conversations that were made with a token and never used: nothing was said there, and the book does not
// know them.
func (e Eraser) purgeUnused(ctx context.Context, p privacy.TranscriptPurge) (done privacy.TranscriptPurged, err error) {
	before := p.RecordsBefore
	if before.IsZero() {
		before = p.ContentBefore
	}
	var unused []int64
	seen := 0
	if err := e.Each(ctx, func(r Row) error {
		seen++
		done.Next = privacy.TranscriptMark{Lines: true, Conversation: r.Int(0)}
		if r.Bool(1) && r.Time(2).Before(before) {
			unused = append(unused, r.Int(0))
		}
		return nil
	}, `SELECT c.number, NOT c.started AND NOT c.by_bot AND NOT c.ended AND c.kind NOT IN ('group', 'channel')
			AND NOT EXISTS (SELECT 1 FROM dl_activities a WHERE a.conversation = c.number)
			AND NOT EXISTS (SELECT 1 FROM conversations b WHERE b.app_id = c.app_id AND b.conversation_id = c.conversation_id), c.created_at
		FROM dl_conversations c WHERE c.number > $1 ORDER BY c.number LIMIT $2`, p.After.Conversation, int64(p.Limit)); err != nil {
		return done, err
	}
	for _, number := range unused {
		gone, err := e.Exec(ctx, "DELETE FROM dl_conversations WHERE number = $1 AND NOT started", number)
		if err != nil {
			return done, err
		}
		done.Unused += int(gone)
	}
	if seen < p.Limit {
		done.Next = privacy.TranscriptMark{}
	}
	return done, nil
}
