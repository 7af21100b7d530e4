package activity

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendOutgoing appends, to b, an activity addressed as [Reference.Outgoing] does it, given the JSON of one that has no
// address. The body is neither decoded nor checked: it is an object of valid JSON, such as [Encode] returns. AppendOutgoing
// reports false, and b is as it was, where the activity must be looked at to address it: one with an id, entities or
// members of an address, or a reference with an activity id.
func (r Reference) AppendOutgoing(b []byte, body jsontext.Value) ([]byte, bool) {
	if r.ActivityID != "" || len(r.Conversation.Extra) > 0 || r.Conversation.Role != "" || len(body) < 2 || body[0] != '{' {
		return b, false
	}
	located, plain := plainMembers(body)
	if !plain {
		return b, false
	}
	w := writer{b: append(slices.Grow(b, len(body)+addressSize), '{')}
	w.text("channelId", string(r.ChannelID))
	w.text("serviceUrl", r.ServiceURL)
	w.conversation(&r.Conversation)
	w.account("from", r.Bot)
	w.account("recipient", r.User)
	if !located {
		w.text("locale", r.Locale)
	}
	rest := bytes.TrimLeft(body[1:], " \t\r\n")
	if len(w.b) > len(b)+1 && len(rest) > 0 && rest[0] != '}' {
		w.b = append(w.b, ',')
	}
	if w.failed {
		return b, false
	}
	return append(w.b, rest...), true
}

// addressSize is room for most addresses.
const addressSize = 320

// plainMembers looks at the names of an object's members, and reports whether none of them has to do with addressing it,
// and whether one is the locale.
func plainMembers(body []byte) (located, plain bool) {
	depth, name := 0, false // name: a string would be the name of a member of the outermost object
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			depth++
			name = depth == 1
		case '}', ']':
			depth--
		case ',':
			name = depth == 1
		case '"':
			n, escaped := stringLength(body[i+1:])
			if n < 0 {
				return false, false
			}
			if name {
				name = false
				switch word := body[i+1 : i+1+n]; string(word) {
				case "id", "replyToId", "channelId", "serviceUrl", "conversation", "from", "recipient", "callerId", "entities":
					return false, false
				case "locale":
					located = true
				default:
					if escaped {
						return false, false
					}
				}
			}
			i += n + 1
		}
	}
	return located, depth == 0
}

// stringLength is how many bytes there are before the quote that ends a string, -1 if there is none, and whether some of
// them are escaped.
func stringLength(b []byte) (n int, escaped bool) {
	for {
		next := bytes.IndexByte(b[n:], '"')
		if next < 0 {
			return -1, escaped
		}
		part := b[n : n+next]
		n += next
		slashes := len(part) - len(bytes.TrimRight(part, `\`))
		escaped = escaped || bytes.IndexByte(part, '\\') >= 0
		if slashes%2 == 0 {
			return n, escaped
		}
		n++ // this quote belongs to the string
	}
}

// writer writes members of JSON objects by hand, in the form that [Encode] gives them.
type writer struct {
	b      []byte
	failed bool // something is no valid text
}

// name begins a member.
func (w *writer) name(s string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), s...), `":`...)
}

// text writes a member unless it is empty.
func (w *writer) text(name, value string) {
	if value == "" {
		return
	}
	w.name(name)
	var err error
	if w.b, err = jsontext.AppendQuote(w.b, value); err != nil {
		w.failed = true
	}
}

func (w *writer) conversation(c *ConversationAccount) {
	w.name("conversation")
	w.b = append(w.b, '{')
	w.text("id", string(c.ID))
	w.text("name", c.Name)
	if c.IsGroup != nil {
		w.name("isGroup")
		w.b = strconv.AppendBool(w.b, *c.IsGroup)
	}
	w.text("conversationType", string(c.ConversationType))
	w.text("tenantId", string(c.TenantID))
	w.text("aadObjectId", c.AADObjectID)
	w.b = append(w.b, '}')
}

func (w *writer) account(name string, a *ChannelAccount) {
	if a == nil {
		return
	}
	if len(a.Extra) > 0 {
		w.failed = true
		return
	}
	w.name(name)
	w.b = append(w.b, '{')
	w.text("id", string(a.ID))
	w.text("name", a.Name)
	w.text("role", string(a.Role))
	w.text("aadObjectId", a.AADObjectID)
	w.text("agenticUserId", a.AgenticUserID)
	w.text("agenticAppId", a.AgenticAppID)
	w.text("tenantId", string(a.TenantID))
	w.b = append(w.b, '}')
}
