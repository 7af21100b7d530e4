package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// Admin is the listener for operators and their monitoring: /healthz, /readyz and /metrics.
type Admin struct {
	// Listen is its address. Empty or "off" is none.
	Listen string
	// Optional lets the server do without when the address is taken.
	Optional bool
	// AllowRemote allows an address that is not this machine's own. There is no password.
	AllowRemote bool
	// Pprof serves Go's profiles below /debug/pprof/.
	Pprof bool
}

func (a Admin) on() bool { return a.Listen != "" && a.Listen != "off" }

func (a Admin) validate(listen string) error {
	if !a.on() {
		if a.Pprof {
			return wrong("admin.pprof", "needs admin.listen")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(a.Listen)
	switch {
	case err != nil:
		return wrong("admin.listen", "%q is not host:port", a.Listen)
	case badPort(port):
		return wrong("admin.listen", "%q has no port from 0 to 65535", a.Listen)
	case !loopback(host) && !a.AllowRemote:
		return wrong("admin.listen", "%q can be reached by others, and has no password; admin.allow_remote allows it all the same", a.Listen)
	case !loopback(host) && a.Pprof:
		return wrong("admin.pprof", "shows what is in memory, and %q can be reached by others: with profiles the admin listener must be on "+
			"loopback, even with admin.allow_remote", a.Listen)
	case a.Listen == listen && port != "0":
		return wrong("admin.listen", "%q is the address of listen", a.Listen)
	}
	return nil
}

// listen opens the admin listener; nil when there is none to be.
func (a Admin) listen(ctx context.Context, log *slog.Logger) (net.Listener, error) {
	if !a.on() {
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.Listen)
	if err != nil && a.Optional {
		log.WarnContext(ctx, "admin listener not opened", "address", a.Listen, "error", err.Error())
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	return l, nil
}

// adminRoutes is every path of the admin listener. A page that made a name point here is sent away.
func (s *Server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metrics.handler())
	if s.cfg.Admin.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusNotFound, api.CodeNotFound, "there is no such route")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secureHeaders(w.Header())
		if !s.cfg.Admin.AllowRemote && !loopback(hostname(r.Host)) {
			refuse(w, "the Host header names another machine")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// phase is what the server is at, as /readyz sees it.
type phase struct {
	delivering atomic.Bool // the engine runs
	draining   atomic.Bool
}

// readyPatience is how long the store may take to answer a write.
const readyPatience = time.Second

// readyz says whether to send requests here, and if not, why.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	var reasons []string
	if s.phase.draining.Load() {
		reasons = append(reasons, "draining")
	}
	if !s.phase.delivering.Load() {
		reasons = append(reasons, "engine_stopped")
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyPatience)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- s.store.Check(ctx) }() // which the disk may hold up for longer; it ends with the store
	select {
	case err := <-answered:
		if err != nil {
			s.log.WarnContext(r.Context(), "store not ready", "error", err.Error())
			reasons = append(reasons, "store_failed")
		}
	case <-ctx.Done():
		reasons = append(reasons, "store_slow")
	}
	answer := struct {
		Ready   bool     `json:"ready"`
		Reasons []string `json:"reasons,omitzero"`
	}{len(reasons) == 0, reasons}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.MarshalWrite(w, answer)
}

// serveBeside runs a small server until stop is called, which waits for it.
func serveBeside(l net.Listener, h http.Handler, log *slog.Logger) (stop func()) {
	if l == nil {
		return func() {}
	}
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.ErrorContext(context.Background(), "listener failed", "address", l.Addr().String(), "error", err.Error())
		}
	}()
	return func() {
		_ = srv.Close()
		<-ended
	}
}
