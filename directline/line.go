package directline

import (
	"context"
	"slices"
	"sync"

	"github.com/headsup-bot/headsup/activity"
)

// lines lets what is said in a conversation reach the bot in the order in which it arrived. The bot's own lease cannot
// do that: who waits for a turn to end must not have its deadline running. The zero value is ready.
type lines struct {
	mu      sync.Mutex
	waiting map[activity.ConversationID][]*place // guarded by mu; the first of each is being served
}

// place is a place in the line of a conversation.
type place struct {
	lines *lines
	id    activity.ConversationID
	turn  chan struct{} // closed when the place is the first
}

// enter takes the last place. The caller leaves it in the end.
func (l *lines) enter(id activity.ConversationID) *place {
	p := &place{lines: l, id: id, turn: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = make(map[activity.ConversationID][]*place)
	}
	l.waiting[id] = append(l.waiting[id], p)
	if len(l.waiting[id]) == 1 {
		close(p.turn)
	}
	return p
}

// wait returns when it is the caller's turn.
func (p *place) wait(ctx context.Context) error {
	select {
	case <-p.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leave lets the next one have its turn. It is called once, whether or not the turn has come.
func (p *place) leave() {
	l := p.lines
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.waiting[p.id]
	at := slices.Index(queue, p)
	queue = slices.Delete(queue, at, at+1)
	if len(queue) == 0 {
		delete(l.waiting, p.id)
		return
	}
	l.waiting[p.id] = queue
	if at == 0 {
		close(queue[0].turn)
	}
}
