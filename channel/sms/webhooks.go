package sms

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what Twilio signs with (Twilio, "Webhooks security")
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
)

// The paths of the webhooks below the public URL.
const (
	InboundPath = "/v1/channels/sms/inbound"
	StatusPath  = "/v1/channels/sms/status"
)

// Endpoint is who receives what people say; *headsup.Bot is one.
type Endpoint interface {
	Process(ctx context.Context, id auth.Identity, a *activity.Activity) (headsup.Answer, error)
}

// Word is what somebody has written who wants messages no more, or again.
type Word struct {
	// Reference is the conversation.
	Reference activity.Reference
	// Stop: they want them no more; else they want them again, which Answer, for YES, makes so only of those who have stopped:
	// otherwise it answers something, and the bot hears it too.
	Stop, Answer bool
	At           time.Time
}

// State is how far a message has come at Twilio.
type State string

const (
	StateSent        State = "sent"
	StateDelivered   State = "delivered"
	StateRead        State = "read"
	StateFailed      State = "failed"
	StateUndelivered State = "undelivered"
)

// Status tells what became of a message.
type Status struct {
	// Reference is the conversation, Message Twilio's id, and Key the one that the message was sent under.
	Reference activity.Reference
	Message   activity.ID
	Key       string
	State     State
	// Code is Twilio's, and Reason what it means; Suspends says that nothing comes to the number. For messages that did not arrive.
	Code     int
	Reason   string
	Suspends bool
	At       time.Time
}

// stops and starts are the words by themselves, in any case (Twilio, "Twilio support for opt-out keywords"). Twilio answers HELP
// and INFO itself.
var (
	stops  = []string{"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
	starts = []string{"START", yes, "UNSTOP"}
	helps  = []string{"HELP", "INFO"}
)

// yes lets messages begin again, and may be an answer too.
const yes = "YES"

// maxForm is the largest body of a webhook.
const maxForm = 64 << 10

// callback is where Twilio tells what becomes of the message under a key; empty if it cannot be reached safely.
func (c *Channel) callback(key string) string {
	if c.cfg.PublicURL == nil || c.cfg.AuthToken == "" {
		return ""
	}
	base := c.cfg.PublicURL()
	if !strings.HasPrefix(base, "https://") {
		return ""
	}
	back := base + StatusPath
	if key != "" {
		back += "?" + url.Values{"key": {key}}.Encode()
	}
	return back
}

// Inbound is the webhook for what people write. What they write becomes a message to the bot, but for the words that are for
// [Config].Said. The answer asks Twilio to say nothing; what the bot says goes its own way.
func (c *Channel) Inbound(bot Endpoint) http.Handler {
	return c.webhook(func(ctx context.Context, form url.Values, _ *http.Request) error {
		from, err := Parse(form.Get("From"))
		if err != nil {
			return nil //nolint:nilerr // a short code, or a name: nobody who can be answered
		}
		ref := c.Reference(from)
		stop, help, is := word(form)
		answer := is && strings.EqualFold(strings.TrimSpace(form.Get("Body")), yes)
		switch {
		case help:
			return nil
		case is:
			if c.cfg.Said != nil {
				if err := c.cfg.Said(ctx, Word{Reference: ref, Stop: stop, Answer: answer, At: c.cfg.Now()}); err != nil {
					return err
				}
			}
			if !answer {
				return nil
			}
		}
		a := activity.Message(strings.ToValidUTF8(strings.ReplaceAll(form.Get("Body"), "\x00", ""), "\uFFFD"))
		ref.Incoming(a)
		a.ID, a.TextFormat = activity.ID(form.Get("MessageSid")), activity.TextPlain
		a.Timestamp = activity.TimeOf(c.cfg.Now())
		if n, err := strconv.Atoi(form.Get("NumMedia")); err == nil {
			for i := range min(n, maxMedia) {
				if u := form.Get(fmt.Sprint("MediaUrl", i)); strings.HasPrefix(u, "https://") {
					a.Attachments = append(a.Attachments, activity.Attachment{ContentType: form.Get(fmt.Sprint("MediaContentType", i)), ContentURL: u})
				}
			}
		}
		if a.Text == "" && len(a.Attachments) == 0 {
			return nil
		}
		_, err = bot.Process(ctx, auth.Identity{Kind: auth.KindEmbedded, ServiceURL: a.ServiceURL}, a)
		return err
	})
}

const maxMedia = 10

// word reports whether a message is one of the words, and which.
func word(form url.Values) (stop, help, is bool) {
	said := strings.ToUpper(strings.TrimSpace(form.Get("Body")))
	if kind := strings.ToUpper(form.Get("OptOutType")); kind != "" { // Twilio has its own list, and has acted by it
		said = kind
	}
	switch {
	case slices.Contains(stops, said):
		return true, false, true
	case slices.Contains(starts, said):
		return false, false, true
	}
	return false, slices.Contains(helps, said), false
}

// Statuses is the webhook for what becomes of messages, which is for [Config].Told.
func (c *Channel) Statuses() http.Handler {
	return c.webhook(func(ctx context.Context, form url.Values, r *http.Request) error {
		to, err := Parse(form.Get("To"))
		if err != nil || c.cfg.Told == nil {
			return nil //nolint:nilerr // nobody that was written to
		}
		s := Status{
			Reference: c.Reference(to), Message: activity.ID(form.Get("MessageSid")), Key: r.URL.Query().Get("key"),
			State: State(strings.ToLower(form.Get("MessageStatus"))), At: c.cfg.Now(),
		}
		switch s.State {
		case StateFailed, StateUndelivered:
			s.Code, _ = strconv.Atoi(form.Get("ErrorCode"))
			told := judge(0, s.Code)
			s.Reason, s.Suspends = told.Reason, told.Suspends
		case StateSent, StateDelivered, StateRead:
		default:
			return nil // on its way
		}
		return c.cfg.Told(ctx, s)
	})
}

// webhook lets in what Twilio has signed.
func (c *Channel) webhook(take func(ctx context.Context, form url.Values, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
		if err != nil {
			status := http.StatusBadRequest
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				status = http.StatusRequestEntityTooLarge
			}
			http.Error(w, http.StatusText(status), status)
			return
		}
		form, err := c.verify(r, body)
		if err != nil {
			status := http.StatusForbidden
			if errors.Is(err, errForm) {
				status = http.StatusUnsupportedMediaType
			}
			http.Error(w, err.Error(), status)
			return
		}
		if err := take(r.Context(), form, r); err != nil {
			c.cfg.Logger.WarnContext(r.Context(), "webhook of Twilio not taken", "path", r.URL.Path, "error", err.Error())
			http.Error(w, "could not be taken; send it again later", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Response></Response>`)
	})
}

var (
	errForm      = errors.New("the body must be a form")
	errSignature = errors.New("X-Twilio-Signature does not fit")
)

// verify checks that Twilio has signed a request for the public URL, and reads its form (Twilio, "Webhooks security"): the URL
// as Twilio was told it, with all fields by their names behind it; for a body of another kind the URL has its hash.
func (c *Channel) verify(r *http.Request, body []byte) (url.Values, error) {
	got, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Twilio-Signature"))
	if err != nil || len(got) != sha1.Size || c.cfg.AuthToken == "" || c.cfg.PublicURL == nil {
		return nil, errSignature
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		if sum := sha256.Sum256(body); hmac.Equal([]byte(r.URL.Query().Get("bodySHA256")), []byte(hex.EncodeToString(sum[:]))) &&
			c.fits(r, "", got) {
			return nil, errForm // it is Twilio, and what it tells is not for here
		}
		return nil, errSignature
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errForm
	}
	var behind strings.Builder
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Compact(slices.Sorted(slices.Values(form[name])))
		for _, value := range values {
			behind.WriteString(name + value)
		}
	}
	if !c.fits(r, behind.String(), got) {
		return nil, errSignature
	}
	return form, nil
}

// fits reports whether a signature is that of the request's URL and what stands behind it. Twilio signs the URL with the port or
// without.
func (c *Channel) fits(r *http.Request, behind string, got []byte) bool {
	base, err := url.Parse(c.cfg.PublicURL())
	if err != nil {
		return false
	}
	rest := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		rest += "?" + r.URL.RawQuery
	}
	port := "443"
	if base.Scheme == "http" {
		port = "80"
	}
	hosts := []string{base.Host, base.Hostname()}
	if base.Port() == "" {
		hosts[1] = base.Host + ":" + port
	}
	fits := false
	for _, host := range hosts {
		mac := hmac.New(sha1.New, []byte(c.cfg.AuthToken))
		_, _ = mac.Write([]byte(base.Scheme + "://" + host + rest + behind))
		fits = hmac.Equal(mac.Sum(nil), got) || fits
	}
	return fits
}
