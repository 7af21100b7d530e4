package activity

import (
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Reference is where a conversation can be continued; the protocol calls it ConversationReference. One that came over
// the network must not be trusted with a token before its service URL was verified (A7560).
type Reference struct {
	ActivityID   ID                  `json:"activityId,omitzero"`
	User         *ChannelAccount     `json:"user,omitzero"`
	Bot          *ChannelAccount     `json:"bot,omitzero"`
	Conversation ConversationAccount `json:"conversation,omitzero"`
	ChannelID    ChannelID           `json:"channelId,omitzero"`
	ServiceURL   string              `json:"serviceUrl,omitzero"`
	Locale       string              `json:"locale,omitzero"`
	DeliveryMode DeliveryMode        `json:"deliveryMode,omitzero"`
	RequestID    string              `json:"requestId,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Reference returns where the conversation of an activity that the bot received can be continued. The id of a
// conversationUpdate on Direct Line or Web Chat is left out, since nothing can reply to it. The result shares no memory
// with a.
func (a *Activity) Reference() Reference {
	r := Reference{
		User:       a.From.Clone(),
		Bot:        a.Recipient.Clone(),
		ChannelID:  a.ChannelID,
		ServiceURL: a.ServiceURL,
		Locale:     a.Locale,
	}
	if a.Conversation != nil {
		r.Conversation = a.Conversation.copy()
	}
	if a.repliable() {
		r.ActivityID = a.ID
	}
	return r
}

func (a *Activity) repliable() bool {
	return a.Type != TypeConversationUpdate || a.ChannelID != ChannelDirectLine && a.ChannelID != ChannelWebChat
}

// ReplyReference returns the reference of what the bot said in answer to a, given what the channel returned for it. Keep
// it to update or delete that activity later.
func (a *Activity) ReplyReference(sent ResourceResponse) Reference {
	r := a.Reference()
	r.ActivityID = sent.ID
	return r
}

// Outgoing addresses a as something the bot says in the conversation: channel, service URL, conversation, sender and
// recipient are overwritten, the locale is filled in when a has none, and replyToId is set when the reference has an
// activity id. The recipient of a targeted activity is kept.
func (r Reference) Outgoing(a *Activity) {
	r.place(a)
	a.From = r.Bot.Clone()
	if a.Recipient == nil || !a.Targeted() {
		a.Recipient = r.User.Clone()
	}
	if r.ActivityID != "" {
		a.ReplyToID = r.ActivityID
	}
}

// Incoming addresses a as something the user says to the bot in the conversation. Fields are overwritten as in
// [Reference.Outgoing], with the parties swapped; the id is set when the reference has an activity id.
func (r Reference) Incoming(a *Activity) {
	r.place(a)
	a.From = r.User.Clone()
	a.Recipient = r.Bot.Clone()
	if r.ActivityID != "" {
		a.ID = r.ActivityID
	}
}

func (r Reference) place(a *Activity) {
	a.ChannelID = r.ChannelID
	a.ServiceURL = r.ServiceURL
	a.Conversation = r.Conversation.Clone()
	if a.Locale == "" {
		a.Locale = r.Locale
	}
}

// Continuation returns the event that starts a proactive turn in the conversation. Its id is that of the reference, or
// a fresh UUID when the reference has none; such an id is known to no channel and must not be replied to.
func (r Reference) Continuation() *Activity {
	a := &Activity{Type: TypeEvent, Name: EventContinueConversation, RelatesTo: r.clonePointer()}
	r.Incoming(a)
	if a.ID == "" {
		a.ID = randomID()
	}
	return a
}

// Clone returns a deep copy.
func (r Reference) Clone() Reference {
	r.User = r.User.Clone()
	r.Bot = r.Bot.Clone()
	r.Conversation = r.Conversation.copy()
	r.Extra = slices.Clone(r.Extra)
	return r
}

func (r *Reference) clonePointer() *Reference {
	if r == nil {
		return nil
	}
	return new(r.Clone())
}

// Validate checks that the reference names a conversation and a channel (A7550). The error is a *DecodeError.
func (r Reference) Validate() error {
	switch {
	case r.Conversation.ID == "":
		return missing("/conversation/id")
	case r.ChannelID == "":
		return missing("/channelId")
	}
	return nil
}

// randomID returns a version 4 UUID.
func randomID() ID {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return ID(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}
