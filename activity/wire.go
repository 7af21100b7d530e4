package activity

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ConversationParameters is the request that creates a conversation.
type ConversationParameters struct {
	IsGroup     *bool            `json:"isGroup,omitzero"`
	Bot         *ChannelAccount  `json:"bot,omitzero"`
	Members     []ChannelAccount `json:"members,omitempty"`
	TopicName   string           `json:"topicName,omitzero"`
	TenantID    TenantID         `json:"tenantId,omitzero"`
	Activity    *Activity        `json:"activity,omitzero"`
	ChannelData jsontext.Value   `json:"channelData,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// ConversationResource is the answer to a create request. ServiceURL, when present, replaces the one that was used.
type ConversationResource struct {
	ID         ConversationID `json:"id,omitzero"`
	ActivityID ID             `json:"activityId,omitzero"`
	ServiceURL string         `json:"serviceUrl,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// ResourceResponse is the answer to a send, an update or an upload. ID is empty when the channel gave none, which is
// legal.
type ResourceResponse struct {
	ID ID `json:"id,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// ExpectedReplies is the body of the answer to an activity with DeliveryExpectReplies. Body holds the result of an
// invoke that was delivered that way (Agents SDK).
type ExpectedReplies struct {
	Activities []*Activity    `json:"activities"`
	Body       jsontext.Value `json:"body,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// InvokeResponse is the result of an invoke: Status is the HTTP status, Body the HTTP body.
type InvokeResponse struct {
	Status int            `json:"status"`
	Body   jsontext.Value `json:"body,omitzero"`
}

// PagedMembers is one page of a roster. An empty ContinuationToken ends it.
type PagedMembers struct {
	Members           []ChannelAccount `json:"members"`
	ContinuationToken string           `json:"continuationToken,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// ConversationsResult is one page of the bot's conversations. An empty ContinuationToken ends it.
type ConversationsResult struct {
	Conversations     []ConversationMembers `json:"conversations"`
	ContinuationToken string                `json:"continuationToken,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// ConversationMembers is a conversation and who takes part in it.
type ConversationMembers struct {
	ID      ConversationID   `json:"id,omitzero"`
	Members []ChannelAccount `json:"members,omitempty"`

	Extra jsontext.Value `json:",embed"`
}

// AttachmentData is a file to upload. The two byte slices travel as base64.
type AttachmentData struct {
	Type      string `json:"type,omitzero"`
	Name      string `json:"name,omitzero"`
	Original  []byte `json:"originalBase64,omitempty"`
	Thumbnail []byte `json:"thumbnailBase64,omitempty"`

	Extra jsontext.Value `json:",embed"`
}

// AttachmentInfo describes an uploaded file.
type AttachmentInfo struct {
	Name  string           `json:"name,omitzero"`
	Type  string           `json:"type,omitzero"`
	Views []AttachmentView `json:"views,omitempty"`

	Extra jsontext.Value `json:",embed"`
}

// AttachmentView is one rendition of an uploaded file, such as "original" or "thumbnail". Size is in bytes.
type AttachmentView struct {
	ViewID string `json:"viewId,omitzero"`
	Size   int64  `json:"size,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// ErrorResponse is the body of an error answer.
type ErrorResponse struct {
	Error ErrorBody `json:"error"`

	Extra jsontext.Value `json:",embed"`
}

// ErrorBody is the error in an ErrorResponse.
type ErrorBody struct {
	Code           string          `json:"code,omitzero"`
	Message        string          `json:"message,omitzero"`
	InnerHTTPError *InnerHTTPError `json:"innerHttpError,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// InnerHTTPError is an error that the channel got from a service behind it.
type InnerHTTPError struct {
	StatusCode int            `json:"statusCode,omitzero"`
	Body       jsontext.Value `json:"body,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Transcript is a recorded conversation, in order. It is read from a list of activities as well as from an object that
// holds the list, and written as the latter.
type Transcript struct {
	Activities []*Activity `json:"activities"`

	Extra jsontext.Value `json:",embed"`
}

// UnmarshalJSONFrom reads either form of a transcript.
func (t *Transcript) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == jsontext.KindBeginArray {
		*t = Transcript{}
		return json.UnmarshalDecode(dec, &t.Activities)
	}
	type object Transcript
	return json.UnmarshalDecode(dec, (*object)(t))
}
