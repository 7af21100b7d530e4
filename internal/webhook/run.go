package webhook

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/backoff"
	"github.com/headsup-bot/headsup/internal/event"
)

// schedule is how long at most to wait after each failure of an event (Standard Webhooks, "Deliverability and
// reliability"); the wait is a random part of it. The last one goes on until the event is too old.
var schedule = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
	20 * time.Hour, 24 * time.Hour,
}

// shortestWait is how long at least.
const shortestWait = time.Second

// waitAfter is how long to wait after an event's n-th failure, n counting from 1.
func waitAfter(n int) time.Duration {
	limit := schedule[min(n, len(schedule))-1]
	return shortestWait + rand.N(limit-shortestWait)
}

// pause is how long to wait when nobody is there.
var pause = backoff.Policy{Base: time.Second, Min: 500 * time.Millisecond, Max: 5 * time.Minute}

const (
	// atOnce is how many events are taken in hand at once for one webhook.
	atOnce = 64
	// lookAgain is how often those that post look by themselves, and wait after an error of the store.
	lookAgain = 30 * time.Second
	onError   = time.Second
	// tidyEvery is how often old events are forgotten.
	tidyEvery = time.Minute
)

// Run posts until ctx ends, then lets requests that are on their way finish, which takes no longer than Timeout, and
// returns nil. Run it once.
func (s *Service) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(func() { s.tidy(ctx) })
	parts.Go(func() { s.relay(ctx) })
	running := make(map[event.WebhookID]bool)
	var mu sync.Mutex
	for ctx.Err() == nil {
		all, err := s.cfg.Store.Webhooks(ctx, s.cfg.AppID)
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.ErrorContext(ctx, "webhooks not read", "error", err.Error())
			s.nudge()
			sleep(ctx, onError)
			continue
		}
		for _, w := range all {
			mu.Lock()
			if !running[w.ID] {
				running[w.ID] = true
				parts.Go(func() {
					s.serve(ctx, w.ID)
					mu.Lock()
					defer mu.Unlock()
					delete(running, w.ID)
				})
			}
			mu.Unlock()
		}
		select {
		case <-s.changed:
		case <-s.otherNodes():
		case <-ctx.Done():
		}
	}
	parts.Wait()
	s.client.CloseIdleConnections()
	return nil
}

// relay tells everybody who watches what the store tells one.
func (s *Service) relay(ctx context.Context) {
	for {
		select {
		case <-s.cfg.Store.EventNews():
			s.tell()
		case <-ctx.Done():
			return
		}
	}
}

// tidy forgets old events.
func (s *Service) tidy(ctx context.Context) {
	for ctx.Err() == nil {
		now := s.cfg.Now()
		more, err := s.cfg.Store.DropEvents(ctx, now.Add(-s.cfg.Retention), now)
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "old events stay", "error", err.Error())
		}
		if !more || err != nil {
			sleep(ctx, tidyEvery)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// serve posts to one webhook until ctx ends or the webhook is gone.
func (s *Service) serve(ctx context.Context, id event.WebhookID) {
	news, stop := s.Watch()
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.leave(ctx, id)
			return
		case <-news:
		case <-timer.C:
		}
		wait, err := s.turn(ctx, id)
		switch {
		case errors.Is(err, event.ErrNotFound):
			return
		case err != nil:
			if ctx.Err() == nil {
				s.cfg.Logger.ErrorContext(ctx, "webhook not served", "webhook_id", id.String(), "error", err.Error())
			}
			wait = onError
		}
		timer.Reset(wait)
	}
}

// round posts what there is for a webhook now, and returns when to look again unless there is news before.
func (s *Service) round(ctx context.Context, id event.WebhookID) (wait time.Duration, err error) {
	w, err := s.Webhook(ctx, id)
	if err != nil {
		return 0, err
	}
	now := s.cfg.Now()
	limit := atOnce
	switch {
	case w.Disabled != "":
		return lookAgain, nil
	case w.NotBefore.After(now):
		return min(lookAgain, w.NotBefore.Sub(now)), nil
	case w.Away > 0:
		limit = 1 // to see whether anybody is there again
	}
	work, err := s.cfg.Store.Work(ctx, id, now, limit)
	if err != nil {
		return 0, err
	}
	all, err := s.postAll(ctx, &w, work)
	switch {
	case err != nil:
		return 0, err
	case all && work.Through > w.Cursor:
		return 0, s.cfg.Store.Advance(context.WithoutCancel(ctx), id, work.Through)
	case len(work.Again)+len(work.Fresh) > 0:
		return 0, nil
	case !work.Next.IsZero():
		return min(lookAgain, max(0, work.Next.Sub(now))), nil
	}
	return lookAgain, nil
}

// postAll posts what there is, conversations side by side, and reports whether every event has had its attempt. It stops
// early when nobody is there, or ctx ends.
func (s *Service) postAll(ctx context.Context, w *event.Webhook, work event.Work) (all bool, err error) {
	queues := byConversation(work)
	if len(queues) == 0 {
		return true, nil
	}
	going, stop := context.WithCancel(ctx)
	defer stop()
	todo := make(chan []event.Post)
	results := make(chan error, len(queues))
	var posters sync.WaitGroup
	for range min(s.cfg.Parallel, len(queues)) {
		posters.Go(func() {
			for queue := range todo {
				results <- s.postQueue(going, stop, w, queue)
			}
		})
	}
	for _, queue := range queues {
		todo <- queue
	}
	close(todo)
	posters.Wait()
	close(results)
	for one := range results {
		err = errors.Join(err, one)
	}
	return err == nil && going.Err() == nil, err
}

// byConversation makes a queue for each conversation, in the order in which they come first. Events of no conversation
// that is known have a queue each.
func byConversation(work event.Work) (queues [][]event.Post) {
	place := make(map[book.Row]int)
	posts := work.Again
	for _, e := range work.Fresh {
		posts = append(posts, event.Post{Event: e})
	}
	for _, p := range posts {
		i, known := place[p.Event.Conversation]
		if !known || p.Event.Conversation == 0 {
			i = len(queues)
			place[p.Event.Conversation] = i
			queues = append(queues, nil)
		}
		queues[i] = append(queues[i], p)
	}
	return queues
}

// postQueue posts events one after another, until nobody is there; then it calls stop.
func (s *Service) postQueue(ctx context.Context, stop func(), w *event.Webhook, queue []event.Post) error {
	work := context.WithoutCancel(ctx) // what has begun is finished and recorded
	for _, p := range queue {
		if ctx.Err() != nil {
			return nil
		}
		body, err := p.Event.JSON()
		if err != nil {
			return err
		}
		a := s.post(work, w, p.Event.ID.String(), body)
		o := s.outcome(w, &p, a)
		if err := s.cfg.Store.RecordPost(work, o); err != nil {
			stop()
			return err
		}
		if o.Disable != "" {
			s.cfg.Logger.WarnContext(ctx, "webhook disabled", "webhook_id", w.ID.String(), "reason", o.Disable)
		}
		if o.Away || o.Disable != "" {
			stop()
		}
	}
	return nil
}

// outcome says what an answer means for its post and its webhook.
func (s *Service) outcome(w *event.Webhook, p *event.Post, a answer) event.Outcome {
	o := event.Outcome{Webhook: w.ID, Event: p.Event.ID, Attempt: a.Attempt}
	if a.Error == "" {
		return o
	}
	now := s.cfg.Now()
	o.NextAt = now.Add(max(waitAfter(p.Tries+1), a.retryAfter))
	if o.Away = a.away(); o.Away {
		o.NotBefore = now.Add(max(pause.Wait(w.Away+1), a.retryAfter))
	} else if a.retryAfter > 0 {
		o.NotBefore = now.Add(a.retryAfter)
	}
	switch {
	case a.Error == wrongGone:
		o.Disable = event.Gone
	case !w.FailingSince.IsZero() && now.Sub(w.FailingSince) >= s.cfg.DisableAfter:
		o.Disable = event.Failing
	}
	return o
}
