package credential

import (
	"errors"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Error is why Entra gave no token.
type Error struct {
	// Code is Entra's, such as AADSTS7000215; empty if it did not say.
	Code string
	// Advice is what to do about it; empty if nobody knows.
	Advice string
	// Err is the cause.
	Err error
}

func (e *Error) Error() string {
	if e.Advice != "" {
		return "credential: no token: " + e.Code + ": " + e.Advice
	}
	return "credential: no token: " + oneLine(e.Err.Error())
}

func (e *Error) Unwrap() error { return e.Err }

// advice is what the codes mean that people meet ("Microsoft Entra authentication and authorization error codes").
var advice = map[string]string{
	"AADSTS700016":  "the app id is not known in this tenant: look whether both are right, and whether the bot is single-tenant or multi-tenant",
	"AADSTS90002":   "there is no such tenant: look at the tenant's id, and at the cloud",
	"AADSTS900023":  "the tenant's id is neither a GUID nor a domain",
	"AADSTS7000215": "the client secret is wrong: give its value, not its id",
	"AADSTS7000222": "the client secret has expired: make a new one in the app registration",
	"AADSTS7000112": "the application is disabled in its tenant",
	"AADSTS700027":  "the certificate is not one of the app registration's, or it has expired",
	"AADSTS700024":  "the assertion is too old or too new: look at the clock, and at the token file",
	"AADSTS70021":   "the app registration trusts no such issuer and subject: look at its federated credentials",
	"AADSTS700213":  "the app registration trusts no such subject: look at its federated credentials",
	"AADSTS500011":  "the tokens' scope is not known in this tenant: look at the cloud",
	"AADSTS53003":   "a policy of the tenant (Conditional Access) forbids it",
}

var entraCode = regexp.MustCompile(`AADSTS\d+`)

// explain finds out what an error of azidentity's means.
func explain(err error) *Error {
	code := entraCode.FindString(err.Error())
	if failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && code == "" && failed.RawResponse != nil {
		code = failed.RawResponse.Status
	}
	return &Error{Code: code, Advice: advice[code], Err: err}
}

// oneLine is short enough for a log; the error itself holds the whole answer. Where the first line only announces what comes,
// as when Entra cannot be reached, the next one is taken along.
func oneLine(s string) string {
	s, rest, _ := strings.Cut(strings.TrimSpace(s), "\n")
	for strings.HasSuffix(strings.TrimSpace(s), ":") && rest != "" {
		var next string
		next, rest, _ = strings.Cut(strings.TrimSpace(rest), "\n")
		s = strings.TrimSpace(s) + " " + strings.TrimSpace(next)
	}
	const longest = 300
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.ToValidUTF8(strings.TrimSpace(s), "?")
}
