// Package console serves the pages: the start page, the playground, and what the playground asks for.
//
// [Pages] serves built files under a strict content security policy; [Playground] is the development-only API behind
// the playground; [Wire] is the log that it shows.
package console

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// noncePlaceholder is what the pages contain where a response's nonce goes.
const noncePlaceholder = "__CSP_NONCE__"

// strict is what every page may: what it brings along, and nothing from elsewhere. Text does not become a script, nor
// markup but for what the page's own Trusted Types policies let through; a page without any has no way to write markup.
const strict = "default-src 'none'; script-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; " +
	"require-trusted-types-for 'script'; "

// policy is that of the pages.
const policy = strict + "trusted-types 'none'; style-src 'self' 'nonce-%s'; img-src 'self'; connect-src 'self'"

// playgroundPolicy allows what Web Chat needs beyond that, on its page only. What it and Fluent UI style at run time
// carries the nonce, but for one empty style element of Web Chat, whose hash is that of nothing. Files that people attach
// are read from and shown as blobs. Web Chat writes markup: through policies of its own, of these names, and else through
// the page's default policy, which lets through what can do nothing.
const playgroundPolicy = strict +
	"trusted-types headsup default html adaptivecards#deprecatedExportedFunctionPolicy adaptivecards#markdownPassthroughPolicy " +
	"adaptivecards#restoreContentsPolicy; " +
	"style-src 'self' 'nonce-%s' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; " +
	"img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' blob:; worker-src blob:"

// previewPolicy allows what drawing cards needs beyond that, on the preview's page only: the official renderer writes markup through
// policies of its own, and mails are parsed, which runs nothing, through that of the page.
const previewPolicy = strict +
	"trusted-types headsup adaptivecards#deprecatedExportedFunctionPolicy adaptivecards#markdownPassthroughPolicy " +
	"adaptivecards#restoreContentsPolicy; style-src 'self' 'nonce-%s'; img-src 'self' data:; connect-src 'self'"

// Pages serves the built pages in files: "/", "/playground", "/audit", "/preview" and their assets. Where they have not been built, they
// explain how. A page that is asked for under another name of this machine, such as localhost, is found at
// url, since the channel's sockets are there and a page may only talk to where it came from.
func Pages(files fs.FS, built bool, url string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET is allowed here", http.StatusMethodNotAllowed)
			return
		}
		name := strings.Trim(r.URL.Path, "/")
		switch name {
		case "":
			name = "index.html"
		case "playground", "audit", "preview":
			name += "/index.html"
		default:
			if !strings.HasPrefix(name, "assets/") && !strings.HasPrefix(name, "vendor/") {
				http.NotFound(w, r)
				return
			}
		}
		if home := strings.TrimPrefix(url, "http://"); strings.HasSuffix(name, ".html") && home != url && r.Host != home {
			http.Redirect(w, r, url+r.URL.Path, http.StatusFound)
			return
		}
		if !built && strings.HasSuffix(name, ".html") {
			page(w, policy, []byte(unbuilt))
			return
		}
		body, err := fs.ReadFile(files, path.Clean(name))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
				http.Error(w, "the page could not be read", http.StatusInternalServerError)
				return
			}
			http.NotFound(w, r)
			return
		}
		if strings.HasSuffix(name, ".html") {
			page(w, policyOf(name), body)
			return
		}
		asset(w, name, body)
	})
}

// policyOf is the content security policy of a page, with a place for its nonce.
func policyOf(name string) string {
	switch name {
	case "playground/index.html":
		return playgroundPolicy
	case "preview/index.html":
		return previewPolicy
	}
	return policy
}

// page sends HTML with a fresh nonce, which goes into its policy too.
func page(w http.ResponseWriter, policy string, body []byte) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", fmt.Sprintf(policy, nonce))
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(bytes.ReplaceAll(body, []byte(noncePlaceholder), []byte(nonce)))
}

// asset sends a file whose name changes with its content.
func asset(w http.ResponseWriter, name string, body []byte) {
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = "application/octet-stream"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if strings.HasSuffix(name, ".txt") || strings.HasSuffix(name, ".md") { // licences, named without a hash
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body)
}

const unbuilt = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Headsup</title>
<style nonce="` + noncePlaceholder + `">body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}code,pre{font-family:ui-monospace,monospace}</style>
</head><body><main>
<h1>Headsup is running</h1>
<p>This binary was built without its pages. The bot and the APIs work all the same:</p>
<ul>
<li><code>POST /api/messages</code>, the bot's messaging endpoint</li>
<li><code>POST /v1/notifications</code>, say something; see <a href="/openapi.json">the API</a></li>
<li><a href="/api/notify"><code>GET /api/notify</code></a>, tell every known conversation</li>
<li><code>/v3/directline</code>, the embedded Direct Line channel</li>
</ul>
<p>To build the pages, with Node 20.19 or newer, in the source folder:</p>
<pre>make run</pre>
<p>or serve a folder of built pages with <code>--web-dir web/dist</code>.</p>
</main></body></html>
`
