package book

import "errors"

// MaxTags is how many tags one conversation may have.
const MaxTags = 50

// ErrTooManyTags: a conversation would have more than [MaxTags] tags.
var ErrTooManyTags = errors.New("book: the conversation would have too many tags")

// Labels is a change of what the operator has noted of a conversation. A nil member stays as it is.
type Labels struct {
	// Tags replaces all tags. Repeats count once; an empty slice removes all.
	Tags *[]string
	// AddTags and RemoveTags change the tags that are there, after Tags has replaced them, and removing comes last. A tag
	// that is there already, or is not, is no mistake. More than [MaxTags] in the end are refused with [ErrTooManyTags].
	AddTags, RemoveTags []string
	// ExternalID is the id of a personal conversation's person in the operator's own system; empty removes it.
	ExternalID *string
}
