package connector

import (
	"fmt"
	"strings"
	"time"
)

// Class says what a failed call means for the caller.
type Class string

// The classes of failures.
const (
	// ClassPermanent: the same call will fail again.
	ClassPermanent Class = "permanent"
	// ClassRefreshToken: the token was refused and the token source cannot replace it; try once with another.
	ClassRefreshToken Class = "refresh-token-once"
	// ClassOtherHost: the same call belongs on the host in Error.Host.
	ClassOtherHost Class = "retry-other-host"
	// ClassUnsupported: the channel does not have this operation; another may do, such as send instead of reply.
	ClassUnsupported Class = "unsupported"
	// ClassRetry: the same call may succeed later. Check Error.MaybeDelivered before repeating a send.
	ClassRetry Class = "retry"
	// ClassDoNotRetryPost: the service broke. It may have done what it was asked, so that a send must not be repeated
	// blindly.
	ClassDoNotRetryPost Class = "do-not-retry-post"
)

// Scope says how far a failure reaches, as far as the answer tells; empty when it does not.
type Scope string

// The scopes of failures.
const (
	ScopePayload      Scope = "payload"      // this body
	ScopeActivity     Scope = "activity"     // the activity that was to be changed
	ScopeConversation Scope = "conversation" // everything in this conversation
	ScopeUser         Scope = "user"         // everything to this person, until they act
	ScopeTenant       Scope = "tenant"       // everything in this organization
	ScopeBot          Scope = "bot"          // everything this bot does
)

// Error is what every failed call returns.
type Error struct {
	Op      string // what was being done, such as "send to conversation"
	Status  int    // HTTP status; 0 when no answer arrived
	Code    string // the service's own code, such as "BotDisabledByAdmin"
	SubCode string // a second code that some answers of Teams carry inside their message
	Message string // the service's words, shortened; for logs, not for users

	Class Class
	Scope Scope
	// RetryAfter is how long the service asks to wait, between a second and an hour; 0 when it does not say.
	RetryAfter time.Duration
	// MaybeDelivered is set when the call had, or may have had, its effect in spite of the error. It is never set for a
	// call that only reads.
	MaybeDelivered bool
	// CorrelationID is the service's name for the request, for its support.
	CorrelationID string
	// Host is the base URL to use instead, for ClassOtherHost. It is fixed, not taken from the answer.
	Host string

	Err error // the cause, when it is not the answer
}

// Error describes the failure in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("connector: ")
	b.WriteString(e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	for _, part := range [...]string{e.Code, e.SubCode, e.Message} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// rule classifies answers by status and, where it has one, by code.
type rule struct {
	status int
	code   string
	class  Class
	scope  Scope
	// maybe is set where the service may have done it all the same.
	maybe bool
	host  string
}

// rules are the table of Microsoft's "Build conversational capability" (status codes of Teams), completed by the
// Connector API reference. The first that fits counts; one without a code stands behind those of its status that have one.
var rules = []rule{
	{status: 400, class: ClassPermanent, scope: ScopePayload},
	{status: 401, class: ClassRefreshToken, scope: ScopeBot},
	{status: 403, code: "BotDisabledByAdmin", class: ClassPermanent, scope: ScopeTenant},
	{status: 403, code: "TenantNoPermission", class: ClassPermanent, scope: ScopeTenant},
	{status: 403, code: "BotNotInConversationRoster", class: ClassPermanent, scope: ScopeConversation},
	{status: 403, code: "ConversationBlockedByUser", class: ClassPermanent, scope: ScopeUser},
	{status: 403, code: "MessageWritesBlocked", class: ClassPermanent, scope: ScopeUser},
	{status: 403, code: "ForbiddenOperationException", class: ClassPermanent, scope: ScopeUser},
	{status: 403, code: "InvalidBotApiHost", class: ClassOtherHost, scope: ScopeTenant, host: "https://smba.infra.gcc.teams.microsoft.com"},
	{status: 403, class: ClassPermanent},
	{status: 404, code: "ConversationNotFound", class: ClassPermanent, scope: ScopeConversation},
	{status: 404, code: "BotNotInConversationRoster", class: ClassPermanent, scope: ScopeConversation},
	{status: 404, code: "ActivityNotFoundInConversation", class: ClassPermanent, scope: ScopeActivity},
	{status: 404, class: ClassPermanent},
	{status: 405, class: ClassUnsupported},
	{status: 408, class: ClassRetry},
	{status: 412, class: ClassRetry, scope: ScopeConversation},
	{status: 413, class: ClassPermanent, scope: ScopePayload},
	{status: 429, class: ClassRetry, scope: ScopeConversation},
	{status: 501, class: ClassUnsupported},
	{status: 502, class: ClassRetry},
	{status: 503, class: ClassRetry},
	{status: 504, class: ClassRetry, maybe: true},
}

// ruleFor returns the rule for an answer. A status without a rule is permanent below 500; above, the service broke at an
// unknown point.
func ruleFor(status int, codes ...string) rule {
	for _, r := range rules {
		if r.status != status {
			continue
		}
		if r.code == "" {
			return r
		}
		for _, code := range codes {
			if strings.EqualFold(code, r.code) {
				return r
			}
		}
	}
	if status >= 500 {
		return rule{status: status, class: ClassDoNotRetryPost, maybe: true}
	}
	return rule{status: status, class: ClassPermanent}
}
