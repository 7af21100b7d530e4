package memory

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

type lineTables struct {
	conversations map[activity.ConversationID]*line
	opened        []*line
	attachments   map[string]directline.Attachment
}

// line is a conversation of the embedded channel.
type line struct {
	directline.Conversation
	history []directline.Stored // number n is at n-1
	keys    map[string]int64
}

func newLineTables() lineTables {
	return lineTables{
		conversations: make(map[activity.ConversationID]*line),
		attachments:   make(map[string]directline.Attachment),
	}
}

func (l *line) copy() directline.Conversation {
	c := l.Conversation
	c.User = *c.User.Clone()
	c.Members = cloneAccounts(c.Members)
	return c
}

func cloneAccounts(accounts []activity.ChannelAccount) []activity.ChannelAccount {
	var out []activity.ChannelAccount
	for _, a := range accounts {
		out = append(out, *a.Clone())
	}
	return out
}

func (l *line) has(user activity.AccountID) bool {
	return slices.ContainsFunc(l.Members, func(m activity.ChannelAccount) bool { return m.ID == user })
}

// with reports whether somebody takes part.
func (l *line) with(user activity.AccountID) bool {
	if l.Kind == directline.KindGroup || l.Kind == directline.KindChannel {
		return l.has(user)
	}
	return l.User.ID == user
}

// find returns a conversation. s.mu is held.
func (s *Store) find(id activity.ConversationID) (*line, error) {
	l, known := s.line.conversations[id]
	if !known {
		return nil, directline.ErrNotFound
	}
	return l, nil
}

// OpenConversation implements [directline.Store].
func (s *Store) OpenConversation(_ context.Context, c directline.Conversation) (directline.Conversation, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, known := s.line.conversations[c.ID]; known {
		return l.copy(), false, nil
	}
	c.User, c.Members = *c.User.Clone(), cloneAccounts(c.Members)
	l := &line{Conversation: c, keys: make(map[string]int64)}
	s.line.conversations[c.ID] = l
	s.line.opened = append(s.line.opened, l)
	return l.copy(), true, nil
}

// DirectLineConversation implements [directline.Store].
func (s *Store) DirectLineConversation(
	_ context.Context, id activity.ConversationID,
) (directline.Conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil {
		return directline.Conversation{}, err
	}
	return l.copy(), nil
}

// DirectLineConversations implements [directline.Store].
func (s *Store) DirectLineConversations(
	_ context.Context, appID string, user activity.AccountID, limit int,
) ([]directline.Conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []directline.Conversation
	for _, l := range s.line.opened {
		if l.AppID == appID && (user == "" || l.with(user)) {
			found = append(found, l.copy())
		}
	}
	slices.SortStableFunc(found, func(a, b directline.Conversation) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return found[:min(limit, len(found))], nil
}

// NameUser implements [directline.Store].
func (s *Store) NameUser(_ context.Context, id activity.ConversationID, user activity.ChannelAccount) (directline.Conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil {
		return directline.Conversation{}, err
	}
	if personal := l.Kind == "" || l.Kind == directline.KindPersonal; personal && l.User.ID == "" && !l.Started {
		l.User = *user.Clone()
	}
	return l.copy(), nil
}

// StartConversation implements [directline.Store].
func (s *Store) StartConversation(_ context.Context, id activity.ConversationID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil {
		return false, err
	}
	if l.Ended {
		return false, directline.ErrEnded
	}
	first := !l.Started
	l.Started = true
	return first, nil
}

// EndConversation implements [directline.Store].
func (s *Store) EndConversation(_ context.Context, id activity.ConversationID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil {
		return err
	}
	l.Ended = true
	return nil
}

// AddMembers implements [directline.Store].
func (s *Store) AddMembers(
	_ context.Context, id activity.ConversationID, people []activity.ChannelAccount,
) ([]activity.ChannelAccount, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	switch {
	case err != nil:
		return nil, err
	case l.Ended:
		return nil, directline.ErrEnded
	}
	var added []activity.ChannelAccount
	for _, p := range people {
		if !l.has(p.ID) {
			l.Members = append(l.Members, *p.Clone())
			added = append(added, *p.Clone())
		}
	}
	return added, nil
}

// RemoveMember implements [directline.Store].
func (s *Store) RemoveMember(_ context.Context, id activity.ConversationID, user activity.AccountID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil || !l.has(user) {
		return false, err
	}
	l.Members = slices.DeleteFunc(l.Members, func(m activity.ChannelAccount) bool { return m.ID == user })
	return true, nil
}

// RenameUser implements [directline.Store].
func (s *Store) RenameUser(_ context.Context, appID string, user activity.AccountID, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.line.opened {
		if l.AppID != appID {
			continue
		}
		if l.User.ID == user {
			l.User.Name = name
		}
		for i := range l.Members {
			if l.Members[i].ID == user {
				l.Members[i].Name = name
			}
		}
	}
	return nil
}

// SetInstalled implements [directline.Store].
func (s *Store) SetInstalled(_ context.Context, id activity.ConversationID, installed bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	switch {
	case err != nil:
		return false, err
	case l.Ended:
		return false, directline.ErrEnded
	}
	changed := l.Uninstalled == installed
	l.Uninstalled = !installed
	return changed, nil
}

// Append implements [directline.Store].
func (s *Store) Append(
	_ context.Context, id activity.ConversationID, key string, body jsontext.Value, _ time.Time,
) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil {
		return 0, false, err
	}
	if seq, used := l.keys[key]; used {
		return seq, false, nil
	}
	if l.Ended {
		return 0, false, directline.ErrEnded
	}
	seq := int64(len(l.history) + 1)
	l.history = append(l.history, directline.Stored{Seq: seq, Body: slices.Clone(body)})
	if key != "" {
		l.keys[key] = seq
	}
	return seq, true, nil
}

// Replace implements [directline.Store].
func (s *Store) Replace(
	_ context.Context, id activity.ConversationID, seq int64, body jsontext.Value, _ time.Time,
) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	switch {
	case err != nil:
		return 0, err
	case seq < 1 || seq > int64(len(l.history)) || l.history[seq-1].Again != 0:
		return 0, directline.ErrNotFound
	case l.Ended:
		return 0, directline.ErrEnded
	}
	l.history[seq-1].Body = slices.Clone(body)
	again := int64(len(l.history) + 1)
	l.history = append(l.history, directline.Stored{Seq: again, Again: seq})
	return again, nil
}

// History implements [directline.Store].
func (s *Store) History(
	_ context.Context, id activity.ConversationID, after int64, limit int,
) ([]directline.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, known := s.line.conversations[id]
	if !known {
		return nil, nil
	}
	rest := l.history[min(max(0, int(after)), len(l.history)):]
	found := slices.Clone(rest[:min(limit, len(rest))])
	for i := range found {
		if again := found[i].Again; again != 0 {
			found[i].Body = l.history[again-1].Body
		}
		found[i].Body = slices.Clone(found[i].Body)
	}
	return found, nil
}

// SaveAttachment implements [directline.Store].
func (s *Store) SaveAttachment(_ context.Context, a directline.Attachment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Data = slices.Clone(a.Data)
	s.line.attachments[a.ID] = a
	return nil
}

// LoadAttachment implements [directline.Store].
func (s *Store) LoadAttachment(_ context.Context, id string) (directline.Attachment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, known := s.line.attachments[id]
	if !known {
		return directline.Attachment{}, directline.ErrNotFound
	}
	a.Data = slices.Clone(a.Data)
	return a, nil
}
