package httpapi

import "github.com/headsup-bot/headsup/api"

// Words of scopes that a target may need beside the right to send.
const (
	scopeAdmin     = "admin"
	scopeBroadcast = "broadcast"
)

// targetScopes returns the scopes that a request to a target needs beside send, outside of development mode.
func targetScopes(to api.Target) []string {
	var scopes []string
	if needsAdmin(to) {
		scopes = append(scopes, scopeAdmin)
	}
	if needsBroadcast(to) {
		scopes = append(scopes, scopeBroadcast)
	}
	return scopes
}

// needsAdmin reports whether a target says itself where messages are sent, instead of the reference book.
func needsAdmin(to api.Target) bool { return given(to.Reference) || given(to.Address) }

// needsBroadcast reports whether a target may be many conversations.
func needsBroadcast(to api.Target) bool { return to.Tag != "" || to.Everyone }
