package activity

import (
	"slices"

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
