package headsup

import (
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/pace"
)

// Verdict is what an answer of the Connector API means for the one who wants something delivered.
type Verdict struct {
	// Channel is the only one that gives the answer; empty for all.
	Channel activity.ChannelID
	// Status is the HTTP status; 0 when none arrived. Code is the service's own; empty for any.
	Status int
	Code   string

	Meaning Meaning
	Reason  string
	// Scope and Suspends are as in [SendError].
	Scope    pace.Level
	Suspends bool
}

// Reasons of answers that lead to more than the end of a delivery.
const (
	// ReasonNoToken: there is no token to call the channel with.
	ReasonNoToken = "no_token"
	// ReasonNotFound: the conversation, or the activity, is not there.
	ReasonNotFound = "not_found"
	// ReasonNotInstalled, ReasonNotInConversation and ReasonBotDisabled: the bot is not installed, is not there any more, or
	// an administrator does not allow it.
	ReasonNotInstalled      = "not_installed"
	ReasonNotInConversation = "not_in_conversation"
	ReasonBotDisabled       = "bot_disabled"
	// ReasonConversationGone: Teams does not have the conversation any more.
	ReasonConversationGone = "conversation_gone"
	// ReasonTLS: the channel's host has shown a certificate that is not good. Nothing was sent.
	ReasonTLS = "tls"
)

// verdicts follow Microsoft's "Build conversational capability" (status codes of Teams) and the Connector API reference.
// The first that fits counts: what has a code, or a channel, stands before what has none.
var verdicts = []Verdict{
	// Nothing can be said until the person, or their administrator, acts.
	{"", 403, "BotDisabledByAdmin", MeaningPermanent, ReasonBotDisabled, pace.LevelTenant, true},
	{"", 403, "TenantNoPermission", MeaningPermanent, ReasonBotDisabled, pace.LevelTenant, true},
	{"", 403, "BotNotInConversationRoster", MeaningPermanent, ReasonNotInConversation, pace.LevelConversation, true},
	{"", 403, "ConversationBlockedByUser", MeaningPermanent, "blocked", pace.LevelConversation, true},
	{"", 403, "MessageWritesBlocked", MeaningPermanent, "blocked", pace.LevelConversation, true},
	{"", 403, "ForbiddenOperationException", MeaningPermanent, ReasonNotInstalled, pace.LevelConversation, true},
	// Here after the other host was tried, or is not allowed.
	{"", 403, "InvalidBotApiHost", MeaningPermanent, "wrong_host", pace.LevelTenant, false},
	{"", 404, "BotNotInConversationRoster", MeaningPermanent, ReasonNotInConversation, pace.LevelConversation, false},

	// Here after it was made again, if it is one person's.
	{activity.ChannelTeams, 404, "ConversationNotFound", MeaningPermanent, ReasonConversationGone, pace.LevelConversation, true},

	// The token was replaced once already: the bot is to be put right, and what it has to say waits for that.
	{"", 401, "BotNotRegistered", MeaningThrottled, "not_registered", pace.LevelBot, false},
	{"", 401, "", MeaningThrottled, "unauthorized", pace.LevelBot, false},

	{"", 400, "", MeaningPermanent, "bad_request", "", false},
	{"", 403, "", MeaningPermanent, "forbidden", "", false},
	{"", 404, "", MeaningPermanent, ReasonNotFound, "", false},
	{"", 405, "", MeaningUnsupported, "not_supported", "", false},
	{"", 408, "", MeaningTransient, "timeout", "", false},
	{"", 412, "", MeaningTransient, "conflict", pace.LevelConversation, false},
	{"", 413, "", MeaningPermanent, "too_large", "", false},
	{"", 429, "", MeaningThrottled, "throttled", pace.LevelConversation, false},
	{"", 501, "", MeaningUnsupported, "not_supported", "", false},
	{"", 502, "", MeaningTransient, "service_error", pace.LevelHost, false},
	{"", 503, "", MeaningTransient, "service_error", pace.LevelHost, false},
	// It may have been posted all the same. Teams says not to repeat a 500 blindly, and to repeat a 504.
	{"", 500, "", MeaningUnknown, "service_error", pace.LevelHost, false},
	{"", 504, "", MeaningUnknown, "service_error", pace.LevelHost, false},
}

// Verdicts returns the table by which the answers of a channel are read, the most special ones first. A status that is not
// in it is permanent below 500, and unknown above.
func Verdicts(ch activity.ChannelID) []Verdict {
	return slices.DeleteFunc(slices.Clone(verdicts), func(v Verdict) bool { return v.Channel != "" && v.Channel != ch })
}

// verdictOn finds what the answer to a call means.
func verdictOn(ch activity.ChannelID, e *connector.Error) Verdict {
	for i := range verdicts {
		a := &verdicts[i]
		if a.Status == e.Status && (a.Channel == "" || a.Channel == ch) &&
			(a.Code == "" || strings.EqualFold(a.Code, e.SubCode) || strings.EqualFold(a.Code, e.Code)) {
			return *a
		}
	}
	switch {
	case e.Status >= 500:
		return Verdict{Status: e.Status, Meaning: MeaningUnknown, Reason: "service_error", Scope: pace.LevelHost}
	case e.Status >= 300 && e.Status < 400:
		return Verdict{Status: e.Status, Meaning: MeaningPermanent, Reason: "redirected"}
	}
	return Verdict{Status: e.Status, Meaning: MeaningPermanent, Reason: "refused"}
}

// refusalOf says what a failed call means for a delivery.
func refusalOf(ch activity.ChannelID, e *connector.Error) *SendError {
	s := &SendError{Status: e.Status, RetryAfter: e.RetryAfter, Err: e}
	switch {
	case errors.Is(e.Err, connector.ErrNoToken):
		s.Meaning, s.Reason, s.Scope = MeaningThrottled, ReasonNoToken, pace.LevelBot
	case e.Status == 0 && e.Class == connector.ClassPermanent: // it was not even made
		s.Meaning, s.Reason = MeaningPermanent, "refused"
	case e.Status == 0 && e.MaybeDelivered:
		s.Meaning, s.Reason, s.Scope = MeaningUnknown, "no_answer", pace.LevelHost
	case e.Status == 0:
		s.Meaning, s.Reason, s.Scope, s.Unreached = MeaningTransient, "unreachable", pace.LevelHost, true
		if errors.As(e.Err, new(*tls.CertificateVerificationError)) {
			s.Reason = ReasonTLS
		}
	default:
		a := verdictOn(ch, e)
		s.Meaning, s.Reason, s.Scope, s.Suspends = a.Meaning, a.Reason, a.Scope, a.Suspends
		if e.MaybeDelivered && e.Status < http.StatusMultipleChoices { // it was done, but what it made is not known
			s.Meaning, s.Reason = MeaningUnknown, "no_id"
		}
	}
	return s
}
