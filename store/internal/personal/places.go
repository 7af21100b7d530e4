package personal

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
)

// erasePlaces erases what was said to the person's own conversations, which have left the book, and at last what is left
// of these themselves.
func (e Eraser) erasePlaces(ctx context.Context, s *step, n int) (over bool, err error) {
	places, err := placesOf(ctx, e, s.entry, 0, 1)
	if err != nil || len(places) == 0 {
		return true, err
	}
	p := places[0]
	for _, erase := range []func(context.Context, *step, place, int) (bool, error){
		e.eraseDeliveries, e.eraseAnswers, e.erasePlaceLine,
	} {
		if over, err := erase(ctx, s, p, n); err != nil || !over {
			return false, err
		}
	}
	for _, sql := range []string{
		"DELETE FROM unanswered WHERE conversation = $1", "DELETE FROM outdone WHERE conversation = $1",
		"DELETE FROM forgotten WHERE id = $1",
	} {
		if _, err := e.Exec(ctx, sql, p.row); err != nil {
			return false, err
		}
	}
	e.Forgotten(p.key.Conversation)
	s.count("conversation", 1)
	return false, nil
}

// eraseDeliveries removes deliveries to a conversation with their history, and messages that have no other.
func (e Eraser) eraseDeliveries(ctx context.Context, s *step, p place, n int) (over bool, err error) {
	all, err := e.list(ctx, func(r Row) found { return found{id: r.Int(0), other: r.Int(1)} },
		"SELECT d.id, d.message, d.state FROM finished d WHERE d.id IN ("+e.OfConversation+") ORDER BY d.message, d.id", p.row, int64(n))
	if err != nil {
		return false, err
	}
	messages := make([]int64, 0, len(all))
	for _, f := range all {
		if len(messages) == 0 || messages[len(messages)-1] != f.other {
			messages = append(messages, f.other)
		}
	}
	if len(all) == 0 {
		return true, nil
	}
	which := listed(messages)
	if lock := e.lockHard(); lock != "" { // in their order: whoever locks several does that
		if err := e.Each(ctx, func(Row) error { return nil }, "SELECT m.id FROM messages m WHERE m.id "+which.in+" ORDER BY m.id"+lock, which.ids...); err != nil {
			return false, err
		}
	}
	if err := e.eraseFinished(ctx, s, all); err != nil {
		return false, err
	}
	gone, err := e.Exec(ctx, `DELETE FROM messages WHERE id `+which.in+`
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = messages.alone)
		AND NOT EXISTS (SELECT 1 FROM finished d WHERE d.id = messages.alone)
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message = messages.id AND `+e.OneOfMany+`)
		AND NOT EXISTS (SELECT 1 FROM finished d WHERE d.message = messages.id AND `+e.OneOfMany+`)
		AND NOT EXISTS (SELECT 1 FROM spreads x WHERE x.message = messages.id)
		AND NOT EXISTS (SELECT 1 FROM sweeps x WHERE x.message = messages.id)`, which.ids...)
	if err != nil {
		return false, err
	}
	s.count("notification", gone)
	return len(all) < n, nil
}

// eraseFinished removes deliveries whose messages are locked, and counts those that are there still.
func (e Eraser) eraseFinished(ctx context.Context, s *step, all []found) error {
	ids := make([]int64, len(all))
	for i, f := range all {
		ids[i] = f.id
	}
	which := listed(ids)
	for _, table := range []string{"sends", "receipts"} {
		if _, err := e.Exec(ctx, "DELETE FROM "+table+" WHERE delivery "+which.in, which.ids...); err != nil {
			return err
		}
	}
	if err := e.Each(ctx, func(r Row) error {
		e.Count(r.Int(0), 1)
		s.count("delivery", 1)
		return nil
	}, "SELECT d.state FROM finished d WHERE d.id "+which.in+" ORDER BY d.id"+e.lockHard(), which.ids...); err != nil {
		return err
	}
	_, err := e.Exec(ctx, "DELETE FROM finished WHERE id "+which.in, which.ids...)
	return err
}

// idList is some ids, at least one, in a statement that has no other parameters: one statement in place of one for each, which
// over a network is what an erasure takes.
type idList struct {
	in  string
	ids []any
}

func listed(ids []int64) (l idList) {
	var in strings.Builder
	for i, id := range ids {
		in.WriteString(", $" + strconv.Itoa(i+1))
		l.ids = append(l.ids, id)
	}
	l.in = "IN (" + strings.TrimPrefix(in.String(), ", ") + ")"
	return l
}

// lockHard is Lock that waits.
func (e Eraser) lockHard() string {
	if e.Lock == "" {
		return ""
	}
	return " FOR UPDATE"
}

// eraseAnswers removes what inbound activities of a conversation were answered.
func (e Eraser) eraseAnswers(ctx context.Context, s *step, p place, n int) (over bool, err error) {
	gone, err := e.Exec(ctx, `DELETE FROM inbound WHERE conversation = $1 AND activity_id IN
		(SELECT i.activity_id FROM inbound i WHERE i.conversation = $1 LIMIT $2)`, e.KeyHash(p.key), int64(n))
	s.count("answer", gone)
	return gone < int64(n), err
}

// erasePlaceLine removes a conversation of the embedded channel.
func (e Eraser) erasePlaceLine(ctx context.Context, s *step, p place, n int) (over bool, err error) {
	if p.key.Channel != activity.ChannelDirectLine {
		return true, nil
	}
	number := int64(0)
	if found, err := one(ctx, e, func(r Row) { number = r.Int(0) },
		`SELECT c.number FROM dl_conversations c WHERE c.conversation_id = $1 AND c.kind NOT IN ('group', 'channel') AND c.ended`,
		string(p.key.Conversation)); err != nil || !found {
		return true, err
	}
	return e.eraseLine(ctx, s, number, string(p.key.Conversation), n)
}

func (e Eraser) eraseLine(ctx context.Context, s *step, number int64, id string, n int) (over bool, err error) {
	gone, err := e.Exec(ctx, `DELETE FROM dl_attachments WHERE id IN
		(SELECT f.id FROM dl_attachments f WHERE f.conversation_id = $1 LIMIT $2)`, id, int64(n))
	s.count("file", gone)
	if err != nil || gone == int64(n) {
		return false, err
	}
	gone, err = e.Exec(ctx, `DELETE FROM dl_activities WHERE conversation = $1 AND seq IN
		(SELECT a.seq FROM dl_activities a WHERE a.conversation = $1 ORDER BY a.seq LIMIT $2)`, number, int64(n))
	s.count("activity", gone)
	if err != nil || gone == int64(n) {
		return false, err
	}
	if e.Streams {
		if _, err := e.Exec(ctx, "DELETE FROM dl_streams WHERE conversation_id = $1", id); err != nil {
			return false, err
		}
	}
	for _, sql := range []string{"DELETE FROM dl_members WHERE conversation = $1", "DELETE FROM dl_conversations WHERE number = $1"} {
		if _, err := e.Exec(ctx, sql, number); err != nil {
			return false, err
		}
	}
	return true, nil
}

// eraseLines removes conversations of the embedded channel that the person opened and that never were in the book.
func (e Eraser) eraseLines(ctx context.Context, s *step, n int) (over bool, err error) {
	if s.entry.Channel != activity.ChannelDirectLine {
		return true, nil
	}
	number, id := int64(0), ""
	found, err := one(ctx, e, func(r Row) { number, id = r.Int(0), r.Text(1) },
		`SELECT c.number, c.conversation_id FROM dl_conversations c WHERE c.app_id = $1 AND c.user_id = $2
			AND c.kind NOT IN ('group', 'channel') AND c.ended AND c.created_at <= $3 ORDER BY c.number LIMIT 1`,
		s.entry.AppID, string(s.entry.User), s.began)
	if err != nil || !found {
		return true, err
	}
	_, err = e.eraseLine(ctx, s, number, id, n)
	return false, err
}

// stub stands where something was that a person has said to others.
var stub = []byte(`{"type":"` + string(activity.TypeMessageDelete) + `"}`)

// redactLines removes what the person has said in conversations with others, with the files in it, and them from what
// names them: members that came and went, mentions, names.
func (e Eraser) redactLines(ctx context.Context, s *step, n int) (over bool, err error) {
	if s.entry.Channel != activity.ChannelDirectLine {
		return true, nil
	}
	only := make(names)
	only.add(string(s.entry.User))
	if s.After == 0 && s.Inner == 0 {
		if err := e.redactLineOwners(ctx, s, only); err != nil {
			return false, err
		}
	}
	all, err := e.list(ctx, func(r Row) found { return found{id: r.Int(0), other: r.Int(1), raw: r.Bytes(2), flag: r.Bool(3)} },
		`SELECT a.conversation, a.seq, a.body, a.again IS NULL AND c.app_id = $1 AND NOT (c.user_id = $2 AND c.kind NOT IN ('group', 'channel'))
		FROM dl_activities a JOIN dl_conversations c ON c.number = a.conversation
		WHERE (a.conversation, a.seq) > ($3, $4) ORDER BY a.conversation, a.seq LIMIT $5`,
		s.entry.AppID, string(s.entry.User), s.After, s.Inner, int64(n))
	if err != nil {
		return false, err
	}
	for _, f := range all {
		s.After, s.Inner = f.id, f.other
		if !f.flag || !only.mentioned(f.raw) {
			continue
		}
		body := only.without(f.raw)
		if author(f.raw) == string(s.entry.User) {
			if err := e.eraseFilesIn(ctx, f.raw, f.id); err != nil {
				return false, err
			}
			body = stub
		}
		if _, err := e.Exec(ctx, "UPDATE dl_activities SET body = $1 WHERE conversation = $2 AND seq = $3", body, f.id, f.other); err != nil {
			return false, err
		}
		s.count("activity", 1)
	}
	return len(all) < n, nil
}

// redactLineOwners takes the person out of the groups that they opened or are in.
func (e Eraser) redactLineOwners(ctx context.Context, s *step, only names) error {
	if _, err := e.Exec(ctx, `DELETE FROM dl_members WHERE user_id = $1 AND conversation IN
		(SELECT c.number FROM dl_conversations c WHERE c.app_id = $2)`, string(s.entry.User), s.entry.AppID); err != nil {
		return err
	}
	all, err := e.list(ctx, func(r Row) found { return found{id: r.Int(0), raw: r.Bytes(1)} },
		"SELECT c.number, c."+e.Account+" FROM dl_conversations c WHERE c.app_id = $1 AND c.user_id = $2 AND c.kind IN ('group', 'channel')",
		s.entry.AppID, string(s.entry.User))
	if err != nil {
		return err
	}
	for _, f := range all {
		if _, err := e.Exec(ctx, "UPDATE dl_conversations SET user_id = $1, "+e.Account+" = $2 WHERE number = $3",
			Erased, only.without(f.raw), f.id); err != nil {
			return err
		}
	}
	return nil
}

// eraseFilesIn removes the files that an activity shows.
func (e Eraser) eraseFilesIn(ctx context.Context, body []byte, line int64) error {
	var a struct {
		Attachments []struct {
			ContentURL string `json:"contentUrl"`
		} `json:"attachments"`
	}
	if json.Unmarshal(body, &a) != nil {
		return nil
	}
	for _, f := range a.Attachments {
		for _, part := range pathParts(f.ContentURL) {
			if _, err := e.Exec(ctx, `DELETE FROM dl_attachments WHERE id = $1 AND conversation_id =
				(SELECT c.conversation_id FROM dl_conversations c WHERE c.number = $2)`, part, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// pathParts are the parts of a URL's path.
func pathParts(link string) []string {
	u, err := url.Parse(link)
	if err != nil {
		return nil
	}
	return strings.Split(strings.Trim(u.Path, "/"), "/")
}
