package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

// lineNews is what this node has heard from others about the embedded channel.
type lineNews struct{ told chan []byte }

// mostTold bounds what waits for a channel that is slow to hear. What has no room it finds when it looks.
const mostTold = 1000

func newLineNews() *lineNews { return &lineNews{told: make(chan []byte, mostTold)} }

func (l *lineNews) heard(body string) {
	select {
	case l.told <- []byte(body):
	default:
	}
}

// Tell implements [directline.Shared].
func (s *Store) Tell(message []byte) { s.bus.tell(topicLine, string(message)) }

// Told implements [directline.Shared].
func (s *Store) Told() <-chan []byte { return s.lines.told }

// TakeStream implements [directline.Shared].
func (s *Store) TakeStream(
	ctx context.Context, id activity.ConversationID, session, credential string, until time.Time,
) (number int64, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		err := t.QueryRow(ctx, `INSERT INTO dl_streams (credential, conversation_id, session, until) VALUES ($1, $2, $3, $4)
			ON CONFLICT (credential) DO NOTHING RETURNING number`, credential, id, session, exact(until)).Scan(&number)
		if notThere(err) {
			err = directline.ErrSpent
		}
		return err
	})
	return number, err
}

// Standings implements [directline.Shared].
func (s *Store) Standings(ctx context.Context, of []directline.Stream) (map[int64]directline.Standing, error) {
	found := make(map[int64]directline.Standing, len(of))
	numbers, conversations := make([]int64, len(of)), make([]string, len(of))
	sessions, users := make([]string, len(of)), make([]string, len(of))
	for i, one := range of {
		numbers[i], conversations[i], sessions[i], users[i] = one.Number, string(one.Conversation), one.Session, string(one.User)
	}
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		clear(found)
		rows, err := q.Query(ctx, `SELECT i.number, c.last, c.ended,
				EXISTS (SELECT 1 FROM dl_streams s
					WHERE s.conversation_id = i.conversation AND s.session = i.session AND s.number > i.number),
				c.kind IN ('group', 'channel') AND i.person <> ''
					AND NOT EXISTS (SELECT 1 FROM dl_members m WHERE m.conversation = c.number AND m.user_id = i.person)
			FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) i (number, conversation, session, person)
			JOIN dl_conversations c ON c.conversation_id = i.conversation`, numbers, conversations, sessions, users)
		if err != nil {
			return err
		}
		var number int64
		var st directline.Standing
		_, err = pgx.ForEachRow(rows, []any{&number, &st.Last, &st.Ended, &st.Replaced, &st.Removed}, func() error {
			found[number] = st
			return nil
		})
		return err
	})
	return found, err
}

const (
	// keepStreams is how long it is known which stream of a client is the last, after its URL could be opened.
	keepStreams = time.Hour
	dropEvery   = time.Minute
	dropStreams = 1000
)

// forgetStreams deletes what is known of old streams, until the store closes.
func (s *Store) forgetStreams(ctx context.Context) {
	tick := time.NewTicker(dropEvery)
	defer tick.Stop()
	for {
		for more := true; more; {
			err := s.write(ctx, func(ctx context.Context, t *tx) error {
				tag, err := t.Exec(ctx, `DELETE FROM dl_streams WHERE credential IN (
					SELECT credential FROM dl_streams WHERE until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`,
					s.cfg.Now().Add(-keepStreams), dropStreams)
				more = tag.RowsAffected() == dropStreams
				return err
			})
			if err != nil {
				more = false
				if ctx.Err() == nil {
					s.cfg.Logger.WarnContext(ctx, "old streams stay", "error", err.Error())
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
