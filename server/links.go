package server

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"

	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/proactive"
)

// linkPath is where links in mails lead that stand for buttons. A ticket follows.
const linkPath = "/actions/"

//go:embed links.html.tmpl
var linkSource string

var linkPage = template.Must(template.New("link").Parse(linkSource))

const linkStyle = `body{margin:0;padding:0 1rem;font:16px/1.5 "Segoe UI",system-ui,sans-serif;background:#f5f5f5;color:#242424}` +
	`main{max-width:28rem;margin:15vh auto 0;padding:2rem;background:#fff;border-radius:8px}` +
	`h1{font-size:1.25rem;margin:0 0 1rem}.who{margin:0 0 .5rem;color:#616161;overflow-wrap:anywhere}` +
	`button{font:inherit;padding:.5rem 1rem;border:0;border-radius:4px;background:#0f548c;color:#fff;cursor:pointer}` +
	`@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#f0f0f0}main{background:#292929}.who{color:#bdbdbd}}`

// linkPolicy lets the page have its style and ask us, and nothing else.
var linkPolicy = func() string {
	sum := sha256.Sum256([]byte(linkStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}()

// links serves what links in mails lead to: a page that asks once more, since programs follow links before people do, and what
// that or a mail program posts (RFC 8058).
func (s *Server) links(mux *http.ServeMux) {
	mux.HandleFunc("GET "+linkPath+"{ticket}", func(w http.ResponseWriter, r *http.Request) {
		l, err := s.engine.Look(r.Context(), r.PathValue("ticket"))
		s.showLink(w, r, l, l.View.Label(card.Action{Do: l.Do}), err)
	})
	mux.HandleFunc("POST "+linkPath+"{ticket}", func(w http.ResponseWriter, r *http.Request) {
		l, err := s.engine.Follow(r.Context(), r.PathValue("ticket"))
		s.showLink(w, r, l, "", err)
	})
}

// showLink shows what a link stands for, and asks; or what was done.
func (s *Server) showLink(w http.ResponseWriter, r *http.Request, l proactive.Link, ask string, err error) {
	status, title := http.StatusOK, cmp.Or(l.Said, ask)
	if dead, ok := errors.AsType[*proactive.LinkError](err); ok {
		status, title, ask = http.StatusNotFound, dead.Said, ""
		if dead.Reason == "expired" {
			status = http.StatusGone
		}
	} else if err != nil {
		s.log.ErrorContext(r.Context(), "link not followed", "error", err.Error())
		status, title, ask = http.StatusServiceUnavailable, l.View.Say(card.AnswerFailed, ""), ""
	}
	var page bytes.Buffer
	if err := linkPage.Execute(&page, map[string]any{
		"Lang": cmp.Or(l.View.Locale, "en"), "Bot": s.botAccount().Name, "To": l.To, "Title": title, "Ask": ask,
		"Style": template.CSS(linkStyle), //nolint:gosec // it is ours
	}); err != nil {
		s.log.ErrorContext(r.Context(), "page not made", "error", err.Error())
		status = http.StatusInternalServerError
		page.Reset()
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", linkPolicy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // browsers would post the form with the Origin null
	w.WriteHeader(status)
	_, _ = page.WriteTo(w)
}
