package server

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"

	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/proactive"
)

// linkPath is where links of mails lead that do something; a ticket follows.
const linkPath = "/actions/"

// linkStyle is the style of the page behind them.
const linkStyle = `:root{color-scheme:light dark}body{font:16px/1.5 "Segoe UI",system-ui,sans-serif;max-width:32em;margin:15vh auto;padding:0 1em}button{font:inherit;padding:.5em 1.2em}`

// linkPage asks whoever has followed a link, or tells them that it was done.
var linkPage = template.Must(template.New("link").Parse(`<!DOCTYPE html>
<html{{with .Locale}} lang="{{.}}"{{end}}><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><title>{{.Title}}</title>
<style>` + linkStyle + `</style></head>
<body>{{if .Button}}<form method="post"><button>{{.Button}}</button></form>{{else}}<p role="status">{{.Title}}</p>{{end}}</body></html>
`))

// linkPolicy lets the page have its style, and post to itself.
var linkPolicy = func() string {
	sum := sha256.Sum256([]byte(linkStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}()

// links answers what links of mails lead to. To look shows a page with a button, so that programs which follow links before people do
// change nothing; a POST does it, by the button or by a mail program's own (RFC 8058). Who has the link needs no key.
func (s *Server) links(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", linkPolicy)
	h.Set("Referrer-Policy", "same-origin") // or the form's Origin would be null
	text := r.PathValue("ticket")
	var page struct{ Title, Button, Locale string }
	var l proactive.Link
	var err error
	if r.Method == http.MethodPost {
		l, err = s.engine.Follow(r.Context(), text)
		page.Title = l.Said
	} else {
		l, err = s.engine.Look(r.Context(), text)
		page.Button = l.View.Label(card.Action{Do: l.Do})
		page.Title = page.Button
	}
	page.Locale = l.View.Locale
	if dead, ok := errors.AsType[*proactive.LinkError](err); ok {
		page.Title, page.Button = dead.Said, ""
		w.WriteHeader(http.StatusGone)
	} else if err != nil {
		s.log.WarnContext(r.Context(), "link not followed", "error", err.Error())
		page.Title, page.Button = "This did not work. Please try again later.", ""
		w.WriteHeader(http.StatusInternalServerError)
	}
	_ = linkPage.Execute(w, page)
}
