package email

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/internal/signed"
)

// Providers post a mail that came in as a whole, too, if they are asked to, but inside something else, and vouch for it with a
// password in the URL: SendGrid's Inbound Parse ("POST the raw, full MIME message") in a form's field, Mailgun's routes to a URL
// that ends in "mime" in another one, Postmark's inbound webhook ("Include raw email content") in a member of JSON.

// fields are the fields of forms that hold a mail.
var fields = []string{"email", "body-mime"}

// errType: nothing that could hold a mail.
var errType = errors.New("the body must be a mail (message/rfc822), a form with a mail in the field email or body-mime, or JSON with a mail in RawEmail")

// mailIn takes the mail out of a request. Its error is for whoever has posted it.
func mailIn(contentType string, body []byte) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, errType
	}
	switch kind {
	case "message/rfc822":
		return body, nil
	case "multipart/form-data":
		return mailInParts(multipart.NewReader(bytes.NewReader(body), params["boundary"]))
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, errors.New("the form cannot be read")
		}
		for _, f := range fields {
			if form.Has(f) {
				return []byte(form.Get(f)), nil
			}
		}
		return nil, errNoField
	case "application/json":
		var about struct {
			RawEmail string `json:"RawEmail"`
		}
		if err := json.Unmarshal(body, &about, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
			return nil, errors.New("the JSON cannot be read")
		}
		if about.RawEmail == "" {
			return nil, errors.New("RawEmail is missing: have the provider include the raw mail")
		}
		return []byte(about.RawEmail), nil
	}
	return nil, errType
}

var errNoField = errors.New("the form has no field email or body-mime: have the provider post the raw mail")

func mailInParts(parts *multipart.Reader) ([]byte, error) {
	for range maxFields {
		part, err := parts.NextRawPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil, errNoField
		case err != nil:
			return nil, errors.New("the form cannot be read")
		}
		for _, f := range fields {
			if part.FormName() == f {
				mail, err := io.ReadAll(part)
				if err != nil {
					return nil, errors.New("the form cannot be read")
				}
				return mail, nil
			}
		}
	}
	return nil, errNoField
}

// maxFields bounds how many fields of a form are looked at: providers send some twenty, and one for each attached file.
const maxFields = 1000

// inboundAtOnce is how many are read at once of whom nobody knows yet: signatures are of the whole, which has to be in memory.
const inboundAtOnce = 8

// vouched reads the body of a request that has one of the secrets as its password, or is signed with one. Others are refused.
func (c *Channel) vouched(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	unknown := func(err error) ([]byte, bool) {
		w.Header().Set("WWW-Authenticate", `Basic realm="mail"`)
		refuse(w, http.StatusUnauthorized, err.Error())
		return nil, false
	}
	_, password, known := r.BasicAuth()
	if known && !slices.ContainsFunc(c.secrets, func(s signed.Secret) bool { return s.Is(password) }) {
		return unknown(errors.New("the password is not that of mails that come in"))
	}
	if !known {
		select {
		case c.reading <- struct{}{}:
			defer func() { <-c.reading }()
		default:
			w.Header().Set("Retry-After", "5")
			refuse(w, http.StatusServiceUnavailable, "others are posting mails; send it again later")
			return nil, false
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxInbound))
	if err != nil {
		status := http.StatusBadRequest
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			status = http.StatusRequestEntityTooLarge
		}
		refuse(w, status, "the mail cannot be read, or is too large")
		return nil, false
	}
	if !known {
		if _, err := signed.Verify(c.secrets, r.Header, body, c.cfg.Now()); err != nil {
			return unknown(err)
		}
	}
	return body, true
}
