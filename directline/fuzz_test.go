package directline_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/store/memory"
)

// bare is a channel without a bot, and a token for it.
func bare(f *testing.F) (http.Handler, directline.Token) {
	f.Helper()
	ch, err := directline.New(directline.Config{
		BotID: "bot", Store: memory.New(), Secret: make([]byte, 32), SiteSecret: siteSecret,
		PublicURL: func() string { return "http://localhost:3978" },
	})
	if err != nil {
		f.Fatal(err)
	}
	token, err := ch.MintToken(f.Context(), directline.MintRequest{User: activity.ChannelAccount{ID: "dl_ann"}})
	if err != nil {
		f.Fatal(err)
	}
	return ch.Handler(), token
}

func FuzzTokenThatWasNotMinted(f *testing.F) {
	handler, token := bare(f)
	f.Add(token.Token[1:])
	f.Add(token.Token + "=")
	f.Add("a.b.c")
	f.Add("..")
	f.Fuzz(func(t *testing.T, credential string) {
		if credential == token.Token || credential == siteSecret {
			return
		}
		for _, path := range []string{"/activities", "/stream?t=" + token.Token} {
			r := httptest.NewRequest("GET", "/v3/directline/conversations/"+string(token.ConversationID)+path, nil)
			r.Header["Authorization"] = []string{"Bearer " + credential}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != 401 && w.Code != 403 {
				t.Errorf("%q was answered %d", credential, w.Code)
			}
		}
	})
}

func FuzzUpload(f *testing.F) {
	handler, token := bare(f)
	f.Add("multipart/form-data; boundary=b", "", []byte("--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nx\r\n--b--\r\n"))
	f.Add("multipart/form-data; boundary=b", "", []byte("--b\r\nContent-Type: application/vnd.microsoft.activity\r\n\r\n{\"type\":\"message\"}\r\n--b--\r\n"))
	f.Add("image/png", `name="file"; filename="x"`, []byte("x"))
	f.Fuzz(func(t *testing.T, kind, disposition string, body []byte) {
		r := httptest.NewRequest("POST", "/v3/directline/conversations/"+string(token.ConversationID)+"/upload", bytes.NewReader(body))
		r.Header["Content-Type"], r.Header["Content-Disposition"] = []string{kind}, []string{disposition}
		r.Header.Set("Authorization", "Bearer "+token.Token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		// Nobody is there to take it, so what is well formed ends with 502.
		if w.Code != 400 && w.Code != 404 && w.Code != 502 {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	})
}
