package console

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/faketeams"
)

// The paths of the playground's Teams: what the page asks for, and the service URL that the bot calls.
const (
	officePages   = "/playground/api/teams/"
	officeService = "/playground/teams/"
)

// Office is a tenant of Microsoft Teams that only pretends, with a few people, for the playground. It is made when the page first
// asks for it. Make it with [NewOffice].
type Office struct {
	url     string
	closing <-chan struct{}
	make    func() (*faketeams.Teams, error)

	mu     sync.Mutex
	made   *faketeams.Teams // guarded by mu; nil until it is asked for
	closed bool             // guarded by mu
}

// NewOffice is for a bot that takes activities without tokens at the server of that URL.
func NewOffice(url, appID, bot string, closing <-chan struct{}) *Office {
	return &Office{url: url, closing: closing, make: func() (*faketeams.Teams, error) {
		t, err := faketeams.New(faketeams.Config{
			AppID: appID, Name: bot, Messages: url + "/api/messages", Unsigned: true, URL: url + officeService[:len(officeService)-1],
			Channel: fakechannel.Config{InMemory: true},
		})
		if err != nil {
			return nil, err
		}
		t.Furnish()
		return t, nil
	}}
}

// Register adds the routes to mux.
func (o *Office) Register(mux *http.ServeMux) {
	mux.Handle(officePages, o.handle(func(t *faketeams.Teams) http.Handler {
		return http.StripPrefix(officePages[:len(officePages)-1], t.Control())
	}))
	mux.Handle(officeService, o.handle(func(t *faketeams.Teams) http.Handler {
		return http.StripPrefix(officeService[:len(officeService)-1], t.Connector())
	}))
}

// handle answers by the tenant. Who waits for a change goes when the server does.
func (o *Office) handle(part func(*faketeams.Teams) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		t, err := o.tenant()
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			reply(w, map[string]any{"error": map[string]string{"code": "unavailable", "message": err.Error()}})
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		served := make(chan struct{})
		defer close(served)
		go func() {
			defer cancel()
			select {
			case <-o.closing:
			case <-served:
			}
		}()
		part(t).ServeHTTP(w, r.WithContext(ctx))
	})
}

func (o *Office) tenant() (t *faketeams.Teams, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, errors.New("the server ends")
	}
	if o.made == nil {
		o.made, err = o.make()
	}
	return o.made, err
}

// Close ends the tenant.
func (o *Office) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.made == nil {
		return nil
	}
	return o.made.Close()
}
