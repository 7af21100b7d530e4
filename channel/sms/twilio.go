package sms

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/pace"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 64 << 10

// lenient reads JSON of services: what they repeat or misspell is not ours to refuse.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// post has Twilio send a message (Twilio, "Messages resource"). SmartEncoded has quotes and dashes written as fits more into a
// segment.
func (c *Channel) post(ctx context.Context, to, text, key string) (activity.ResourceResponse, error) {
	form := url.Values{"To": {to}, "Body": {text}, "SmartEncoded": {"true"}}
	if c.cfg.From != "" {
		form.Set("From", c.cfg.From)
	} else {
		form.Set("MessagingServiceSid", c.cfg.MessagingService)
	}
	if back := c.callback(key); back != "" {
		form.Set("StatusCallback", back)
	}
	status, body, err := c.call(ctx, http.MethodPost, "/Messages.json", form)
	if err != nil {
		return activity.ResourceResponse{}, err
	}
	if status < 200 || status > 299 {
		return activity.ResourceResponse{}, c.refused(status, body)
	}
	var made struct {
		SID string `json:"sid"`
	}
	_ = json.Unmarshal(body.raw, &made, lenient) // it was taken all the same
	return activity.ResourceResponse{ID: activity.ID(made.SID)}, nil
}

// Check asks Twilio for the account, which takes the right credentials and sends nothing. Accounts are shown to no API key but a
// main one (Twilio, "API keys overview"), so that numbers are asked for with one. The error is a [*headsup.SendError].
func (c *Channel) Check(ctx context.Context) error {
	if c.cfg.APIKey != "" {
		_, err := c.get(ctx, numbersPath+"?PageSize=1")
		return err
	}
	raw, err := c.get(ctx, ".json")
	if err != nil {
		return err
	}
	var account struct {
		Status string `json:"status"`
	}
	_ = json.Unmarshal(raw, &account, lenient) // the credentials were taken all the same
	if account.Status == "suspended" || account.Status == "closed" {
		return &headsup.SendError{
			Meaning: headsup.MeaningThrottled, Reason: ReasonSuspended, Scope: pace.LevelBot, Status: http.StatusOK,
			Err: fmt.Errorf("the account is %s", account.Status),
		}
	}
	return nil
}

// Number is what Twilio knows of the number that messages are from.
type Number struct {
	// SMS: it can send text messages.
	SMS bool
	// Inbound is where Twilio posts what people write to it, and Method how. Empty is nowhere.
	Inbound, Method string
	// Elsewhere: an application of Twilio's says where, and not the number.
	Elsewhere bool
}

const numbersPath = "/IncomingPhoneNumbers.json"

// Number looks up the number that messages are from (Twilio, "IncomingPhoneNumber resource"). found is false where the account has
// none such. The error is a [*headsup.SendError].
func (c *Channel) Number(ctx context.Context) (n Number, found bool, err error) {
	raw, err := c.get(ctx, numbersPath+"?"+url.Values{"PhoneNumber": {c.cfg.From}}.Encode())
	if err != nil {
		return n, false, err
	}
	var page struct {
		Numbers []struct {
			Number       string `json:"phone_number"`
			URL          string `json:"sms_url"`
			Method       string `json:"sms_method"`
			Application  string `json:"sms_application_sid"`
			Capabilities struct {
				SMS bool `json:"sms"`
			} `json:"capabilities"`
		} `json:"incoming_phone_numbers"`
	}
	if err := json.Unmarshal(raw, &page, lenient); err != nil {
		return n, false, &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "service_error", Status: http.StatusOK, Err: err}
	}
	for _, one := range page.Numbers { // others may begin so
		if one.Number == c.cfg.From {
			return Number{one.Capabilities.SMS, one.URL, one.Method, one.Application != ""}, true, nil
		}
	}
	return n, false, nil
}

// get reads a resource of the account.
func (c *Channel) get(ctx context.Context, path string) ([]byte, error) {
	status, body, err := c.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, c.refused(status, body)
	}
	return body.raw, nil
}

// answer is what Twilio has said.
type answer struct {
	raw   []byte
	after time.Duration
}

// call calls the API. Its error, a [*headsup.SendError], is for a call that had no answer.
func (c *Channel) call(ctx context.Context, method, path string, form url.Values) (int, answer, error) {
	wrote := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote = true }})
	r, err := http.NewRequestWithContext(ctx, method, c.cfg.BaseURL+"/2010-04-01/Accounts/"+c.cfg.AccountSID+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, answer{}, permanent("bad_argument", err)
	}
	r.GetBody = nil // or the transport might send it twice by itself
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "application/json")
	if c.cfg.APIKey != "" {
		r.SetBasicAuth(c.cfg.APIKey, c.cfg.APIKeySecret)
	} else {
		r.SetBasicAuth(c.cfg.AccountSID, c.cfg.AuthToken)
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return 0, answer{}, unanswered(err, wrote)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the status is the answer
	return resp.StatusCode, answer{raw, retryAfter(resp.Header.Get("Retry-After"))}, nil
}

// unanswered is what it means that there was no answer.
func unanswered(err error, wrote bool) *headsup.SendError {
	if wrote {
		return &headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "no_answer", Err: err}
	}
	e := &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "unreachable", Scope: pace.LevelBot, Unreached: true, Err: err}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		e.Reason = headsup.ReasonTLS
	}
	return e
}

// retryAfter is how long Twilio asks to wait, between a second and an hour; 0 when it does not say.
func retryAfter(header string) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(header))
	if err != nil || n <= 0 {
		return 0
	}
	return min(max(time.Duration(n)*time.Second, time.Second), time.Hour)
}

// refused is what an answer means that is not what was hoped for.
func (c *Channel) refused(status int, a answer) *headsup.SendError {
	var said struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(a.raw, &said, lenient) // HTML, say, tells nothing
	e := judge(status, said.Code)
	e.RetryAfter = a.after
	e.Err = &Error{Status: status, Code: said.Code, Message: said.Message}
	return e
}

// Error is an answer of Twilio.
type Error struct {
	Status, Code int
	// Message is Twilio's. It may name the recipient.
	Message string
}

const longestWords = 300

func (e *Error) Error() string {
	words := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(e.Message, "?"))), " ")
	if runes := []rune(words); len(runes) > longestWords {
		words = string(runes[:longestWords]) + "..."
	}
	if e.Code == 0 {
		return strings.TrimSpace(fmt.Sprintf("twilio: status %d %s", e.Status, words))
	}
	return strings.TrimSpace(fmt.Sprintf("twilio: status %d, error %d: %s", e.Status, e.Code, words))
}
