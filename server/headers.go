package server

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// secureHeaders are on every answer. Pages replace the policy by one that lets them work.
func secureHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

// oneYear tells browsers to use TLS for a year from now.
const oneYear = "max-age=31536000"

// headers sets what every answer has, errors included. Strict transport security is for real hosts: on localhost it would
// lock out every other program that a developer runs there.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secureHeaders(w.Header())
		if secure(r) && !loopback(hostname(r.Host)) {
			w.Header().Set("Strict-Transport-Security", oneYear)
		}
		next.ServeHTTP(w, r)
	})
}

// hostname is a Host header without its port and brackets.
func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }

// writeProblem answers with problem+json.
func writeProblem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, api.Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail,
	}, json.OmitZeroStructFields(true))
}

// forPrograms are where programs ask, not people.
var forPrograms = []string{"/api/", "/v1/", "/v3/", "/proactive/", "/playground/api/", "/healthz", "/openapi"}

// fallback answers what no route takes: to programs with a problem, to people with the pages' own answer. A path that has
// routes for other methods gets 405.
func fallback(mux *http.ServeMux, pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := false
		for _, prefix := range forPrograms {
			asked = asked || strings.HasPrefix(r.URL.Path+"/", prefix) || strings.HasPrefix(r.URL.Path, prefix)
		}
		if !asked {
			pages.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		if allowed := otherMethods(mux, r); len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			writeProblem(w, http.StatusMethodNotAllowed, api.CodeMethodNotAllowed, r.Method+" is not allowed here")
			return
		}
		writeProblem(w, http.StatusNotFound, api.CodeNotFound, "there is no such route")
	})
}

// otherMethods lists the methods that have a route of their own for a path.
func otherMethods(mux *http.ServeMux, r *http.Request) (allowed []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if _, pattern := mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// healthz says that the process lives, and nothing else.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "ok\n")
}
