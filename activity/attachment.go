package activity

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Content types of attachments that carry a card or a file of Teams.
const (
	ContentAdaptiveCard      = "application/vnd.microsoft.card.adaptive"
	ContentHeroCard          = "application/vnd.microsoft.card.hero"
	ContentThumbnailCard     = "application/vnd.microsoft.card.thumbnail"
	ContentAnimationCard     = "application/vnd.microsoft.card.animation"
	ContentAudioCard         = "application/vnd.microsoft.card.audio"
	ContentVideoCard         = "application/vnd.microsoft.card.video"
	ContentReceiptCard       = "application/vnd.microsoft.card.receipt"
	ContentSignInCard        = "application/vnd.microsoft.card.signin"
	ContentOAuthCard         = "application/vnd.microsoft.card.oauth"
	ContentO365ConnectorCard = "application/vnd.microsoft.teams.card.o365connector"
	ContentListCard          = "application/vnd.microsoft.teams.card.list"
	ContentFileConsentCard   = "application/vnd.microsoft.teams.card.file.consent"
	ContentFileInfoCard      = "application/vnd.microsoft.teams.card.file.info"
	ContentFileDownloadInfo  = "application/vnd.microsoft.teams.file.download.info"
)

// Attachment is a card or a file. It has Content or ContentURL, not both (A7100).
type Attachment struct {
	ContentType  string         `json:"contentType,omitzero"`
	ContentURL   string         `json:"contentUrl,omitzero"`
	Content      jsontext.Value `json:"content,omitzero"`
	Name         string         `json:"name,omitzero"`
	ThumbnailURL string         `json:"thumbnailUrl,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// SuggestedActions are buttons that vanish once one is pressed. An empty To means everybody (A7710).
type SuggestedActions struct {
	To      []AccountID  `json:"to,omitempty"`
	Actions []CardAction `json:"actions,omitempty"`

	Extra jsontext.Value `json:",embed"`
}

// CardAction is a button. Text and DisplayText are pointers because an empty one means something else than an absent
// one (A2004).
type CardAction struct {
	Type         ActionType     `json:"type,omitzero"`
	Title        string         `json:"title,omitzero"`
	Image        string         `json:"image,omitzero"`
	ImageAltText string         `json:"imageAltText,omitzero"`
	Text         *string        `json:"text,omitzero"`
	DisplayText  *string        `json:"displayText,omitzero"`
	Value        jsontext.Value `json:"value,omitzero"`
	ChannelData  jsontext.Value `json:"channelData,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Validate checks what a channel may refuse: content and contentUrl together (A7100), and content that is no object
// (A7110).
func (a Attachment) Validate() error {
	switch {
	case a.Content != nil && a.ContentURL != "":
		return errors.New("attachment has both content and contentUrl")
	case a.Content != nil && a.Content.Kind() != jsontext.KindBeginObject:
		return fmt.Errorf("attachment content is a JSON %s, not an object", a.Content.Kind())
	}
	return nil
}

// Validate checks what a channel refuses: a call whose value is no tel: URI (A7441), a data: URI to open or to sign in
// with (A7385, A7412), and a postBack whose value is no string (A7370). Types it does not know pass.
func (c CardAction) Validate() error {
	switch c.Type {
	case ActionCall, ActionOpenURL, ActionSignIn, ActionPostBack:
	default:
		return nil
	}
	var value string
	if c.Value.Kind() != jsontext.KindString || json.Unmarshal(c.Value, &value) != nil {
		return fmt.Errorf("the value of a %s action must be a string", c.Type)
	}
	switch {
	case c.Type == ActionCall && !hasScheme(value, "tel:"):
		return errors.New("the value of a call action must be a tel: URI")
	case (c.Type == ActionOpenURL || c.Type == ActionSignIn) && hasScheme(value, "data:"):
		return fmt.Errorf("the value of a %s action must not be a data: URI", c.Type)
	}
	return nil
}

func hasScheme(uri, scheme string) bool {
	return len(uri) >= len(scheme) && strings.EqualFold(uri[:len(scheme)], scheme)
}

func (a Attachment) clone() Attachment {
	a.Content = slices.Clone(a.Content)
	a.Extra = slices.Clone(a.Extra)
	return a
}

func (s *SuggestedActions) clone() *SuggestedActions {
	if s == nil {
		return nil
	}
	return &SuggestedActions{
		To:      slices.Clone(s.To),
		Actions: cloneEach(s.Actions, CardAction.clone),
		Extra:   slices.Clone(s.Extra),
	}
}

func (c CardAction) clone() CardAction {
	c.Text = clonePointer(c.Text)
	c.DisplayText = clonePointer(c.DisplayText)
	c.Value = slices.Clone(c.Value)
	c.ChannelData = slices.Clone(c.ChannelData)
	c.Extra = slices.Clone(c.Extra)
	return c
}
