// Package auth answers one question about an inbound activity: who sent it?
//
// A [Verifier] looks at the request's Authorization header and the decoded activity and returns an [Identity], or an
// [*Error] that says how to refuse. The zero Identity is nobody: code that trusts something asks [Identity.Verified] first.
//
//	id, err := verifier.Verify(ctx, r.Header.Values("Authorization"), a)
//	if err != nil {
//		return err // an *auth.Error: 401 or 403, nothing stored
//	}
package auth

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/headsup-bot/headsup/activity"
)

// Kind says what vouches for an identity.
type Kind string

const (
	// KindChannel is a channel whose signed token was verified.
	KindChannel Kind = "channel"
	// KindEmulator is a caller that has shown the bot's own secret, as the Bot Framework Emulator does. No channel vouches for
	// what it says.
	KindEmulator Kind = "emulator"
	// KindAgent is another bot or agent, with a token that Microsoft Entra has issued to it.
	KindAgent Kind = "agent"
	// KindEmbedded is a channel that runs inside this process.
	KindEmbedded Kind = "embedded"
	// KindDevelopment is an unauthenticated caller that development mode lets in. What it says is not believed beyond
	// this machine: references learnt from it never receive a token.
	KindDevelopment Kind = "dev"
	// KindSelf is the bot itself, in turns that nobody asked for.
	KindSelf Kind = "self"
)

// Identity is the proven sender of an inbound activity. The zero value is nobody.
type Identity struct {
	// Kind says what vouches for the sender. Empty means not verified.
	Kind Kind

	// ServiceURL is the service URL that the sender's token names; empty when no token named one. Unlisted says that it is on a
	// host to which the bot sends no tokens, so that it does not replace one that is known.
	ServiceURL string
	Unlisted   bool

	// App is the app id of an emulator or agent.
	App string
}

// Verified reports whether anybody vouches for the sender, development mode included.
func (id Identity) Verified() bool { return id.Kind != "" }

// Verifier checks who sent an activity. Implementations are safe for concurrent use, store nothing, and return either a
// verified identity or an error, which is an [*Error] when the sender is to be refused.
type Verifier interface {
	Verify(ctx context.Context, authorization []string, a *activity.Activity) (Identity, error)
}

// Doorkeeper is a [Verifier] that can look at a caller before the activity is there, so that the body of a stranger's request
// need not be read.
type Doorkeeper interface {
	Verifier
	// Admit is the part of Verify that needs no activity, with the same errors. It returns the other part.
	Admit(ctx context.Context, authorization []string) (Admitted, error)
}

// Admitted checks the activity of a caller whose Authorization headers are in order. It is used once.
type Admitted func(ctx context.Context, a *activity.Activity) (Identity, error)

// Admit does what v can do without the activity, and returns what is left. A nil v refuses everybody; one that is no
// [Doorkeeper] is only asked when the activity is there.
func Admit(ctx context.Context, v Verifier, authorization []string) (Admitted, error) {
	switch v := v.(type) {
	case nil:
		return nil, unproven("no_verifier")
	case Doorkeeper:
		return v.Admit(ctx, authorization)
	}
	return func(ctx context.Context, a *activity.Activity) (Identity, error) {
		return v.Verify(ctx, authorization, a)
	}, nil
}

// Error refuses a caller. Its text is for the log; the caller only sees the status.
type Error struct {
	// Status is 401 when the identity is not proven, 403 when it is proven and not allowed, 400 when the activity lacks what
	// it is checked against.
	Status int
	// Reason is a stable snake_case word for logs and counters.
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("auth: %d: %s", e.Status, e.Reason) }

// Development lets callers in without proof, for a server that listens on loopback only. A bearer token may be present
// and is not looked at; any other scheme, and more than one Authorization header, is refused, as a production bot would.
type Development struct{}

// Verify implements [Verifier].
func (d Development) Verify(ctx context.Context, authorization []string, a *activity.Activity) (Identity, error) {
	return verify(ctx, d, authorization, a)
}

// Admit implements [Doorkeeper].
func (Development) Admit(_ context.Context, authorization []string) (Admitted, error) {
	if _, err := bearer(authorization); err != nil {
		return nil, err
	}
	return func(context.Context, *activity.Activity) (Identity, error) {
		return Identity{Kind: KindDevelopment}, nil
	}, nil
}

// verify is both parts at once.
func verify(ctx context.Context, d Doorkeeper, authorization []string, a *activity.Activity) (Identity, error) {
	check, err := d.Admit(ctx, authorization)
	if err != nil {
		return Identity{}, err
	}
	return check(ctx, a)
}

// bearer returns the token of a request's Authorization headers (RFC 6750 section 2.1); empty if there is no header. The
// scheme's letters may have any case (RFC 9110 section 11.1).
func bearer(authorization []string) (string, error) {
	switch len(authorization) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", unproven("several_authorization_headers")
	}
	scheme, token, found := strings.Cut(authorization[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t,") {
		return "", unproven("not_a_bearer_token")
	}
	return token, nil
}

func unproven(reason string) error  { return &Error{Status: http.StatusUnauthorized, Reason: reason} }
func forbidden(reason string) error { return &Error{Status: http.StatusForbidden, Reason: reason} }
func malformed(reason string) error { return &Error{Status: http.StatusBadRequest, Reason: reason} }
