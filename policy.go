package headsup

import "time"

// PolicyName says what to do with a notification when its conversation is busy.
type PolicyName string

const (
	// PolicyAdHoc says it at once. Also the zero value's meaning.
	PolicyAdHoc PolicyName = "adhoc"
	// PolicyWait holds it until nothing is going on any more, or it has waited long enough.
	PolicyWait PolicyName = "wait"
	// PolicyInterrupt puts aside what is going on, talks about this, and then resumes that.
	PolicyInterrupt PolicyName = "interrupt"
	// PolicyCancel ends what is going on, and says it.
	PolicyCancel PolicyName = "cancel"
	// PolicyDrop does not say it at all.
	PolicyDrop PolicyName = "drop"
)

// Policies lists all names.
func Policies() []PolicyName {
	return []PolicyName{PolicyAdHoc, PolicyWait, PolicyInterrupt, PolicyCancel, PolicyDrop}
}

// Policy says what to do with a notification when its conversation is busy, and what that means. The zero value says it at
// once, like adhoc.
type Policy struct {
	Name PolicyName
	// MaxWait is how long it waits at most, since it was due; for wait only. Zero means [DefaultMaxWait].
	MaxWait time.Duration
	// Then is what is done when it has waited that long and the conversation is still busy; for wait only. Empty means
	// adhoc.
	Then PolicyName
	// With names the dialog or the handler that interrupts; for interrupt, also as Then. Empty has the notification itself
	// said in between.
	With string
	// Quiet makes the conversation count as busy until nobody has said anything in it for so long. Zero: for this it is not.
	Quiet time.Duration
	// Priority is how pressing the notification is. What is going on with a smaller one does not keep it from being said.
	Priority int
	// Release says how it is said when others of its topic wait with it; for wait only. Empty means each.
	Release Release
	// Expects says that the notification asks for a reply, whatever goes on.
	Expects Reply
}

// Release says how notifications are said that have waited together in a conversation.
type Release string

const (
	// ReleaseEach says each by itself, in order. Also the zero value's meaning.
	ReleaseEach Release = "each"
	// ReleaseDigest says those of one topic as one message, a list of their texts. What is more than a text is said by
	// itself, in its place.
	ReleaseDigest Release = "digest"
)

// Reply says what becomes of the person's answer to a notification. The zero value expects none.
type Reply struct {
	// Wanted: the next message in the conversation is the answer. It goes to whoever has asked and not to the bot's own
	// handler, and what was going on before is resumed after it.
	Wanted bool
	// To names the handler that gets the answer; empty leaves it to those who are told of events.
	To string
	// Within is how long somebody waits for it, after it was delivered. Zero means [DefaultReplyWithin].
	Within time.Duration
}

// Limits of a [Policy].
const (
	// DefaultMaxWait is how long a notification waits if its policy does not say.
	DefaultMaxWait = 24 * time.Hour
	// DefaultReplyWithin is how long an answer is waited for if the policy does not say, and MaxReplyWithin the longest.
	DefaultReplyWithin = time.Hour
	MaxReplyWithin     = 7 * 24 * time.Hour
	// MaxWait is the longest that a policy may say, and MaxQuiet the longest silence.
	MaxWait  = 30 * 24 * time.Hour
	MaxQuiet = time.Hour
)

// IsZero reports whether it says everything at once.
func (p Policy) IsZero() bool { return p == Policy{} || p == Policy{Name: PolicyAdHoc} }
