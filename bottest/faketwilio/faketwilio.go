// Package faketwilio is Twilio's API for messages, for tests: it checks every request against the description that Twilio
// publishes, answers as that says, and posts signed webhooks.
//
//	twilio := faketwilio.Start(faketwilio.Config{})
//	defer twilio.Close()
//	… sms.Config{BaseURL: twilio.URL, AccountSID: twilio.AccountSID(), AuthToken: twilio.AuthToken(), From: "+15550001111"}
//	twilio.Messages() // what was sent
package faketwilio

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what Twilio signs with
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// description is the operation that sends messages, as Twilio publishes it; LICENSE.twilio-oai is its licence.
//
//go:embed messages.json
var description []byte

// Config says how the API behaves. The zero value takes everything that is in order.
type Config struct {
	// Answer is asked before a message is taken, which is in order; a reply that is not nil is given instead. May be nil.
	Answer func(form url.Values) *Reply
	// Taken is called when a message is taken, before the answer; hangUp loses that. May be nil.
	Taken func(m Message, hangUp func())
	// Status is the account's. Empty is active.
	Status string
	// APIKey and APIKeySecret are a standard key, which is taken for everything but the account. None, if empty.
	APIKey, APIKeySecret string
	// Numbers are the account's.
	Numbers []Number
	// Asked is asked before the account or its numbers are shown; a reply that is not nil is given instead. May be nil.
	Asked func(path string) *Reply
}

// Number is one that the account has.
type Number struct {
	Number string
	// NoSMS: it is for calls only.
	NoSMS bool
	// URL is where it posts what people write, by Method. Application is a TwiML application in place of both.
	URL, Method, Application string
}

// Reply is an answer of the API: a status with one of Twilio's codes.
type Reply struct {
	Status, Code int
	Message      string
	RetryAfter   string
	// Raw is the whole body, in place of one with Code and Message.
	Raw string
}

// Message is what was taken.
type Message struct {
	SID  string
	Form url.Values
}

// Server is the API on a loopback address.
type Server struct {
	*httptest.Server

	cfg   Config
	api   api
	token string
	sid   string

	mu       sync.Mutex
	messages []Message     // guarded by mu
	wrong    []string      // guarded by mu
	news     chan struct{} // guarded by mu; closed when something arrives
}

// Start starts a server.
func Start(cfg Config) *Server {
	s := &Server{cfg: cfg, sid: "AC" + digits(), token: digits(), news: make(chan struct{})}
	if err := json.Unmarshal(description, &s.api); err != nil {
		panic(err) // it is embedded
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2010-04-01/Accounts/{account}/Messages.json", s.send)
	mux.HandleFunc("GET /2010-04-01/Accounts/{account}", s.account)
	mux.HandleFunc("GET /2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json", s.numbers)
	s.Server = httptest.NewServer(mux)
	return s
}

// digits are 32 random hexadecimal ones.
func digits() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// AccountSID and AuthToken are those of the account.
func (s *Server) AccountSID() string { return s.sid }

// AuthToken is the account's.
func (s *Server) AuthToken() string { return s.token }

// Messages are those that were taken, the first first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Wrong says what was wrong with requests, by the description.
func (s *Server) Wrong() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wrong)
}

// Wait waits until n messages were taken, and returns all there are.
func (s *Server) Wait(n int, patience time.Duration) ([]Message, error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		s.mu.Lock()
		all, news := slices.Clone(s.messages), s.news
		s.mu.Unlock()
		if len(all) >= n {
			return all, nil
		}
		select {
		case <-news:
		case <-limit.C:
			return all, fmt.Errorf("%d of %d messages were taken in %v", len(all), n, patience)
		}
	}
}

// Sign is the signature of a webhook that is posted to a URL with a form.
func (s *Server) Sign(to string, form url.Values) string {
	text := to
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range form[name] {
			text += name + value
		}
	}
	mac := hmac.New(sha1.New, []byte(s.token))
	_, _ = mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// api is the part of the description that is looked at.
type api struct {
	Paths map[string]map[string]struct {
		Parameters []struct {
			Name   string `json:"name"`
			Schema schema `json:"schema"`
		} `json:"parameters"`
		RequestBody struct {
			Content map[string]struct {
				Schema schema `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
		Responses map[string]struct {
			Content map[string]struct {
				Schema schema `json:"schema"`
			} `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

// schema is what is used of OpenAPI's.
type schema struct {
	Ref        string            `json:"$ref"`
	Type       string            `json:"type"`
	Format     string            `json:"format"`
	Pattern    string            `json:"pattern"`
	MinLength  int               `json:"minLength"`
	MaxLength  int               `json:"maxLength"`
	Enum       []string          `json:"enum"`
	Nullable   bool              `json:"nullable"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
}

const operation = "/2010-04-01/Accounts/{AccountSid}/Messages.json"

// of follows a reference.
func (a api) of(s schema) schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return a.Components.Schemas[name]
	}
	return s
}

// fits says what is wrong with a value by its schema; nothing if it is in order.
func (a api) fits(name, value string, s schema) string {
	s = a.of(s)
	if s.Pattern != "" && !matches(s.Pattern, value) {
		return fmt.Sprintf("%s: %q does not match %s", name, value, s.Pattern)
	}
	if s.MinLength > 0 && len(value) < s.MinLength || s.MaxLength > 0 && len(value) > s.MaxLength {
		return fmt.Sprintf("%s: %q has not %d to %d characters", name, value, s.MinLength, s.MaxLength)
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, value) {
		return fmt.Sprintf("%s: %q is none of %v", name, value, s.Enum)
	}
	var err error
	switch {
	case s.Type == "boolean":
		_, err = strconv.ParseBool(value)
	case s.Type == "integer":
		_, err = strconv.Atoi(value)
	case s.Type == "number":
		_, err = strconv.ParseFloat(value, 64)
	case s.Format == "uri":
		var u *url.URL
		if u, err = url.Parse(value); err == nil && u.Host == "" {
			err = fmt.Errorf("%q has no host", value)
		}
	}
	if err != nil {
		return name + ": " + err.Error()
	}
	return ""
}

// matches reports whether a value is one of Twilio's ids, which all patterns of the description are for: two letters and 32
// hexadecimal digits. A pattern of another form matches nothing.
func matches(pattern, value string) bool {
	letters, ok := strings.CutSuffix(strings.TrimPrefix(pattern, "^"), "[0-9a-fA-F]{32}$")
	return ok && len(letters) == 2 && strings.HasPrefix(value, letters) && hexDigits.MatchString(value[2:])
}

var hexDigits = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)

// check says what is wrong with a request, by the description.
func (s *Server) check(account, contentType string, form url.Values) (wrong []string) {
	op := s.api.Paths[operation]["post"]
	for _, p := range op.Parameters {
		if w := s.api.fits(p.Name, account, p.Schema); w != "" {
			wrong = append(wrong, w)
		}
	}
	kind, _, err := mime.ParseMediaType(contentType)
	body, ok := op.RequestBody.Content[kind]
	if err != nil || !ok {
		return append(wrong, fmt.Sprintf("the content type %q is not described", contentType))
	}
	request := s.api.of(body.Schema)
	for _, name := range request.Required {
		if form.Get(name) == "" {
			wrong = append(wrong, name+" is required")
		}
	}
	for name, values := range form {
		property, known := request.Properties[name]
		switch {
		case !known:
			wrong = append(wrong, name+" is not described")
		case len(values) != 1 && property.Type != "array":
			wrong = append(wrong, name+" is there more than once")
		default:
			for _, value := range values {
				if w := s.api.fits(name, value, property); w != "" {
					wrong = append(wrong, w)
				}
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// known reports whether a request shows the account's credentials, and says so if it does not.
func (s *Server) known(w http.ResponseWriter, r *http.Request, account string) bool {
	user, password, ok := r.BasicAuth()
	key := s.cfg.APIKey != "" && user == s.cfg.APIKey && password == s.cfg.APIKeySecret && r.PathValue("account") == account
	if !ok || !key && (user != s.sid || password != s.token) || account != s.sid {
		s.refuse(w, Reply{Status: http.StatusUnauthorized, Code: 20003, Message: "Authenticate"})
		return false
	}
	return true
}

func (s *Server) refuse(w http.ResponseWriter, r Reply) {
	w.Header().Set("Content-Type", "application/json")
	if r.RetryAfter != "" {
		w.Header().Set("Retry-After", r.RetryAfter)
	}
	w.WriteHeader(r.Status)
	if r.Raw != "" {
		_, _ = w.Write([]byte(r.Raw))
		return
	}
	_ = json.MarshalWrite(w, map[string]any{
		"code": r.Code, "message": r.Message, "more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%d", r.Code), "status": r.Status,
	})
}

func (s *Server) account(w http.ResponseWriter, r *http.Request) {
	account := strings.TrimSuffix(r.PathValue("account"), ".json")
	if !s.known(w, r, account) || s.asked(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, map[string]string{"sid": account, "status": cmp.Or(s.cfg.Status, "active")})
}

// asked reports whether a test wants something else answered.
func (s *Server) asked(w http.ResponseWriter, r *http.Request) bool {
	if s.cfg.Asked == nil {
		return false
	}
	reply := s.cfg.Asked(r.URL.Path)
	if reply != nil {
		s.refuse(w, *reply)
	}
	return reply != nil
}

// numbers shows those that begin as is asked (Twilio, "IncomingPhoneNumber resource").
func (s *Server) numbers(w http.ResponseWriter, r *http.Request) {
	if !s.known(w, r, r.PathValue("account")) || s.asked(w, r) {
		return
	}
	page := []any{}
	for _, n := range s.cfg.Numbers {
		if strings.Contains(n.Number, r.URL.Query().Get("PhoneNumber")) {
			page = append(page, map[string]any{
				"phone_number": n.Number, "sms_url": n.URL, "sms_method": cmp.Or(n.Method, http.MethodPost), "sms_application_sid": n.Application,
				"capabilities": map[string]bool{"sms": !n.NoSMS, "mms": false, "voice": true},
			})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, map[string]any{"incoming_phone_numbers": page})
}

// dialled are what a message goes to.
var dialled = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	account := r.PathValue("account")
	if err := r.ParseForm(); err != nil || !s.known(w, r, account) {
		return
	}
	form := r.PostForm
	if wrong := s.check(account, r.Header.Get("Content-Type"), form); len(wrong) > 0 {
		s.mu.Lock()
		s.wrong = append(s.wrong, wrong...)
		s.mu.Unlock()
		s.refuse(w, Reply{Status: http.StatusBadRequest, Code: 20001, Message: strings.Join(wrong, "; ")})
		return
	}
	// What the description says in words.
	switch {
	case !dialled.MatchString(form.Get("To")):
		s.refuse(w, Reply{Status: http.StatusBadRequest, Code: 21211, Message: "Invalid 'To' Phone Number"})
		return
	case (form.Get("From") == "") == (form.Get("MessagingServiceSid") == ""):
		s.refuse(w, Reply{Status: http.StatusBadRequest, Code: 21603, Message: "A 'From' phone number is required"})
		return
	case form.Get("Body") == "":
		s.refuse(w, Reply{Status: http.StatusBadRequest, Code: 21602, Message: "Message body is required"})
		return
	}
	if s.cfg.Answer != nil {
		if reply := s.cfg.Answer(form); reply != nil {
			s.refuse(w, *reply)
			return
		}
	}
	m := Message{SID: "SM" + digits(), Form: form}
	s.mu.Lock()
	s.messages = append(s.messages, m)
	close(s.news)
	s.news = make(chan struct{})
	s.mu.Unlock()
	if s.cfg.Taken != nil {
		s.cfg.Taken(m, func() { panic(http.ErrAbortHandler) })
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(s.made(account, m))
}

// made is the answer for a message: every member of the description, and nothing else.
func (s *Server) made(account string, m Message) []byte {
	known := map[string]any{
		"account_sid": account, "api_version": "2010-04-01", "body": m.Form.Get("Body"), "direction": "outbound-api", "num_media": "0",
		"num_segments": "1", "sid": m.SID, "status": "queued", "to": m.Form.Get("To"),
		"uri":              "/2010-04-01/Accounts/" + account + "/Messages/" + m.SID + ".json",
		"subresource_uris": map[string]string{"media": "/2010-04-01/Accounts/" + account + "/Messages/" + m.SID + "/Media.json"},
		"date_created":     time.Now().UTC().Format(time.RFC1123Z), "date_updated": time.Now().UTC().Format(time.RFC1123Z),
	}
	for field, name := range map[string]string{"from": "From", "messaging_service_sid": "MessagingServiceSid"} {
		if v := m.Form.Get(name); v != "" {
			known[field] = v
		}
	}
	message := s.api.of(s.api.Paths[operation]["post"].Responses["201"].Content["application/json"].Schema)
	out := make(map[string]any, len(message.Properties))
	for name := range message.Properties {
		out[name] = known[name] // null where there is nothing
	}
	raw, err := json.Marshal(out, json.Deterministic(true), jsontext.WithIndent(" "))
	if err != nil {
		panic(err) // texts always encode
	}
	return raw
}
