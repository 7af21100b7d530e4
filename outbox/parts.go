package outbox

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Sends reports whether [Attempt.Sends] are to be looked up for an attempt: it is a revision, a turn may have run, or the
// message may be said in more than one activity. So they are for what was handed out before, or may have arrived. For all others,
// which are most, a store need not look.
func Sends(v Verb, handler, policy string, body jsontext.Value) bool {
	return v != VerbSend || handler != "" || policy != "" || bytes.Contains(body, []byte(`"attachments"`))
}
