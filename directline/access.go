package directline

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
)

// caller is who calls the client's side: the site with its secret, or a client with its token.
type caller struct {
	site bool
	claims
}

// caller identifies who calls.
func (c *Channel) caller(r *http.Request) (caller, error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return caller{}, errUnauthorized
	}
	scheme, credential, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || credential == "" || strings.Contains(credential, " ") {
		return caller{}, errUnauthorized
	}
	if c.isSiteSecret(credential) {
		if r.Header.Get("Origin") != "" && !c.cfg.Development {
			return caller{}, &apiError{http.StatusForbidden, "BadArgument", "the secret must not be used in pages"}
		}
		return caller{site: true}, nil
	}
	who, err := c.check(forClient, audienceClient, credential)
	if err != nil {
		return caller{}, c.wrong(r, tokenError(err))
	}
	return caller{claims: who}, nil
}

// wrong counts a credential that is not valid.
func (c *Channel) wrong(r *http.Request, err *apiError) error {
	if err != errForbidden || c.cfg.Wrong == nil {
		return err
	}
	if wait := c.cfg.Wrong(r); wait > 0 {
		return &waitError{apiError{http.StatusTooManyRequests, "TooManyRequests", "too many wrong credentials from this address"}, wait}
	}
	return err
}

// waitError is a request that may be repeated later.
type waitError struct {
	apiError
	wait time.Duration
}

func (e *waitError) Unwrap() error { return &e.apiError }

func (c *Channel) isSiteSecret(credential string) bool {
	a, right := sha256.Sum256([]byte(credential)), 0
	for _, secret := range []string{c.cfg.SiteSecret, c.cfg.SecondSiteSecret} {
		if b := sha256.Sum256([]byte(secret)); secret != "" {
			right |= subtle.ConstantTimeCompare(a[:], b[:])
		}
	}
	return right == 1
}

func tokenError(err error) *apiError {
	if errors.Is(err, errTokenExpired) {
		return errExpired
	}
	return errForbidden
}

// enter identifies who calls and finds the conversation that the path names, if the caller may use it.
func (c *Channel) enter(r *http.Request) (caller, Conversation, error) {
	who, err := c.caller(r)
	if err != nil {
		return who, Conversation{}, err
	}
	id := activity.ConversationID(r.PathValue("id"))
	if !who.site && who.Conversation != id {
		return who, Conversation{}, errOtherConversation
	}
	who.Conversation = id
	conv, err := c.conversation(r.Context(), id)
	if err == nil && !who.site && kindOf(id) != KindPersonal && !conv.has(who.User) {
		return who, conv, errNotMember
	}
	return who, conv, err
}

// sharing is which pages of other origins may see answers (Fetch standard, "CORS protocol").
type sharing int

const (
	// private: none.
	private sharing = iota
	// shared: those that are configured.
	shared
	// sharedWithCookies: those, and browsers may attach cookies to the request. Clients ask for the session that way;
	// nothing here reads them.
	sharedWithCookies
)

// share tells the browser whether the page may go on. Origins are compared exactly and never repeated unseen.
func (c *Channel) share(w http.ResponseWriter, r *http.Request, s sharing) {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if s == private || origin == "" || !c.knownOrigin(origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if s == sharedWithCookies {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if r.Method != http.MethodOptions {
		h.Set("Access-Control-Expose-Headers", "Retry-After")
		return
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "authorization, content-type, x-ms-bot-agent, x-requested-with")
	h.Set("Access-Control-Max-Age", "600")
}

// knownOrigin reports whether pages of an origin may use the channel. What is not a page has no origin.
func (c *Channel) knownOrigin(origin string) bool {
	return origin == "" || c.ownOrigin(origin) || slices.Contains(c.cfg.Origins, origin)
}

// ownOrigin reports whether an origin is that of the public URL. In development the loopback address has several names.
func (c *Channel) ownOrigin(origin string) bool {
	own, err := url.Parse(c.publicURL())
	if err != nil {
		return false
	}
	if origin == originOf(own) {
		return true
	}
	other, err := url.Parse(origin)
	return c.cfg.Development && err == nil && originOf(other) == origin &&
		other.Scheme == own.Scheme && other.Port() == own.Port() && isLoopback(own.Hostname()) && isLoopback(other.Hostname())
}

// IsOrigin reports whether a text is the origin of pages exactly as browsers write it, such as https://www.example.com:8443.
// There are no wildcards.
func IsOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && text != "" && originOf(u) == text && !strings.Contains(text, "*")
}

// originOf is the origin of a URL as browsers write it, or empty.
func originOf(u *url.URL) string {
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return ""
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == "80" && u.Scheme == "http" || port == "443" && u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// fromBots lets an operation of the Connector API be called by bots that prove who they are, or by programs on this machine, as
// configured. A page that happens to be open in a browser is neither.
func (c *Channel) fromBots(do handle) handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := c.letIn(w, r); err != nil {
			return err
		}
		if origin := r.Header.Get("Origin"); origin != "" && !c.ownOrigin(origin) {
			return &apiError{http.StatusForbidden, "BadArgument", "pages of other origins are not let in"}
		}
		return do(w, r)
	}
}

var (
	errNotLetIn = &apiError{http.StatusForbidden, "Forbidden", "this bot is not let in"}
	errNoKeys   = &apiError{http.StatusServiceUnavailable, "ServiceError", "try again later"}
)

// letIn checks which bot calls, if bots have to prove that, and from where, if not.
func (c *Channel) letIn(w http.ResponseWriter, r *http.Request) error {
	if c.cfg.Bots == nil {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if !c.cfg.AllowAnonymousBots || err != nil || !isLoopback(host) {
			return errUnauthorized
		}
		return nil
	}
	err := c.cfg.Bots(r.Context(), r.Header.Values("Authorization"))
	if err == nil {
		return nil
	}
	refused, ok := errors.AsType[*auth.Error](err)
	switch {
	case !ok:
		w.Header().Set("Retry-After", "1")
		c.cfg.Logger.WarnContext(r.Context(), "no bot can be let in", "error", err.Error())
		return errNoKeys
	case refused.Status == http.StatusForbidden:
		err = errNotLetIn
	default:
		err = errUnauthorized
	}
	c.cfg.Logger.Log(r.Context(), c.strangers.Level(refused.Reason, c.cfg.Now()), "bot refused", "status", refused.Status, "reason", refused.Reason)
	return err
}
