package directline_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

func anonymous(c *directline.Config) { c.Development, c.AllowAnonymousBots = true, true }

func TestBotsSideNeedsPermission(t *testing.T) {
	t.Parallel()
	closed := newRig(t, nil)
	o := closed.join("dl_ann")
	for _, request := range []string{
		"GET /v3/conversations", "POST /v3/conversations", "POST /v3/conversations/" + string(o.ConversationID) + "/activities",
		"GET /v3/conversations/" + string(o.ConversationID) + "/members", "GET /v3/attachments/AAAAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		method, path, _ := strings.Cut(request, " ")
		for _, credential := range []string{"", o.Token, siteSecret} {
			if a := closed.do(method, path, credential, `{}`); a.status != 401 || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: %d %s", request, a.status, a.body)
			}
		}
	}
	open := newRig(t, nil, anonymous)
	create := `{"members":[{"id":"dl_ann"}]}`
	if a := open.do("POST", "/v3/conversations", "", create, "Origin", "https://evil.example"); a.status != 403 {
		t.Errorf("a page of another origin creates a conversation: %d", a.status)
	}
	if a := open.do("POST", "/v3/conversations", "", create, "Content-Type", "text/plain"); a.status != 415 {
		t.Errorf("a form creates a conversation: %d", a.status)
	}
	req := httptest.NewRequestWithContext(t.Context(), "POST", "/v3/conversations", strings.NewReader(create))
	req.Header.Set("Content-Type", "application/json")
	req.RemoteAddr = "192.0.2.7:1234"
	w := httptest.NewRecorder()
	open.ch.ConnectorHandler().ServeHTTP(w, req)
	if w.Code != 401 {
		t.Errorf("another machine creates a conversation: %d", w.Code)
	}
}

func TestBotOfAnotherProcessTalks(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, anonymous)
	a := r.do("POST", "/v3/conversations", "", `{"bot":{"id":"bot"},"members":[{"id":"dl_ann","name":"Ann"}],"activity":{"type":"message","text":"first"}}`)
	if a.status != http.StatusCreated {
		t.Fatalf("create: %d %s", a.status, a.body)
	}
	resource := decode[activity.ConversationResource](t, a)
	if resource.ActivityID != activity.ID(resource.ID)+"|0000001" || resource.ServiceURL != r.srv.URL {
		t.Errorf("created %+v", resource)
	}
	base := "/v3/conversations/" + string(resource.ID)
	for _, tt := range []struct{ path, body, id string }{
		{base + "/activities", `{"type":"message","text":"send","from":{"id":"somebody","aadObjectId":"x"}}`, "|0000002"},
		{base + "/activities/", `{"type":"message","text":"slash"}`, "|0000003"},
		{strings.Replace(base, "/v3/conversations", "/V3/Conversations", 1) + "/ACTIVITIES", `{"type":"message","text":"case"}`, "|0000004"},
		{base + "/activities/" + string(resource.ID) + "%7C0000001", `{"type":"message","text":"reply"}`, "|0000005"},
		{base + "/activities/a%2Fb%252F", `{"type":"message","text":"odd reply"}`, "|0000006"},
		{base + "/activities/" + string(resource.ID) + "|0000001", `{"type":"message","text":"raw reply","replyToId":"` + string(resource.ID) + `|0000002"}`, "|0000007"},
		{base + "/activities", `{"type":"typing"}`, ""},
		{base + "/activities", `{"type":"trace"}`, ""},
	} {
		a := r.do("POST", tt.path, "", tt.body)
		want := activity.ID("")
		if tt.id != "" {
			want = activity.ID(string(resource.ID) + tt.id)
		}
		if got := decode[activity.ResourceResponse](t, a); a.status != 200 || got.ID != want {
			t.Errorf("%s: %d %s, want %s", tt.path, a.status, a.body, want)
		}
	}
	o := opened{ConversationID: resource.ID, Token: siteSecret}
	got := r.poll(o, "").Activities
	if want := []string{"first", "send", "slash", "case", "reply", "odd reply", "raw reply"}; !slices.Equal(texts(got), want) {
		t.Fatalf("the history is %q", texts(got))
	}
	if got[1].From.ID != "bot" {
		t.Errorf("it is from %+v", got[1].From)
	}
	// What answers something that was never shown answers nothing: Web Chat would wait for it.
	for i, want := range map[int]activity.ID{3: "", 4: resource.ActivityID, 5: "", 6: activity.ID(resource.ID) + "|0000002"} {
		if got[i].ReplyToID != want {
			t.Errorf("%q replies to %q, want %q", got[i].Text, got[i].ReplyToID, want)
		}
	}
}

func TestBotsSideOperations(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, anonymous)
	o := r.join("")
	r.post(o, `{"type":"message","text":"hi","from":{"id":"a b/c","name":"Odd"}}`)
	base := "/v3/conversations/" + string(o.ConversationID)
	ids := func(members []activity.ChannelAccount) (out []string) {
		for _, m := range members {
			out = append(out, string(m.ID))
		}
		return out
	}
	want := []string{"bot", "a b/c"}
	for _, path := range []string{"/members", "/activities/x/members"} {
		a := r.do("GET", base+path, "", nil)
		if got := ids(decode[[]activity.ChannelAccount](t, a)); !slices.Equal(got, want) {
			t.Errorf("%s: %q", path, got)
		}
	}
	for _, path := range []string{"/pagedmembers?pageSize=2", "/pagedMembers"} {
		a := r.do("GET", base+path, "", nil)
		if got := decode[activity.PagedMembers](t, a); !slices.Equal(ids(got.Members), want) || got.ContinuationToken != "" {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	a := r.do("GET", base+"/members/a%20b%2Fc", "", nil)
	if got := decode[activity.ChannelAccount](t, a); a.status != 200 || got.Name != "Odd" {
		t.Errorf("member: %d %s", a.status, a.body)
	}
	a = r.do("GET", "/v3/conversations", "", nil)
	if got := decode[activity.ConversationsResult](t, a); len(got.Conversations) != 1 || got.Conversations[0].ID != o.ConversationID {
		t.Errorf("conversations: %s", a.body)
	}
	a = r.do("POST", base+"/activities/History", "", `{"activities":[
		{"type":"message","text":"old","from":{"id":"someone"},"timestamp":"2020-01-01T00:00:00Z"},{"type":"trace"},{"type":"message","text":"older"}]}`)
	if got := decode[activity.ResourceResponse](t, a); got.ID != activity.ID(o.ConversationID)+"|0000003" {
		t.Errorf("history: %d %s", a.status, a.body)
	}
	got := r.poll(o, "1").Activities
	if !slices.Equal(texts(got), []string{"old", "older"}) || got[0].From.ID != "someone" || got[1].From.ID != "bot" ||
		got[0].Timestamp.String() != "2020-01-01T00:00:00Z" {
		t.Errorf("the transcript became %+v", got)
	}
	unknown := "/v3/conversations/AAAAAAAAAAAAAAAAAAAAAAAAAA-hu"
	for _, tt := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"PUT", base + "/activities/x", `{"type":"message","id":"x"}`, 404, "ActivityNotFoundInConversation"},
		{"DELETE", base + "/activities/x", ``, 404, "ActivityNotFoundInConversation"},
		{"PUT", base + "/activities/x", `{"text":"x"}`, 400, "MissingProperty"},
		{"PUT", unknown + "/activities/x", `{"type":"message"}`, 404, "ConversationNotFound"},
		{"DELETE", unknown + "/activities/x", ``, 404, "ConversationNotFound"},
		{"DELETE", base + "/members/x", ``, 405, "MethodNotAllowed"},
		{"PUT", base + "/activities/x/reactions/like", ``, 404, "NotFound"},
		{"GET", base + "/members/nobody", ``, 404, "MemberNotFoundInConversation"},
		{"POST", unknown + "/activities", `{"type":"message"}`, 404, "ConversationNotFound"},
		{"GET", unknown + "/members", ``, 404, "ConversationNotFound"},
		{"POST", "/v3/conversations/%2E%2E/activities", `{"type":"message"}`, 404, "ConversationNotFound"},
		{"POST", base + "/activities", `{"text":"x"}`, 400, "MissingProperty"},
		{"POST", base + "/activities", `x`, 400, "BadSyntax"},
		{"POST", base + "/activities", `{"type":"message","text":"` + strings.Repeat("x", 260<<10) + `"}`, 413, "MessageSizeTooBig"},
		{"POST", base + "/activities/history", `{"activities":[{"text":"x"}]}`, 400, "MissingProperty"},
		{"POST", base + "/activities/history", `[`, 400, "BadSyntax"},
		{"POST", "/v3/conversations", `{"members":[]}`, 400, "BadArgument"},
		{"POST", "/v3/conversations", `[]`, 400, "BadSyntax"},
		{"POST", base + "/attachments", `{"name":"x"}`, 400, "MissingProperty"},
		{"POST", base + "/attachments", `{"originalBase64":"!"}`, 400, "BadSyntax"},
	} {
		a := r.do(tt.method, tt.path, "", tt.body)
		if a.status != tt.status || a.code(t) != tt.code {
			t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.path, a.status, a.body, tt.status, tt.code)
		}
	}
	end := r.do("POST", base+"/activities", "", `{"type":"endOfConversation"}`)
	after := r.do("POST", base+"/activities", "", `{"type":"message"}`)
	if end.status != 200 || after.status != 404 || after.code(t) != "ConversationEnded" {
		t.Errorf("end: %d, then %d %s", end.status, after.status, after.body)
	}
}

func TestBotUploadsAPicture(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, anonymous)
	o := r.join("dl_ann")
	encoded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	a := r.do("POST", "/v3/conversations/"+string(o.ConversationID)+"/attachments", "", fmt.Sprintf(
		`{"type":"image/png","name":"p.png","originalBase64":%q,"thumbnailBase64":%q}`, encoded("picture"), encoded("small")))
	id := string(decode[activity.ResourceResponse](t, a).ID)
	if a.status != 200 || id == "" {
		t.Fatalf("upload: %d %s", a.status, a.body)
	}
	info := decode[activity.AttachmentInfo](t, r.do("GET", "/v3/attachments/"+id, "", nil))
	if info.Name != "p.png" || info.Type != "image/png" || len(info.Views) != 2 || info.Views[1].ViewID != "thumbnail" || info.Views[1].Size != 5 {
		t.Errorf("info %+v", info)
	}
	// People see it with nothing but the URL, so a bot can put that into a message.
	for view, want := range map[string]string{"original": "picture", "thumbnail": "small"} {
		a := r.do("GET", "/v3/attachments/"+id+"/views/"+view, "", nil, "Origin", pageOrigin)
		if a.status != 200 || string(a.body) != want || a.header.Get("Access-Control-Allow-Origin") != pageOrigin {
			t.Errorf("view %s: %d %q", view, a.status, a.body)
		}
	}
	for _, path := range []string{"/v3/attachments/" + id + "/views/other", "/v3/attachments/AAAAAAAAAAAAAAAAAAAAAAAAAA",
		"/v3/attachments/" + id + ".thumbnail"} {
		if a := r.do("GET", path, "", nil); a.status != 404 {
			t.Errorf("GET %s: %d", path, a.status)
		}
	}
}

func TestSidesCanBeServedApart(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, anonymous)
	id := string(r.join("dl_ann").ConversationID)
	for path, side := range map[string]struct{ serves, not http.Handler }{
		"/v3/directline/conversations/" + id:    {r.ch.ClientHandler(), r.ch.ConnectorHandler()},
		"/v3/conversations/" + id + "/members/": {r.ch.ConnectorHandler(), r.ch.ClientHandler()},
	} {
		for i, handler := range []http.Handler{side.serves, side.not} {
			req := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
			req.RemoteAddr = "127.0.0.1:1"
			req.Header.Set("Authorization", "Bearer "+siteSecret)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, req)
			if want := []int{200, 404}[i]; w.Code != want {
				t.Errorf("GET %s: %d, want %d", path, w.Code, want)
			}
		}
	}
}
