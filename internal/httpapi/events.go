package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/webhook"
)

type eventsRequest struct {
	Types       []string `query:"types" maxItems:"16" enum:"message.received,notification.delivered,notification.failed,notification.unknown,notification.expired,notification.suppressed,notification.cancelled,notification.answered,delivery.arrived,delivery.bounced,delivery.read,delivery.reacted,delivery.clicked,card.action,preferences.changed" doc:"Which types, separated by commas. All, if not given."`
	LastEventID string   `header:"Last-Event-ID" maxLength:"64" doc:"The id of the last event that was received: the stream goes on after it, as far as events are kept. Now, if not given." example:"evt_0zk3v9q2m7r4x"`
}

const (
	// mostReaders bounds streams that are open at once.
	mostReaders = 100
	// aliveEvery is how often a reader who is told nothing is told that.
	aliveEvery = 15 * time.Second
	// checkEvery is how often a reader's key is looked at: one that was revoked is good for nothing 5 s later.
	checkEvery = 4 * time.Second
	// wantEvery is how often events are asked for anew while somebody reads.
	wantEvery = webhook.WantFor / 4
)

func (s *service) events(a huma.API) {
	register(s, a, huma.Operation{
		OperationID: "stream-events", Method: http.MethodGet, Path: "/v1/events",
		Summary: "Follow events",
		Description: "Tells events as they happen, as server-sent events: id is the event's id, event its type, data the event as JSON. " +
			"Reading makes them being written down, and so for 10 minutes after, for a reader who was cut off and comes back with Last-Event-ID.",
		Tags:     []string{"events"},
		Security: needs(access.Read),
		Errors:   []int{422, 503},
		Responses: map[string]*huma.Response{"200": {
			Description: "A stream that does not end.",
			Content: map[string]*huma.MediaType{"text/event-stream": {
				Schema: &huma.Schema{Type: huma.TypeString}, Example: "id: evt_0zk3v9q2m7r4x\nevent: notification.delivered\ndata: {…}\n\n",
			}},
		}},
	}, s.streamEvents)
}

func (s *service) streamEvents(ctx context.Context, r *eventsRequest) (*huma.StreamResponse, error) {
	types, err := event.ParseTypes(r.Types)
	if err != nil {
		return nil, invalid("query.types", err.Error())
	}
	var after event.ID
	if r.LastEventID != "" {
		if after, err = event.ParseID(r.LastEventID); err != nil {
			return nil, invalid("header.Last-Event-ID", "is not an id of an event")
		}
	}
	if s.readers.Add(1) > mostReaders {
		s.readers.Add(-1)
		return nil, huma.ErrorWithHeaders(
			newProblem(http.StatusServiceUnavailable, api.CodeUnavailable, "too many streams are open; try again"),
			http.Header{"Retry-After": {"5"}})
	}
	// Whatever happens from here on is written down.
	if err := s.hooks(ctx).Want(ctx, types); err != nil {
		s.readers.Add(-1)
		return nil, s.problemOf(ctx, err)
	}
	if after == 0 {
		if after, err = s.hooks(ctx).Last(ctx); err != nil {
			s.readers.Add(-1)
			return nil, s.problemOf(ctx, err)
		}
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer s.readers.Add(-1)
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method == http.MethodGet { // the pattern takes HEAD too, which asks for nothing more
			s.stream(ctx, w, types, after)
		}
	}}, nil
}

// stream writes events until the reader is gone or the server closes.
func (s *service) stream(ctx context.Context, w http.ResponseWriter, types []event.Type, after event.ID) {
	news, stop := s.hooks(ctx).Watch()
	defer stop()
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // where it cannot be set there is none
	// The id is taken by readers though there is no event yet, so that one who is cut off before the first loses none.
	if _, err := fmt.Fprintf(w, "retry: 1000\nid: %s\n\n", after); err != nil {
		return
	}
	alive, want, check := time.NewTicker(aliveEvery), time.NewTicker(wantEvery), time.NewTicker(checkEvery)
	defer alive.Stop()
	defer want.Stop()
	defer check.Stop()
	for {
		next, err := s.writeEvents(ctx, w, types, after)
		if err != nil || control.Flush() != nil {
			return
		}
		if next > after {
			after = next
			continue
		}
		select {
		case <-news:
		case <-alive.C:
			_, err = io.WriteString(w, ": alive\n\n")
		case <-want.C:
			err = s.hooks(ctx).Want(ctx, types)
		case <-check.C:
			if !s.welcome(ctx) {
				return
			}
		case <-s.cfg.Closing:
			return
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// welcome reports whether the reader's key is good still.
func (s *service) welcome(ctx context.Context) bool {
	who := access.FromContext(ctx)
	if who.KeyID == "" {
		return true
	}
	key, err := s.cfg.Keys.Key(ctx, who.KeyID)
	return err == nil && key.Active(s.cfg.Keys.Now())
}

// writeEvents writes some events after one, and returns how far it has come.
func (s *service) writeEvents(ctx context.Context, w io.Writer, types []event.Type, after event.ID) (event.ID, error) {
	found, through, err := s.hooks(ctx).Read(ctx, types, after)
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "events not read", "error", err.Error())
		return after, err
	}
	for i := range found {
		raw, err := found[i].JSON()
		if err != nil {
			return after, err
		}
		if _, err := fmt.Fprintf(w, "id: %s\nevent: %s\ndata: %s\n\n", found[i].ID, found[i].Type, raw); err != nil {
			return after, err
		}
	}
	return through, nil
}
