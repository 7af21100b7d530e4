package server

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/headsup-bot/headsup/api"
)

// guard keeps other pages away from a server that trusts whoever reaches it: the Host must be a loopback name or the
// public URL's, which a rebound DNS name is not, and a request with an Origin must come from our own pages. Where a browser
// sends no Origin (images, links) it tells how far away the page is; one on another port of this machine is another's too.
func (s *Server) guard(next http.Handler) http.Handler {
	public, err := url.Parse(s.url)
	if err != nil {
		public = &url.URL{} // it was made or checked by us; match nothing
	}
	usual := "80"
	if public.Scheme == "https" {
		usual = "443"
	}
	ours := func(host string) bool {
		if host == public.Host {
			return true
		}
		name, port, err := net.SplitHostPort(host)
		if err != nil { // browsers leave out the port that is the scheme's own
			name, port = strings.Trim(host, "[]"), usual
		}
		return loopback(name) && port == portOf(s.listener)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ours(r.Host) {
			refuse(w, "the Host header names another machine; development mode answers on loopback only")
			return
		}
		foreign := false
		if origin := r.Header.Get("Origin"); origin != "" {
			u, err := url.Parse(origin)
			foreign = err != nil || !ours(u.Host) || u.Scheme != "http" && u.Scheme != public.Scheme
		} else if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			foreign = !navigation(r)
		}
		if foreign {
			refuse(w, "the request comes from a page of another site")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// navigation reports whether a person follows a link to a page, which may start on another site and does nothing.
func navigation(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && !strings.HasPrefix(r.URL.Path, "/api/")
}

func portOf(l net.Listener) string {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return ""
	}
	return port
}

func refuse(w http.ResponseWriter, why string) {
	writeProblem(w, http.StatusForbidden, api.CodeForbidden, why)
}
