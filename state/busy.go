package state

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// maxBusyName is how long a name may be under which a conversation is busy, in bytes.
const maxBusyName = 255

// BusyName is under which name a stack of dialogs makes its conversation busy, by where it is kept: there may be several, in
// other properties and of other persons, and each keeps the conversation busy for itself. The user counts in the scope
// [Private] only.
func BusyName(s Scope, property string, user activity.AccountID) string {
	by := headsup.BusyDialog
	if property != "" && property != "DialogState" && property != "dialogState" {
		by += ":" + property
	}
	if s == Private && user != "" {
		by += "@" + string(user)
	}
	if len(by) > maxBusyName || !utf8.ValidString(by) {
		by = fmt.Sprintf("%s#%x", headsup.BusyDialog, sha256.Sum256([]byte(by)))
	}
	return by
}

// free says that a conversation is no longer busy with the dialogs that a property held, if it held some: nobody else would
// say so when they are gone.
func free(t *headsup.Turn, s Scope, property string, was jsontext.Value) error {
	if s != Conversation && s != Private || !bytes.Contains(was, []byte(`"dialogStack"`)) {
		return nil
	}
	user := activity.AccountID("")
	if ref := t.Reference(); ref.User != nil {
		user = ref.User.ID
	}
	return t.Free(BusyName(s, property, user))
}
