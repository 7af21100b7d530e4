package directline_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

// part is one part of an upload.
type part struct{ field, file, kind, body string }

// form makes a multipart body and its content type.
func form(t *testing.T, parts ...part) (io.Reader, string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		disposition := fmt.Sprintf(`form-data; name=%q`, p.field)
		if p.file != "" {
			disposition += fmt.Sprintf(`; filename=%q`, p.file)
		}
		h.Set("Content-Disposition", disposition)
		if p.kind != "" {
			h.Set("Content-Type", p.kind)
		}
		out, err := w.CreatePart(h)
		if err == nil {
			_, err = io.WriteString(out, p.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &buf, w.FormDataContentType()
}

const activityKind = "application/vnd.microsoft.activity"

func (r *rig) upload(o opened, query string, parts ...part) answer {
	r.t.Helper()
	body, kind := form(r.t, parts...)
	return r.do("POST", o.path()+"/upload"+query, o.Token, body, "Content-Type", kind)
}

// download gets what an attachment's URL points at.
func (r *rig) download(contentURL string) answer {
	r.t.Helper()
	u, err := url.Parse(contentURL)
	if err != nil || !strings.HasPrefix(contentURL, r.srv.URL+"/") {
		r.t.Fatalf("content URL %q: %v", contentURL, err)
	}
	return r.do("GET", u.EscapedPath(), "", nil)
}

func TestUploadMatchesFilesByName(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	a := r.upload(o, "?userId=dl_ann",
		part{"activity", "blob", activityKind, `{"type":"message","text":"two","channelData":{"clientActivityID":"c1"},
			"from":{"id":"dl_bob"},"attachments":[
			{"name":"a.png","contentType":"image/png"},{"name":"b.txt","contentType":"text/plain"},
			{"contentType":"application/vnd.microsoft.card.hero","content":{"title":"t"}},{"name":"missing.png","contentType":"image/png"}]}`},
		part{"file", "b.txt", "text/plain", "text"}, // in the order in which the client got hold of them
		part{"file", "a.png", "image/png", "picture"},
	)
	if a.status != http.StatusOK || decode[activity.ResourceResponse](t, a).ID == "" {
		t.Fatalf("upload: %d %s", a.status, a.body)
	}
	got := r.poll(o, "").Activities[0]
	if got.Text != "two" || got.From.ID != "dl_ann" || string(got.ChannelData) != `{"clientActivityID":"c1"}` || len(got.Attachments) != 3 {
		t.Fatalf("the message is %+v", got)
	}
	for i, want := range []struct{ name, kind, body string }{{"a.png", "image/png", "picture"}, {"b.txt", "text/plain", "text"}} {
		at := got.Attachments[i]
		if at.Name != want.name || at.ContentType != want.kind {
			t.Errorf("attachment %d is %+v", i, at)
		}
		file := r.download(at.ContentURL)
		if file.status != 200 || string(file.body) != want.body || file.header.Get("Content-Type") != want.kind {
			t.Errorf("%s: %d %q %v", at.ContentURL, file.status, file.body, file.header)
		}
	}
	told := r.told()
	if heard := told[len(told)-1]; len(heard.Attachments) != 3 || heard.Attachments[0].ContentURL != got.Attachments[0].ContentURL {
		t.Errorf("the bot heard %+v", heard)
	}
}

func TestUploadTwoFilesOfOneName(t *testing.T) {
	t.Parallel()
	for name, template := range map[string]string{
		"with a template": `{"type":"message","attachments":[{"name":"a.txt","contentType":"text/plain"},{"name":"a.txt","contentType":"text/plain"}]}`,
		"without":         `{"type":"message"}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			o := r.join("dl_ann")
			a := r.upload(o, "", part{"activity", "", activityKind, template},
				part{"file", "a.txt", "text/plain", "one"}, part{"file", "a.txt", "text/plain", "two"})
			if a.status != http.StatusOK {
				t.Fatalf("upload: %d %s", a.status, a.body)
			}
			var bodies []string
			for _, at := range r.poll(o, "").Activities[0].Attachments {
				bodies = append(bodies, string(r.download(at.ContentURL).body))
			}
			if !slices.Equal(bodies, []string{"one", "two"}) {
				t.Errorf("the files are %q", bodies)
			}
		})
	}
}

func TestUploadOfABareFile(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("")
	for _, disposition := range []string{`name="file"; filename="x y.png"`, `form-data; name="file"; filename="x y.png"`} {
		a := r.do("POST", o.path()+"/upload?userId=a+b%7C1", o.Token, "picture",
			"Content-Type", "image/png", "Content-Disposition", disposition)
		if a.status != http.StatusOK {
			t.Fatalf("upload: %d %s", a.status, a.body)
		}
		set := r.poll(o, "")
		got := set.Activities[len(set.Activities)-1]
		if got.From.ID != "a+b|1" || len(got.Attachments) != 1 || got.Attachments[0].Name != "x y.png" || got.Attachments[0].ContentType != "image/png" {
			t.Errorf("the message is %+v", got)
		}
	}
}

func TestUploadedFilesRunNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	r.upload(o, "", part{"file", "../../e\"vil\r\nX: y.html", "text/html", "<script>alert(1)</script>"})
	at := r.poll(o, "").Activities[0].Attachments[0]
	a := r.download(at.ContentURL)
	h := a.header
	if h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") ||
		!strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || !strings.Contains(h.Get("Cache-Control"), "private") ||
		h.Get("X") != "" || strings.ContainsAny(at.Name, "/\\\r\n") {
		t.Errorf("%q is served with %v", at.Name, h)
	}
	id := at.ContentURL[strings.LastIndex(at.ContentURL, "/")+1:]
	if len(id) < 22 {
		t.Errorf("the id %q can be guessed", id)
	}
	for _, path := range []string{"/v3/directline/attachments/AAAAAAAAAAAAAAAAAAAAAAAAAA", "/v3/directline/attachments/1",
		"/v3/directline/attachments/" + id + "/x", "/v3/directline/attachments/%2e%2e"} {
		if a := r.do("GET", path, "", nil); a.status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, a.status)
		}
	}
	// Pictures of other origins' pages, and parts of films.
	u := strings.TrimPrefix(at.ContentURL, r.srv.URL)
	if a := r.do("GET", u, "", nil, "Origin", pageOrigin, "Range", "bytes=0-7"); a.status != 206 || string(a.body) != "<script>" ||
		a.header.Get("Access-Control-Allow-Origin") != pageOrigin {
		t.Errorf("a part: %d %q %v", a.status, a.body, a.header)
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, func(c *directline.Config) { c.MaxUpload = 1 << 20 })
	o := r.join("dl_ann")
	many := []part{}
	for range 33 {
		many = append(many, part{"file", "a", "text/plain", "x"})
	}
	template := part{"activity", "", activityKind, `{"type":"message"}`}
	for name, tt := range map[string]struct {
		parts  []part
		status int
	}{
		"nothing":               {nil, 400},
		"two activities":        {[]part{template, template}, 400},
		"an activity like that": {[]part{{"activity", "", activityKind, `{"text":"x"}`}}, 400},
		"what is not JSON":      {[]part{{"activity", "", activityKind, `hi`}}, 400},
		"a join":                {[]part{{"activity", "", activityKind, `{"type":"conversationUpdate"}`}}, 400},
		"too many files":        {many, 400},
		"too large":             {[]part{{"file", "a", "text/plain", strings.Repeat("x", 2<<20)}}, 413},
	} {
		if a := r.upload(o, "", tt.parts...); a.status != tt.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, tt.status)
		}
	}
	for name, headers := range map[string][]string{
		"no boundary": {"Content-Type", "multipart/form-data"},
		"cut off":     {"Content-Type", "multipart/form-data; boundary=b"},
		"no file":     {"Content-Type", "image/png"},
	} {
		body := "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx"
		if name == "no file" {
			body = ""
		}
		if a := r.do("POST", o.path()+"/upload", o.Token, body, headers...); a.status != 400 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if n := len(r.poll(o, "").Activities); n != 0 {
		t.Errorf("%d of them are in the history", n)
	}
}
