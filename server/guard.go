package server

import (
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/headsup-bot/headsup/api"
)

// guard keeps other pages away from a server that may trust whoever reaches it: the Host must be the public URL's, a
// loopback name or the address that it listens on, which a rebound DNS name is not, and a request with an Origin must come
// from our own pages, or at the client side of the embedded channel from those that are configured for it. Where a browser sends no Origin (images, links) it tells how far away the page is; one on another
// port of this machine is another's too.
func (s *Server) guard(next http.Handler) http.Handler {
	homes := s.homes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !homes.host(r.Host) {
			refuse(w, "the Host header names another machine than this one, and is not that of public_url")
			return
		}
		foreign := false
		if origin := r.Header.Get("Origin"); origin != "" {
			foreign = !homes.origin(origin) && !s.clientPage(r)
		} else if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			foreign = !navigation(r) && !s.picture(r)
		}
		if foreign {
			refuse(w, "the request comes from a page of another site")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// clientPage reports whether a request comes from a page that may be a client of the embedded channel, and goes there.
func (s *Server) clientPage(r *http.Request) bool {
	origin := r.Header.Values("Origin")
	return len(origin) == 1 && slices.Contains(s.cfg.DirectLineOrigins, origin[0]) &&
		(strings.HasPrefix(path.Clean(r.URL.Path), "/v3/directline/") || isFile(r))
}

// picture reports whether a page of another site may show what is asked for, as it shows pictures: a file of the embedded
// channel, where other origins may be clients. Browsers do not say which page that is, and send nothing that would let anybody
// in; who knows a file's address, which nobody can guess, may have the file, as on Direct Line itself. What the file says the page
// cannot read.
func (s *Server) picture(r *http.Request) bool {
	return len(s.cfg.DirectLineOrigins) > 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead) && isFile(r)
}

// isFile reports whether a path is that of a file of the embedded channel: one that a person sent, or that a bot has put there.
func isFile(r *http.Request) bool {
	segments := strings.Split(strings.TrimPrefix(path.Clean(r.URL.Path), "/"), "/")
	switch {
	case len(segments) == 4 && segments[1] == "directline":
		return segments[0] == "v3" && segments[2] == "attachments"
	case len(segments) == 5 && segments[1] == "attachments":
		return segments[0] == "v3" && segments[3] == "views"
	}
	return false
}

// homes are the places that are ours.
type homes struct {
	public       place
	listens      place
	scheme, port string // of the listener
}

// place is a part of a URL: what browsers call an origin.
type place struct{ scheme, host, port string }

// placeOf reads a host as headers have it, without the port that is the scheme's own.
func placeOf(scheme, host string) place {
	u := url.URL{Host: host}
	p := place{scheme, strings.ToLower(u.Hostname()), u.Port()}
	if p.port == "" {
		p.port = "80"
		if scheme == "https" {
			p.port = "443"
		}
	}
	return p
}

func (s *Server) homes() homes {
	h := homes{scheme: "http", port: portOf(s.listener)}
	if s.cfg.TLS.on() {
		h.scheme = "https"
	}
	if public, err := url.Parse(s.url); err == nil { // it was made or checked by us
		h.public = placeOf(public.Scheme, public.Host)
	}
	h.listens = placeOf(h.scheme, s.listener.Addr().String())
	return h
}

// host reports whether a Host header names us.
func (h homes) host(host string) bool {
	return placeOf(h.public.scheme, host) == h.public || h.here(placeOf(h.scheme, host))
}

// here reports whether a place is that of the listener, by a name that is this machine's own.
func (h homes) here(p place) bool {
	return p == h.listens || p.scheme == h.scheme && p.port == h.port && loopback(p.host)
}

// origin reports whether an Origin header is that of our pages.
func (h homes) origin(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	p := placeOf(u.Scheme, u.Host)
	return p == h.public || h.here(p)
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
