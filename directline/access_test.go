package directline_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/directline"
)

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a, b := r.join("dl_ann"), r.join("dl_bob")
	activities := a.path() + "/activities"
	tests := []struct {
		name, method, path, header string
		want                       int
		code                       string
	}{
		{"no header", "GET", activities, "", 401, "Unauthorized"},
		{"no scheme", "GET", activities, a.Token, 401, "Unauthorized"},
		{"other scheme", "GET", activities, "Basic " + a.Token, 401, "Unauthorized"},
		{"empty", "GET", activities, "Bearer ", 401, "Unauthorized"},
		{"two", "GET", activities, "Bearer " + a.Token + " " + a.Token, 401, "Unauthorized"},
		{"lower case scheme", "GET", activities, "bearer " + a.Token, 200, ""},
		{"token of another conversation", "GET", activities, "Bearer " + b.Token, 403, "BadArgument"},
		{"token of another conversation posts", "POST", activities, "Bearer " + b.Token, 403, "BadArgument"},
		{"token of another conversation reconnects", "GET", a.path(), "Bearer " + b.Token, 403, "BadArgument"},
		{"token of another conversation uploads", "POST", a.path() + "/upload", "Bearer " + b.Token, 403, "BadArgument"},
		{"garbage", "GET", activities, "Bearer x.y.z", 403, "BadArgument"},
		{"changed signature", "GET", activities, "Bearer " + flip(a.Token), 403, "BadArgument"},
		{"no signature", "GET", activities, "Bearer " + a.Token[:strings.LastIndex(a.Token, ".")+1], 403, "BadArgument"},
		{"algorithm none", "GET", activities, "Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0" +
			a.Token[strings.Index(a.Token, "."):], 403, "BadArgument"},
		{"signature with a line break", "GET", activities, "Bearer " + a.Token + "=", 403, "BadArgument"},
		{"huge", "GET", activities, "Bearer " + a.Token + strings.Repeat("A", 9000), 403, "BadArgument"},
		{"wrong secret", "POST", "/v3/directline/tokens/generate", "Bearer other", 403, "BadArgument"},
		{"token makes tokens", "POST", "/v3/directline/tokens/generate", "Bearer " + a.Token, 403, "BadArgument"},
		{"unknown conversation", "GET", "/v3/directline/conversations/AAAAAAAAAAAAAAAAAAAAAAAAAA-hu/activities",
			"Bearer " + siteSecret, 404, "ConversationNotFound"},
		{"secret reads", "GET", activities, "Bearer " + siteSecret, 200, ""},
		{"unknown path", "GET", "/v3/directline/other", "Bearer " + a.Token, 404, "NotFound"},
		{"wrong method", "DELETE", activities, "Bearer " + a.Token, 405, "MethodNotAllowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.do(tt.method, tt.path, "", nil, "Authorization", tt.header)
			if got.status != tt.want {
				t.Fatalf("answered %d %s, want %d", got.status, got.body, tt.want)
			}
			if tt.code != "" && got.code(t) != tt.code {
				t.Errorf("code %q, want %q", got.code(t), tt.code)
			}
			if got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v lack nosniff or no-store", got.header)
			}
			if tt.want == 401 && got.header.Get("WWW-Authenticate") == "" {
				t.Error("a 401 without WWW-Authenticate")
			}
		})
	}
}

func flip(token string) string {
	at := strings.LastIndex(token, ".") + 10
	c := byte('A')
	if token[at] == c {
		c = 'B'
	}
	return token[:at] + string(c) + token[at+1:]
}

func TestTokenTellsClientsTheirUser(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	read := func(token string) map[string]any {
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			t.Fatalf("%q is not shaped like a JWT", token)
		}
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		return claims
	}
	o := r.token("dl_ann")
	if got := read(o.Token); got["user"] != "dl_ann" || got["conv"] != string(o.ConversationID) || got["bot"] != appID || got["exp"] == nil {
		t.Errorf("the token says %v", got)
	}
	if got, there := read(r.token("").Token)["user"]; there {
		t.Errorf("a token for nobody names %v", got)
	}
}

func TestTokensExpireAndAreRefreshedWhileGood(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	r.clock.forward(29 * time.Minute)
	a := r.do("POST", "/v3/directline/tokens/refresh", o.Token, nil)
	if a.status != http.StatusOK {
		t.Fatalf("refresh: %d %s", a.status, a.body)
	}
	fresh := decode[opened](t, a)
	if fresh.ConversationID != o.ConversationID || fresh.Token == o.Token {
		t.Errorf("refresh answered %+v", fresh)
	}
	r.clock.forward(2 * time.Minute)
	for _, path := range []string{"/v3/directline/tokens/refresh", "/v3/directline/conversations"} {
		if a := r.do("POST", path, o.Token, nil); a.status != 403 || a.code(t) != "TokenExpired" {
			t.Errorf("%s with an expired token: %d %s", path, a.status, a.body)
		}
	}
	if a := r.do("GET", o.path()+"/activities?watermark=", o.Token, nil); a.status != 403 || a.code(t) != "TokenExpired" {
		t.Errorf("poll with an expired token: %d %s", a.status, a.body)
	}
	r.poll(fresh, "")
	if a := r.do("POST", "/v3/directline/tokens/refresh", siteSecret, nil); a.status != 400 {
		t.Errorf("refresh of the secret: %d %s", a.status, a.body)
	}
}

func TestUserOfATokenStartsWithPrefix(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := r.do("POST", "/v3/directline/tokens/generate", siteSecret, `{"user":{"id":"ann"}}`)
	if a.status != 400 || a.code(t) != "BadArgument" {
		t.Errorf("a token for a user without prefix: %d %s", a.status, a.body)
	}
	if _, err := r.ch.MintToken(t.Context(), directline.MintRequest{User: activity.ChannelAccount{ID: "ann"}}); err == nil {
		t.Error("minted a token for a user without prefix")
	}
	// Only a server gives out such ids: a client without a token for it cannot choose one.
	o := r.join("")
	for _, from := range []string{"dl_ann", "bot", "", strings.Repeat("x", 300), "a\u0007b"} {
		a := r.do("POST", o.path()+"/activities", o.Token,
			map[string]any{"type": "message", "text": "hi", "from": map[string]string{"id": from}})
		if a.status != 400 {
			t.Errorf("posted as %q: %d %s", from, a.status, a.body)
		}
	}
	a = r.do("POST", "/v3/directline/conversations", r.token("").Token, `{"user":{"id":"dl_ann"}}`)
	if a.status != 400 {
		t.Errorf("started as dl_ann without a token for it: %d %s", a.status, a.body)
	}
}

func TestSenderIsTheUserOfTheToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	r.post(o, `{"type":"message","text":"hi","from":{"id":"dl_bob","name":"Bob","role":"bot",
		"aadObjectId":"11111111-1111-1111-1111-111111111111","tenantId":"t","email":"bob@example.com"},
		"channelData":{"tenant":{"id":"other"},"keep":{"n":9007199254740993}},
		"conversation":{"id":"elsewhere","tenantId":"other"},"recipient":{"id":"x"},
		"serviceUrl":"https://evil.example","channelId":"msteams","membersAdded":[{"id":"victim"}]}`)
	told := r.told()
	got := told[len(told)-1]
	if got.From.ID != "dl_ann" || got.From.Name != "DL_ANN" || got.From.AADObjectID != "" || got.From.TenantID != "" ||
		got.From.Role != activity.RoleUser || len(got.From.Extra) > 0 {
		t.Errorf("the bot heard it from %+v", got.From)
	}
	if got.TenantID() != "" || got.Conversation.ID != o.ConversationID || got.ChannelID != activity.ChannelDirectLine ||
		got.ServiceURL != r.srv.URL || got.Recipient.ID != "bot" || len(got.MembersAdded) > 0 {
		t.Errorf("the bot heard tenant %q, %+v", got.TenantID(), got)
	}
	if string(got.ChannelData) != `{"keep":{"n":9007199254740993}}` {
		t.Errorf("channel data became %s", got.ChannelData)
	}
	if echoed := r.poll(o, "").Activities[0]; echoed.From.ID != "dl_ann" || echoed.From.AADObjectID != "" {
		t.Errorf("the echo is from %+v", echoed.From)
	}
	if id := r.ids[len(r.ids)-1]; id.Kind != auth.KindEmbedded || id.ServiceURL != r.srv.URL {
		t.Errorf("the identity is %+v", id)
	}
}

func TestClientsCannotSayWhatOnlyAChannelSays(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	before := len(r.told())
	for _, body := range []string{
		`{"type":"conversationUpdate","membersAdded":[{"id":"victim"}]}`,
		`{"type":"installationUpdate","action":"remove"}`,
		`{"type":"contactRelationUpdate","action":"add"}`,
		`{"type":"deleteUserData"}`, `{"type":"trace"}`, `{"type":"whatever"}`,
		`{"type":"event","name":"ContinueConversation"}`, `{"type":"event","name":"CreateConversation"}`,
	} {
		if a := r.do("POST", o.path()+"/activities", o.Token, body); a.status != 400 || a.code(t) != "BadArgument" {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if n := len(r.told()); n != before {
		t.Errorf("the bot heard %d of them", n-before)
	}
}

func TestMintToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := activity.ChannelAccount{ID: "dl_ann", Name: "Ann"}
	mint := func(user activity.ChannelAccount, id activity.ConversationID) (directline.Token, error) {
		return r.ch.MintToken(t.Context(), directline.MintRequest{User: user, ConversationID: id})
	}
	first, err := mint(ann, "")
	if err != nil || first.User.ID != "dl_ann" || first.ExpiresIn != 30*time.Minute {
		t.Fatalf("minted %+v, %v", first, err)
	}
	again, err := mint(ann, first.ConversationID) // a page that was loaded again before it started
	if err != nil || again.ConversationID != first.ConversationID || again.Token == first.Token {
		t.Fatalf("resumed %+v, %v", again, err)
	}
	o := opened{ConversationID: again.ConversationID, Token: again.Token}
	s := r.connect(r.reconnect(o, "?watermark=0").StreamURL)
	r.post(o, message("hi"))
	if got := s.read(1); got[0].From.Name != "Ann" {
		t.Errorf("said by %+v", got[0].From)
	}
	if n := len(r.told()); n != 3 {
		t.Errorf("the bot heard %d activities, want two joins and a message", n)
	}
	for _, id := range []activity.ConversationID{first.ConversationID, "AAAAAAAAAAAAAAAAAAAAAAAAAA-hu", "other"} {
		if _, err := mint(activity.ChannelAccount{ID: "dl_bob"}, id); !errors.Is(err, directline.ErrNotFound) {
			t.Errorf("Bob resumes %s: %v", id, err)
		}
	}
}

func TestSessionID(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	get := func(token string) string {
		a := r.do("GET", "/v3/directline/session/getsessionid", token, nil, "Cookie", "sessionId=forged")
		return decode[map[string]string](t, a)["sessionId"]
	}
	id := get(o.Token)
	if id == "" || id != get(r.reconnect(o, "").Token) || id == get(r.join("dl_ann").Token) {
		t.Errorf("session id %q is not that of the client", id)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	preflight := func(path, origin string) http.Header {
		a := r.do("OPTIONS", path, "", nil, "Origin", origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,content-type,x-ms-bot-agent")
		if a.status != http.StatusNoContent {
			t.Errorf("preflight of %s from %s: %d", path, origin, a.status)
		}
		return a.header
	}
	paths := []string{"/v3/directline/tokens/generate", "/v3/directline/conversations", o.path() + "/activities",
		o.path() + "/upload", o.path(), "/v3/directline/session/getsessionid"}
	for _, path := range paths {
		h := preflight(path, pageOrigin)
		if h.Get("Access-Control-Allow-Origin") != pageOrigin || h.Get("Access-Control-Max-Age") != "600" ||
			!strings.Contains(h.Get("Access-Control-Allow-Headers"), "x-ms-bot-agent") ||
			!strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") || h.Get("Vary") != "Origin" {
			t.Errorf("preflight of %s: %v", path, h)
		}
		wantCookies := ""
		if strings.HasSuffix(path, "getsessionid") {
			wantCookies = "true"
		}
		if got := h.Get("Access-Control-Allow-Credentials"); got != wantCookies {
			t.Errorf("preflight of %s allows credentials: %q", path, got)
		}
		for _, origin := range []string{"null", "https://evil.example", "http://www.example.com", "https://www.example.com:8443",
			"https://www.example.com.evil.example", "https://evil-www.example.com", "*", "https://WWW.example.com"} {
			if h := preflight(path, origin); h.Get("Access-Control-Allow-Origin") != "" || h.Get("Vary") != "Origin" {
				t.Errorf("preflight of %s from %s: %v", path, origin, h)
			}
		}
	}
	a := r.do("GET", o.path()+"/activities", o.Token, nil, "Origin", r.srv.URL)
	if a.header.Get("Access-Control-Allow-Origin") != r.srv.URL || a.header.Get("Access-Control-Expose-Headers") != "Retry-After" {
		t.Errorf("own origin: %v", a.header)
	}
	a = r.do("GET", o.path()+"/activities", "bad", nil, "Origin", pageOrigin)
	if a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != pageOrigin {
		t.Errorf("a page cannot read why it was refused: %d %v", a.status, a.header)
	}
	if h := preflight("/v3/conversations", pageOrigin); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("pages may call the bots' side: %v", h)
	}
}

func TestSecretIsNotForPages(t *testing.T) {
	t.Parallel()
	for _, development := range []bool{false, true} {
		r := newRig(t, nil, func(c *directline.Config) { c.Development = development })
		a := r.do("POST", "/v3/directline/conversations", siteSecret, nil, "Origin", pageOrigin)
		if want := map[bool]int{false: 403, true: 201}[development]; a.status != want {
			t.Errorf("development %v: %d %s", development, a.status, a.body)
		}
	}
}
