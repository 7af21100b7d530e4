package httpapi

import (
	stdjson "encoding/json"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/proactive"
)

// targetOf reads to whom. That it is exactly one is for the engine to check, save that it knows no addresses of Bot Builder 3.
func targetOf(to api.Target) (headsup.Target, error) {
	t := headsup.Target{
		Conversation: activity.ConversationID(to.Conversation), User: activity.AccountID(to.User),
		ExternalID: to.ExternalID, ObjectID: to.ObjectID, UPN: to.UPN, Email: to.Email, Tag: to.Tag, Everyone: to.Everyone,
		Team: to.Team, Room: to.Channel, Thread: activity.ID(to.Thread), ReplyTo: to.ReplyTo,
	}
	switch {
	case given(to.Reference) && given(to.Address):
		return t, &proactive.FieldError{Field: "to", Reason: "name exactly one target"}
	case given(to.Reference):
		ref, err := referenceOf("to.reference", to.Reference, activity.ReadReference)
		t.Reference = ref
		return t, err
	case isURI(to.Address):
		if err := json.Unmarshal(to.Address, &t.Address); err != nil || t.Address == "" {
			return t, &proactive.FieldError{Field: "to.address", Reason: "is an empty text, or not valid UTF-8"}
		}
	case given(to.Address):
		ref, err := referenceOf("to.address", to.Address, activity.ReadAddress)
		t.Reference = ref
		return t, err
	}
	return t, nil
}

// referenceOf reads a place that the book may not know.
func referenceOf(
	field string, raw stdjson.RawMessage, read func([]byte) (activity.Reference, error),
) (*activity.Reference, error) {
	ref, err := read(raw)
	if err != nil {
		return nil, wrongIn(field, err)
	}
	if reason := serviceURLProblem(ref.ServiceURL); reason != "" {
		return nil, &proactive.FieldError{Field: field + ".serviceUrl", Reason: reason}
	}
	if ref.Bot == nil || ref.Bot.ID == "" {
		return nil, &proactive.FieldError{Field: field + ".bot", Reason: "is needed: it says on whose behalf the message is sent"}
	}
	return &ref, nil
}

// serviceURLProblem says why nothing is ever sent to a URL, or nothing. It saves callers the wait for a delivery that
// fails; the connector checks every connection that it opens all the same.
func serviceURLProblem(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return "is needed"
	case err != nil || u.Hostname() == "" || u.User != nil:
		return "is not a URL of a channel"
	}
	addr, err := netip.ParseAddr(u.Hostname())
	local := strings.EqualFold(u.Hostname(), "localhost") || err == nil && addr.Unmap().IsLoopback()
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !local):
		return "is not https"
	case err == nil && !local && !connector.PublicAddr(addr):
		return "is an address that is not of the public internet"
	}
	return ""
}
