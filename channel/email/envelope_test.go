package email_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/internal/signed"
)

// TestMailsAsProvidersPostThem: whole, but inside something else, and with a password.
func TestMailsAsProvidersPostThem(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	mail := strings.ReplaceAll(fmt.Sprintf(answer, d.sent), "\n", "\r\n")
	form := func(field string) (kind, body string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		_ = w.WriteField("to", "bot@example.com")
		_ = w.WriteField(field, mail)
		_ = w.WriteField("envelope", `{"from":"ann@example.org"}`)
		_ = w.Close()
		return w.FormDataContentType(), b.String()
	}
	sendgrid, ofSendGrid := form("email")
	mailgun, ofMailgun := form("body-mime")
	parsed, ofParsed := form("text")
	const urlencoded = "application/x-www-form-urlencoded"
	postmark, err := json.Marshal(map[string]any{"From": "ann@example.org", "TextBody": "x", "RawEmail": mail, "Attachments": []string{}})
	if err != nil {
		t.Fatal(err)
	}
	heard := 0
	for name, c := range map[string]struct {
		kind, body, password string
		want                 int
	}{
		"SendGrid":           {sendgrid, ofSendGrid, d.key.Text(), http.StatusOK},
		"Mailgun":            {mailgun, ofMailgun, d.key.Text(), http.StatusOK},
		"Mailgun, no files":  {urlencoded, url.Values{"recipient": {"bot@example.com"}, "body-mime": {mail}}.Encode(), d.key.Text(), http.StatusOK},
		"Postmark":           {"application/json; charset=utf-8", string(postmark), d.key.Text(), http.StatusOK},
		"bare":               {"message/rfc822", mail, d.key.Text(), http.StatusOK},
		"from a pipe":        {"message/rfc822", "From ann@example.org  Sun Nov 22 10:00:00 2026\n" + mail, d.key.Text(), http.StatusOK},
		"without its prefix": {"message/rfc822", mail, strings.TrimPrefix(d.key.Text(), "whsec_"), http.StatusOK},
		"another password":   {"message/rfc822", mail, signed.NewSecret().Text(), http.StatusUnauthorized},
		"no password":        {"message/rfc822", mail, "", http.StatusUnauthorized},
		"taken apart":        {parsed, ofParsed, d.key.Text(), http.StatusBadRequest},
		"no form at all":     {sendgrid, "x", d.key.Text(), http.StatusBadRequest},
		"no boundary":        {"multipart/form-data", ofSendGrid, d.key.Text(), http.StatusBadRequest},
		"another form":       {urlencoded, "text=x", d.key.Text(), http.StatusBadRequest},
		"a broken form":      {urlencoded, "%zz", d.key.Text(), http.StatusBadRequest},
		"Postmark, no mail":  {"application/json", `{"TextBody":"x"}`, d.key.Text(), http.StatusBadRequest},
		"no JSON":            {"application/json", `{`, d.key.Text(), http.StatusBadRequest},
		"a page":             {"text/html", mail, d.key.Text(), http.StatusUnsupportedMediaType},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		r.SetBasicAuth("headsup", c.password)
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, r)
		if w.Code != c.want || w.Code == http.StatusOK && !strings.Contains(w.Body.String(), `"message"`) {
			t.Errorf("%s: %d %s; want %d", name, w.Code, w.Body, c.want)
		}
		if w.Code == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: who is not believed is not asked for a password", name)
		}
		if c.want == http.StatusOK {
			heard++
		}
	}
	if len(d.bot.heard) != heard {
		t.Fatalf("the bot has heard %d of %d", len(d.bot.heard), heard)
	}
	for _, a := range d.bot.heard {
		if a.Text != "Ich komme aus Zürich." {
			t.Errorf("the bot has heard %q", a.Text)
		}
	}
}

// TestFewMailsAreReadAtOnce: whoever posts without a password may keep others who do so waiting, but not those who have one, and
// not fill the memory.
func TestFewMailsAreReadAtOnce(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	var reading, ended sync.WaitGroup
	end := make(chan struct{})
	for range 8 {
		reading.Add(1)
		ended.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", &slowBody{read: reading.Done, end: end})
			w := httptest.NewRecorder()
			if d.handler.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
				t.Errorf("a slow one was answered %d", w.Code)
			}
		})
	}
	reading.Wait()
	mail := fmt.Sprintf(answer, d.sent)
	if code, body := d.post(mail); code != http.StatusServiceUnavailable {
		t.Errorf("one more beside eight: %d %s", code, body)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(mail))
	r.Header.Set("Content-Type", "message/rfc822")
	r.SetBasicAuth("headsup", d.key.Text())
	w := httptest.NewRecorder()
	if d.handler.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Errorf("with a password: %d %s", w.Code, w.Body)
	}
	close(end)
	ended.Wait()
	if code, body := d.post(mail); code != http.StatusOK {
		t.Errorf("afterwards: %d %s", code, body)
	}
}

// slowBody is a body that comes at its end.
type slowBody struct {
	read func()
	end  chan struct{}
	once sync.Once
}

func (b *slowBody) Read([]byte) (int, error) {
	b.once.Do(b.read)
	<-b.end
	return 0, io.EOF
}
