// Package bottest helps to test bots: [Recorder] is a channel that keeps what a bot says, without a network; [Chat] is a person
// who talks with it; [FaultStore] and [FaultTransport] fail now and then, by a seed. The package fakechannel below it is a channel over real HTTP.
//
//	ch := &bottest.Recorder{}
//	bot, err := headsup.New(headsup.Config{Channel: ch, Turns: memory.New(), …}, handler)
//	…
//	ch.Texts("conversation-id") // what was said there
package bottest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// Recorder is a [headsup.Channel] that keeps what is sent. Safe for concurrent use; the zero value is ready.
type Recorder struct {
	// Fail, if set before use, is asked before every send; an error is what the bot gets, and nothing is kept.
	Fail func(ctx context.Context, out headsup.Outgoing) error

	// Once makes it a channel that keeps a send whose key it has seen before only once, and opens one conversation for a key.
	// Set it before use.
	Once bool

	mu      sync.Mutex
	sent    []headsup.Outgoing
	created int
	opened  map[string]activity.ConversationID // by key
	news    chan struct{}
}

// Send implements [headsup.Channel].
func (r *Recorder) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	if r.Fail != nil {
		if err := r.Fail(ctx, out); err != nil {
			return activity.ResourceResponse{}, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Once && out.Key != "" {
		if i := slices.IndexFunc(r.sent, func(o headsup.Outgoing) bool { return o.Key == out.Key }); i >= 0 {
			return activity.ResourceResponse{ID: activity.ID(fmt.Sprint("sent-", i+1))}, nil
		}
	}
	out.Activity = out.Activity.Clone()
	r.sent = append(r.sent, out)
	r.changed()
	return activity.ResourceResponse{ID: activity.ID(fmt.Sprint("sent-", len(r.sent)))}, nil
}

// Update implements [headsup.Channel]: it replaces the activity that Send gave that id.
func (r *Recorder) Update(_ context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.find(out.Activity.ID)
	if err != nil {
		return activity.ResourceResponse{}, err
	}
	r.sent[i].Activity = out.Activity.Clone()
	r.changed()
	return activity.ResourceResponse{ID: out.Activity.ID}, nil
}

// Delete implements [headsup.Channel]: what was sent becomes an empty activity.
func (r *Recorder) Delete(_ context.Context, _ activity.Reference, id activity.ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.find(id)
	if err != nil {
		return err
	}
	r.sent[i].Activity = &activity.Activity{}
	r.changed()
	return nil
}

// changed wakes those who await something. r.mu is held.
func (r *Recorder) changed() {
	if r.news != nil {
		close(r.news)
		r.news = nil
	}
}

// find returns the index of a sent activity. r.mu is held.
func (r *Recorder) find(id activity.ID) (int, error) {
	var n int
	if _, err := fmt.Sscanf(string(id), "sent-%d", &n); err != nil || n < 1 || n > len(r.sent) {
		return 0, &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "not_found"}
	}
	return n - 1, nil
}

// Create implements [headsup.Channel].
func (r *Recorder) Create(_ context.Context, c headsup.Creation) (activity.ConversationResource, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, again := r.opened[c.Key]; again && r.Once && c.Key != "" {
		return activity.ConversationResource{ID: id}, nil
	}
	r.created++
	id := activity.ConversationID(fmt.Sprint("created-", r.created))
	if r.opened == nil {
		r.opened = make(map[string]activity.ConversationID)
	}
	r.opened[c.Key] = id
	return activity.ConversationResource{ID: id}, nil
}

// Capabilities implements [headsup.Channel].
func (r *Recorder) Capabilities(activity.Reference) headsup.Capabilities {
	return headsup.Capabilities{Update: true, Delete: true, Create: true, Once: r.Once}
}

// Sent returns everything that was sent, oldest first.
func (r *Recorder) Sent() []headsup.Outgoing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// Texts returns the texts of the messages sent to a conversation, oldest first.
func (r *Recorder) Texts(conversation activity.ConversationID) []string {
	var texts []string
	for _, out := range r.Sent() {
		if out.Reference.Conversation.ID == conversation && out.Activity.Type == activity.TypeMessage {
			texts = append(texts, out.Activity.Text)
		}
	}
	return texts
}

// Await waits until ok holds for what was sent, or ctx ends, and reports which.
func (r *Recorder) Await(ctx context.Context, ok func([]headsup.Outgoing) bool) bool {
	for {
		r.mu.Lock()
		if ok(r.sent) {
			r.mu.Unlock()
			return true
		}
		if r.news == nil {
			r.news = make(chan struct{})
		}
		news := r.news
		r.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return false
		}
	}
}
