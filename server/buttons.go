package server

import (
	"context"
	"net/netip"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/proactive"
)

// tellPressed tells webhooks and the event stream of a button, if anybody wants to know. It commits with the turn.
func (s *Server) tellPressed(_ context.Context, t *headsup.Turn, p proactive.Press) (bool, error) {
	if !s.store.Wanted(t.Key().AppID, event.CardAction) {
		return false, nil
	}
	data := event.ActionData(t)
	data.Name, data.Value = p.Name, []byte(p.Value)
	data.Notification, data.Delivery, data.Topic = string(p.Notification), p.Delivery, p.Topic
	t.Stage(event.Acted{Action: data, At: time.Now()})
	return true, nil
}

// buttonRefused counts what came back and should not have. What was pressed twice, or too late, is nobody's fault.
func (s *Server) buttonRefused(reason string) {
	switch reason {
	case "forged", "malformed", "other_person", "other_conversation", "other_purpose":
	default:
		return
	}
	s.audit.Refused(audit.ButtonRefused, reason, audit.Nobody, netip.Addr{})
	s.metrics.Refused("button")
}
