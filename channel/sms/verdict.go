package sms

import (
	"net/http"
	"slices"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/pace"
)

// Verdict is what an answer of Twilio means for the one who wants a message delivered.
type Verdict struct {
	// Status is the HTTP status, and Code Twilio's own (Twilio, "Error and Warning Dictionary"). 0 is any.
	Status, Code int

	Meaning  headsup.Meaning
	Reason   string
	Scope    pace.Level
	Suspends bool
}

// Reasons of messages that do not arrive.
const (
	// ReasonOptedOut: the person has told Twilio to stop. It ends when they write START.
	ReasonOptedOut = "opted_out"
	// ReasonBadNumber, ReasonNumberUnknown, ReasonLandline and ReasonBlocked: nothing comes there, so that the number is struck
	// out.
	ReasonBadNumber     = "bad_number"
	ReasonNumberUnknown = "number_unknown"
	ReasonLandline      = "landline"
	ReasonBlocked       = "blocked"
	// ReasonUnreachable, ReasonFiltered and ReasonTooLarge: another message may arrive.
	ReasonUnreachable = "handset_unreachable"
	ReasonFiltered    = "filtered"
	ReasonTooLarge    = "too_large"
	// ReasonRegion: the account may not send there.
	ReasonRegion = "region_not_allowed"
	// ReasonUnauthorized and ReasonSenderRefused: Twilio does not let the bot send. Everything waits until that is put right.
	ReasonUnauthorized  = "unauthorized"
	ReasonSenderRefused = "sender_refused"
	// ReasonSuspended: the account is suspended or closed. [Channel.Check] tells it.
	ReasonSuspended = "account_suspended"
)

// verdicts follow Twilio's dictionary of errors. The first that fits counts: codes stand before statuses.
var verdicts = []Verdict{
	// The person, or their number.
	{0, 21610, headsup.MeaningPermanent, ReasonOptedOut, pace.LevelConversation, true},
	{0, 21211, headsup.MeaningPermanent, ReasonBadNumber, pace.LevelConversation, true},
	{0, 21217, headsup.MeaningPermanent, ReasonBadNumber, pace.LevelConversation, true},
	{0, 21614, headsup.MeaningPermanent, ReasonLandline, pace.LevelConversation, true},
	{0, 21635, headsup.MeaningPermanent, ReasonLandline, pace.LevelConversation, true},
	{0, 30004, headsup.MeaningPermanent, ReasonBlocked, pace.LevelConversation, true},
	{0, 30005, headsup.MeaningPermanent, ReasonNumberUnknown, pace.LevelConversation, true},
	{0, 30006, headsup.MeaningPermanent, ReasonLandline, pace.LevelConversation, true},
	{0, 21612, headsup.MeaningPermanent, "no_route", "", false},
	{0, 21408, headsup.MeaningPermanent, ReasonRegion, "", false},

	// This message.
	{0, 21617, headsup.MeaningPermanent, ReasonTooLarge, "", false},
	{0, 21602, headsup.MeaningPermanent, "bad_message", "", false},
	{0, 30003, headsup.MeaningPermanent, ReasonUnreachable, "", false},
	{0, 30007, headsup.MeaningPermanent, ReasonFiltered, "", false},

	// The bot is to be put right.
	{0, 20003, headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{0, 20005, headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{0, 30002, headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{0, 21212, headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},
	{0, 21603, headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},
	{0, 21606, headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},
	{0, 21659, headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},
	{0, 21660, headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},
	{0, 21701, headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},
	{0, 21703, headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},
	{0, 30034, headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false}, // not registered for 10DLC

	// Too much.
	{0, 14107, headsup.MeaningThrottled, "throttled", pace.LevelBot, false},
	{0, 20429, headsup.MeaningThrottled, "throttled", pace.LevelBot, false},
	{0, 21611, headsup.MeaningThrottled, "throttled", pace.LevelBot, false},
	{0, 30001, headsup.MeaningThrottled, "throttled", pace.LevelBot, false},
	{0, 30022, headsup.MeaningThrottled, "throttled", pace.LevelBot, false},
	{0, 63038, headsup.MeaningThrottled, "throttled", pace.LevelBot, false},
	{http.StatusTooManyRequests, 0, headsup.MeaningThrottled, "throttled", pace.LevelBot, false},

	{http.StatusUnauthorized, 0, headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{http.StatusForbidden, 0, headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{http.StatusNotFound, 0, headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false}, // there is no such account
	{http.StatusBadRequest, 0, headsup.MeaningPermanent, "bad_request", "", false},
	{http.StatusRequestTimeout, 0, headsup.MeaningTransient, "timeout", "", false},
	{http.StatusBadGateway, 0, headsup.MeaningTransient, "service_error", pace.LevelBot, false},
	{http.StatusServiceUnavailable, 0, headsup.MeaningTransient, "service_error", pace.LevelBot, false},
	{http.StatusInternalServerError, 0, headsup.MeaningUnknown, "service_error", pace.LevelBot, false},
	{http.StatusGatewayTimeout, 0, headsup.MeaningUnknown, "service_error", pace.LevelBot, false},
}

// Verdicts returns the table by which Twilio's answers are read, in the order in which it is. A status that is not in it is
// permanent below 500, and unknown above.
func Verdicts() []Verdict { return slices.Clone(verdicts) }

// judge says what a status and a code mean.
func judge(status, code int) *headsup.SendError {
	e := &headsup.SendError{Status: status}
	for i := range verdicts {
		v := &verdicts[i]
		if v.Code != 0 && v.Code == code || v.Code == 0 && v.Status == status {
			e.Meaning, e.Reason, e.Scope, e.Suspends = v.Meaning, v.Reason, v.Scope, v.Suspends
			return e
		}
	}
	e.Meaning, e.Reason = headsup.MeaningPermanent, "refused"
	if status >= http.StatusInternalServerError {
		e.Meaning, e.Reason, e.Scope = headsup.MeaningUnknown, "service_error", pace.LevelBot
	}
	return e
}
