package email

import (
	"errors"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/pace"
)

// Stage is how far a mail had come when the server answered.
type Stage string

const (
	// StageConnection: the greeting, EHLO, STARTTLS or AUTH.
	StageConnection Stage = "connection"
	// StageSender: MAIL FROM.
	StageSender Stage = "sender"
	// StageRecipient: RCPT TO.
	StageRecipient Stage = "recipient"
	// StageData: DATA, or the end of the mail.
	StageData Stage = "data"
)

// Verdict is what an answer of a mail server means for the one who wants a mail delivered.
type Verdict struct {
	// Stage is when the answer comes; empty for any time.
	Stage Stage
	// Status is the code of RFC 5321; 0 for any. Enhanced is how the status code of RFC 3463 begins that stands before the
	// words, such as 5.1.1; one that ends with a full stop fits all that begin so. Empty for any.
	Status   int
	Enhanced string

	Meaning  headsup.Meaning
	Reason   string
	Scope    pace.Level
	Suspends bool
}

// Reasons of mails that do not arrive.
const (
	// ReasonMailboxUnknown, ReasonDomainUnknown, ReasonBadAddress, ReasonMailboxMoved, ReasonMailboxDisabled and ReasonNoMail:
	// nobody is there, so that the address is struck out.
	ReasonMailboxUnknown  = "mailbox_unknown"
	ReasonDomainUnknown   = "domain_unknown"
	ReasonBadAddress      = "bad_address"
	ReasonMailboxMoved    = "mailbox_moved"
	ReasonMailboxDisabled = "mailbox_disabled"
	ReasonNoMail          = "domain_takes_no_mail"
	// ReasonMailboxFull and ReasonTooLarge: another mail may arrive.
	ReasonMailboxFull = "mailbox_full"
	ReasonTooLarge    = "too_large"
	// ReasonRefused: somebody's policy is against the mail.
	ReasonRefused = "refused"
	// ReasonUnauthenticated: SPF, DKIM or DMARC of the sender's domain are not in order.
	ReasonUnauthenticated = "sender_unauthenticated"
	// ReasonUnauthorized and ReasonSenderRefused: the mail server does not let the bot send. Everything waits until that is put
	// right.
	ReasonUnauthorized  = "unauthorized"
	ReasonSenderRefused = "sender_refused"
	// ReasonNoToken: there was no access token to show.
	ReasonNoToken = "no_token"
	// ReasonNoTLS: the mail server does not offer STARTTLS.
	ReasonNoTLS = "no_tls"
)

// verdicts follow RFC 3463 and its registry (IANA, "SMTP Enhanced Status Codes"), RFC 5321 section 4.2, RFC 4954 for AUTH, RFC
// 7372 for authentication of senders, and RFC 7505 for domains without mail. The first that fits counts.
var verdicts = []Verdict{
	// The bot is to be put right.
	{StageConnection, 454, "", headsup.MeaningTransient, "service_error", pace.LevelBot, false},
	{"", 530, "", headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{"", 534, "", headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{"", 535, "", headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{"", 538, "", headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{"", 0, "5.7.8", headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{"", 0, "5.7.9", headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{StageConnection, 0, "5.", headsup.MeaningThrottled, ReasonUnauthorized, pace.LevelBot, false},
	{"", 0, "5.1.7", headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},
	{"", 0, "5.1.8", headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},
	{"", 0, "5.7.60", headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false}, // Exchange, at the end of the mail; and the next
	{"", 0, "5.2.252", headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},
	{StageSender, 552, "", headsup.MeaningPermanent, ReasonTooLarge, "", false},
	{StageSender, 0, "5.3.4", headsup.MeaningPermanent, ReasonTooLarge, "", false},
	{StageSender, 0, "5.", headsup.MeaningThrottled, ReasonSenderRefused, pace.LevelBot, false},

	// Nobody is there.
	{"", 0, "5.1.1", headsup.MeaningPermanent, ReasonMailboxUnknown, pace.LevelConversation, true},
	{"", 0, "5.1.10", headsup.MeaningPermanent, ReasonNoMail, pace.LevelConversation, true},
	{"", 0, "5.1.2", headsup.MeaningPermanent, ReasonDomainUnknown, pace.LevelConversation, true},
	{"", 0, "5.1.3", headsup.MeaningPermanent, ReasonBadAddress, pace.LevelConversation, true},
	{"", 0, "5.1.6", headsup.MeaningPermanent, ReasonMailboxMoved, pace.LevelConversation, true},
	{"", 0, "5.2.1", headsup.MeaningPermanent, ReasonMailboxDisabled, pace.LevelConversation, true},
	{StageRecipient, 0, "5.7.", headsup.MeaningPermanent, ReasonRefused, "", false}, // also what is wrong with the sender, whom many servers look at only now
	{StageRecipient, 551, "", headsup.MeaningPermanent, ReasonMailboxMoved, pace.LevelConversation, true},
	{StageRecipient, 553, "", headsup.MeaningPermanent, ReasonBadAddress, pace.LevelConversation, true},
	{StageRecipient, 556, "", headsup.MeaningPermanent, ReasonNoMail, pace.LevelConversation, true},

	// This mail does not arrive.
	{"", 0, "5.2.2", headsup.MeaningPermanent, ReasonMailboxFull, "", false},
	{"", 0, "5.2.3", headsup.MeaningPermanent, ReasonTooLarge, "", false},
	{"", 0, "5.3.4", headsup.MeaningPermanent, ReasonTooLarge, "", false},
	{StageRecipient, 552, "", headsup.MeaningPermanent, ReasonMailboxFull, "", false},
	{StageData, 552, "", headsup.MeaningPermanent, ReasonTooLarge, "", false},
	{"", 0, "5.7.20", headsup.MeaningPermanent, ReasonUnauthenticated, "", false},
	{"", 0, "5.7.21", headsup.MeaningPermanent, ReasonUnauthenticated, "", false},
	{"", 0, "5.7.22", headsup.MeaningPermanent, ReasonUnauthenticated, "", false},
	{"", 0, "5.7.23", headsup.MeaningPermanent, ReasonUnauthenticated, "", false},
	{"", 0, "5.7.25", headsup.MeaningPermanent, ReasonUnauthenticated, "", false},
	{"", 0, "5.7.26", headsup.MeaningPermanent, ReasonUnauthenticated, "", false},
	{"", 0, "5.7.27", headsup.MeaningPermanent, ReasonUnauthenticated, "", false},
	{"", 0, "5.7.", headsup.MeaningPermanent, ReasonRefused, "", false},
	{"", 550, "", headsup.MeaningPermanent, ReasonRefused, "", false}, // also what a server says to senders that it does not like
	{"", 554, "", headsup.MeaningPermanent, ReasonRefused, "", false},

	// Later.
	{"", 0, "4.2.2", headsup.MeaningTransient, ReasonMailboxFull, pace.LevelConversation, false},
	{"", 0, "4.7.28", headsup.MeaningThrottled, "throttled", pace.LevelBot, false},
	{"", 421, "", headsup.MeaningThrottled, "throttled", pace.LevelBot, false},
	{StageRecipient, 450, "", headsup.MeaningTransient, "mailbox_busy", pace.LevelConversation, false},
	{StageRecipient, 451, "", headsup.MeaningTransient, "deferred", pace.LevelConversation, false}, // greylisting, as a rule
	{StageRecipient, 452, "", headsup.MeaningTransient, "deferred", pace.LevelConversation, false},
	{StageData, 450, "", headsup.MeaningTransient, "deferred", pace.LevelConversation, false},
	{StageData, 451, "", headsup.MeaningTransient, "deferred", pace.LevelConversation, false},
	{"", 452, "", headsup.MeaningTransient, "service_error", pace.LevelBot, false},
	{"", 0, "4.", headsup.MeaningTransient, "service_error", pace.LevelBot, false},
}

// Verdicts returns the table by which answers of mail servers are read, in the order in which it is. An answer that is not in
// it means that the mail was refused for good if its code begins with a 5, and that it may be taken later if not.
func Verdicts() []Verdict { return slices.Clone(verdicts) }

// enhancedCode is the status code of RFC 3463 at the beginning of a server's words.
var enhancedCode = regexp.MustCompile(`^([245]\.\d{1,3}\.\d{1,3})(\s|$)`)

// verdictOn says what an answer means.
func verdictOn(stage Stage, err error) *headsup.SendError {
	answer, _ := errors.AsType[*textproto.Error](err)
	return judge(stage, answer.Code, answer.Msg)
}

func judge(stage Stage, status int, words string) *headsup.SendError {
	code := ""
	if m := enhancedCode.FindStringSubmatch(words); m != nil {
		code = m[1]
	} else if status >= 400 && status < 600 { // as if it had told its class
		code = string(rune('0'+status/100)) + "."
	}
	e := &headsup.SendError{Status: status, Err: &ReplyError{Stage: stage, Status: status, Words: words}}
	for i := range verdicts {
		v := &verdicts[i]
		if v.Stage != "" && v.Stage != stage || v.Status != 0 && v.Status != status || !v.covers(code) {
			continue
		}
		e.Meaning, e.Reason, e.Scope, e.Suspends = v.Meaning, v.Reason, v.Scope, v.Suspends
		return e
	}
	e.Meaning, e.Reason = headsup.MeaningTransient, "service_error"
	if status >= 500 {
		e.Meaning, e.Reason = headsup.MeaningPermanent, ReasonRefused
	}
	return e
}

// covers reports whether a verdict is for an enhanced status code.
func (v *Verdict) covers(code string) bool {
	if strings.HasSuffix(v.Enhanced, ".") {
		return strings.HasPrefix(code, v.Enhanced)
	}
	return v.Enhanced == "" || v.Enhanced == code
}

// ReplyError is an answer of the mail server that is not what was hoped for.
type ReplyError struct {
	Stage  Stage
	Status int
	// Words are the server's. They may name the recipient.
	Words string
}

// longestWords bounds what is shown of a server's words.
const longestWords = 300

func (e *ReplyError) Error() string {
	words := strings.Join(strings.FieldsFunc(e.Words, func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if runes := []rune(words); len(runes) > longestWords {
		words = string(runes[:longestWords]) + "..."
	}
	return "mail server: " + string(e.Stage) + ": " + strings.TrimSpace(strconv.Itoa(e.Status)+" "+words)
}
