package memory

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// teller is for whom it is counted: a person, or a conversation with nobody in particular.
type teller struct {
	person       *person
	conversation book.Row
}

// telling is that something was said.
type telling struct {
	topic string
	at    time.Time
}

// Count implements [outbox.Store].
func (s *Store) Count(_ context.Context, c outbox.Counting) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.book.row(c.Conversation)
	if !known {
		return false, book.ErrNotFound
	}
	own := tellerIn(e)
	all := []teller{own}
	if who := own.person; who != nil {
		all = nil
		for _, p := range s.book.merged(e.Key.AppID, who) {
			all = append(all, teller{person: p})
		}
	}
	total, ofTopic := 0, 0
	for _, who := range all {
		for id, said := range s.queue.told[who] {
			switch {
			case said.at.Before(c.Since):
				delete(s.queue.told[who], id)
			case id == c.Delivery:
			default:
				total++
				if said.topic == c.Topic {
					ofTopic++
				}
			}
		}
	}
	if !c.Cap.Within(total, ofTopic) {
		return false, nil
	}
	if s.queue.told[own] == nil {
		s.queue.told[own] = make(map[outbox.DeliveryID]telling)
	}
	s.queue.told[own][c.Delivery] = telling{c.Topic, c.At}
	return true, nil
}

// Uncount implements [outbox.Store].
func (s *Store) Uncount(_ context.Context, id outbox.DeliveryID, in book.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, known := s.book.row(in); known {
		delete(s.queue.told[tellerIn(e)], id)
	}
	return nil
}

// tellerIn is for whom it is counted in a conversation.
func tellerIn(e *entry) teller {
	if who := e.people[e.Person()]; who != nil {
		return teller{person: who}
	}
	return teller{conversation: e.Row}
}
