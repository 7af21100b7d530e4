package activity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Activity is one thing that was said or done in a conversation. Which fields mean something depends on Type; none but
// Type is always there. Value and ChannelData may be any JSON, a plain number included (A2200).
type Activity struct {
	Type           Type                 `json:"type,omitzero"`
	ID             ID                   `json:"id,omitzero"`
	ChannelID      ChannelID            `json:"channelId,omitzero"`
	ServiceURL     string               `json:"serviceUrl,omitzero"`
	Timestamp      Time                 `json:"timestamp,omitzero"`
	LocalTimestamp Time                 `json:"localTimestamp,omitzero"`
	LocalTimezone  string               `json:"localTimezone,omitzero"` // an IANA name (A2055)
	From           *ChannelAccount      `json:"from,omitzero"`
	Recipient      *ChannelAccount      `json:"recipient,omitzero"`
	Conversation   *ConversationAccount `json:"conversation,omitzero"`
	ReplyToID      ID                   `json:"replyToId,omitzero"`
	Locale         string               `json:"locale,omitzero"`
	DeliveryMode   DeliveryMode         `json:"deliveryMode,omitzero"`

	Text       string     `json:"text,omitzero"`
	TextFormat TextFormat `json:"textFormat,omitzero"`
	// Speak is a pointer because an empty one means "say nothing" (A3030).
	Speak            *string           `json:"speak,omitzero"`
	InputHint        InputHint         `json:"inputHint,omitzero"`
	Attachments      []Attachment      `json:"attachments,omitempty"`
	AttachmentLayout AttachmentLayout  `json:"attachmentLayout,omitzero"`
	Summary          string            `json:"summary,omitzero"`
	SuggestedActions *SuggestedActions `json:"suggestedActions,omitzero"`
	Importance       Importance        `json:"importance,omitzero"`
	Expiration       Time              `json:"expiration,omitzero"`
	ListenFor        []string          `json:"listenFor,omitempty"`
	SemanticAction   *SemanticAction   `json:"semanticAction,omitzero"`
	TextHighlights   []TextHighlight   `json:"textHighlights,omitempty"`
	Entities         []Entity          `json:"entities,omitempty"`

	Name        string         `json:"name,omitzero"`
	Label       string         `json:"label,omitzero"`
	ValueType   string         `json:"valueType,omitzero"`
	Value       jsontext.Value `json:"value,omitzero"`
	ChannelData jsontext.Value `json:"channelData,omitzero"`
	RelatesTo   *Reference     `json:"relatesTo,omitzero"`
	Code        EndCode        `json:"code,omitzero"`

	Action           UpdateAction     `json:"action,omitzero"`
	MembersAdded     []ChannelAccount `json:"membersAdded,omitempty"`
	MembersRemoved   []ChannelAccount `json:"membersRemoved,omitempty"`
	TopicName        string           `json:"topicName,omitzero"`
	HistoryDisclosed *bool            `json:"historyDisclosed,omitzero"` // deprecated (A4110)
	ReactionsAdded   []Reaction       `json:"reactionsAdded,omitempty"`
	ReactionsRemoved []Reaction       `json:"reactionsRemoved,omitempty"`

	// CallerID says who called, as the token of the request proved it. It is set locally, never read from a body and
	// never written to one (A2251).
	CallerID CallerID `json:"callerId,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Reaction is one reaction to a message.
type Reaction struct {
	Type ReactionType `json:"type,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// SemanticAction is a programmatic action that accompanies a message.
type SemanticAction struct {
	ID       string         `json:"id,omitzero"`
	State    SemanticState  `json:"state,omitzero"`
	Entities jsontext.Value `json:"entities,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// UnmarshalJSONFrom reads a semantic action. It never fails on valid JSON: one that cannot be understood is ignored
// (A3133) and leaves s empty.
func (s *SemanticAction) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	type plain SemanticAction
	var p plain
	if json.Unmarshal(raw, &p) != nil {
		p = plain{}
	}
	*s = SemanticAction(p)
	return nil
}

// TextHighlight points at a part of the text that a suggestion is about: the Occurrence-th time Text appears in it.
type TextHighlight struct {
	Text       string `json:"text,omitzero"`
	Occurrence *int64 `json:"occurrence,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// CallerID is a URN that names the caller of the bot.
type CallerID string

// The callers that the protocol names. A skill's or agent's caller is CallerAppPrefix followed by its app id.
const (
	CallerPublicAzure CallerID = "urn:botframework:azure"
	CallerUSGov       CallerID = "urn:botframework:azureusgov"
	CallerAppPrefix   CallerID = "urn:botframework:aadappid:"
)

// IsZero is always true, which keeps every CallerID out of encoded bodies.
func (CallerID) IsZero() bool { return true }

// UnmarshalJSONFrom throws away what the body claims.
func (*CallerID) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return dec.SkipValue() }

// Message returns a message with the given text.
func Message(text string) *Activity {
	return &Activity{Type: TypeMessage, Text: text}
}

// Event returns an event with the given name. A nil value gives an event without one; any other is encoded as JSON.
func Event(name string, value any) (*Activity, error) {
	a := &Activity{Type: TypeEvent, Name: name}
	if value == nil {
		return a, nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", name, err)
	}
	a.Value = raw
	return a, nil
}

// Reply returns a message that answers a: addressed to who sent it, from who received it, in the same conversation.
func (a *Activity) Reply(text string) *Activity {
	m := Message(text)
	a.Reference().Outgoing(m)
	return m
}

// HasContent reports whether there is something to show: text, a summary, attachments or channel data.
func (a *Activity) HasContent() bool {
	return a.Text != "" || a.Summary != "" || len(a.Attachments) > 0 || len(a.ChannelData) > 0
}

// TenantID returns the tenant that the activity comes from: that of the conversation, else the one in Teams' channel
// data. It is empty when there is none. It is only as trustworthy as the activity.
func (a *Activity) TenantID() TenantID {
	if a.Conversation != nil && a.Conversation.TenantID != "" {
		return a.Conversation.TenantID
	}
	return a.channelTenant()
}

// AgreedTenantID is TenantID, and reports false when conversation and channel data name different tenants.
func (a *Activity) AgreedTenantID() (TenantID, bool) {
	id, other := a.TenantID(), a.channelTenant()
	return id, other == "" || strings.EqualFold(string(id), string(other))
}

// channelTenant is the tenant that Teams' channel data names, if any.
func (a *Activity) channelTenant() TenantID {
	tenant, _ := Member(a.ChannelData, "tenant")
	raw, _ := Member(tenant, "id")
	var id TenantID
	if raw.Kind() != jsontext.KindString || json.Unmarshal(raw, &id) != nil {
		return ""
	}
	return id
}

// StreamInfo returns where the activity stands in a stream. It reports false when the activity carries no readable
// stream information, or more than one (A9246).
func (a *Activity) StreamInfo() (StreamInfo, bool) {
	var found *Entity
	for i := range a.Entities {
		if a.Entities[i].Type != EntityStreamInfo {
			continue
		}
		if found != nil {
			return StreamInfo{}, false
		}
		found = &a.Entities[i]
	}
	if found == nil {
		return StreamInfo{}, false
	}
	return found.StreamInfo()
}

// Targeted reports whether the activity is marked to be shown to its recipient only.
func (a *Activity) Targeted() bool {
	for _, e := range a.Entities {
		if e.Type != EntityActivityTreatment {
			continue
		}
		if raw, _ := Member(e.Extra, "treatment"); string(raw) == `"targeted"` {
			return true
		}
	}
	return false
}

// TextWithoutMention returns the text without the mentions of one party, trimmed. In a group a message to the bot starts
// with a mention of it, which is in the way of whoever reads commands.
func (a *Activity) TextWithoutMention(id AccountID) string {
	text := a.Text
	for _, e := range a.Entities {
		if m, ok := e.Mention(); ok && m.Mentioned.ID == id && m.Text != "" {
			text = strings.ReplaceAll(text, m.Text, "")
		}
	}
	return strings.TrimSpace(text)
}

// Clone returns a deep copy; nil gives nil.
func (a *Activity) Clone() *Activity {
	if a == nil {
		return nil
	}
	c := *a
	c.From = a.From.Clone()
	c.Recipient = a.Recipient.Clone()
	c.Conversation = a.Conversation.Clone()
	c.Speak = clonePointer(a.Speak)
	c.Attachments = cloneEach(a.Attachments, Attachment.clone)
	c.SuggestedActions = a.SuggestedActions.clone()
	c.ListenFor = slices.Clone(a.ListenFor)
	c.SemanticAction = a.SemanticAction.clone()
	c.TextHighlights = cloneEach(a.TextHighlights, TextHighlight.clone)
	c.Entities = cloneEach(a.Entities, Entity.clone)
	c.Value = slices.Clone(a.Value)
	c.ChannelData = slices.Clone(a.ChannelData)
	c.RelatesTo = a.RelatesTo.clonePointer()
	c.MembersAdded = cloneEach(a.MembersAdded, ChannelAccount.copy)
	c.MembersRemoved = cloneEach(a.MembersRemoved, ChannelAccount.copy)
	c.HistoryDisclosed = clonePointer(a.HistoryDisclosed)
	c.ReactionsAdded = cloneEach(a.ReactionsAdded, Reaction.clone)
	c.ReactionsRemoved = cloneEach(a.ReactionsRemoved, Reaction.clone)
	c.Extra = slices.Clone(a.Extra)
	return &c
}

func (s *SemanticAction) empty() bool {
	return s.ID == "" && s.State == "" && s.Entities == nil && s.Extra == nil
}

func (s *SemanticAction) clone() *SemanticAction {
	if s == nil {
		return nil
	}
	c := *s
	c.Entities = slices.Clone(s.Entities)
	c.Extra = slices.Clone(s.Extra)
	return &c
}

func (r Reaction) clone() Reaction {
	r.Extra = slices.Clone(r.Extra)
	return r
}

func (h TextHighlight) clone() TextHighlight {
	h.Occurrence = clonePointer(h.Occurrence)
	h.Extra = slices.Clone(h.Extra)
	return h
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

func cloneEach[T any](s []T, clone func(T) T) []T {
	if s == nil {
		return nil
	}
	out := make([]T, len(s))
	for i := range s {
		out[i] = clone(s[i])
	}
	return out
}
