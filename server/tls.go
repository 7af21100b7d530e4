package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/headsup-bot/headsup/api"
)

// TLS says how the server proves who it is: with files, or with certificates that it gets by ACME. The zero value is
// plain HTTP.
type TLS struct {
	// CertFile and KeyFile are PEM files, read again when they change.
	CertFile, KeyFile string

	// ACME gets certificates for the public URL's host and keeps them in the data directory. It accepts the authority's
	// terms of service. ACMEEmail may be empty; ACMEDirectory empty means Let's Encrypt. ACMERoots is a PEM file of the
	// certificates that vouch for an authority which the system does not know; empty for none.
	ACME          bool
	ACMEEmail     string
	ACMEDirectory string
	ACMERoots     string

	// HTTPListen is a second address, for plain HTTP: it answers the authority's challenges and redirects to the public
	// URL. Empty for none.
	HTTPListen string
}

func (t TLS) withDefaults() TLS {
	if t.ACMEDirectory == "" {
		t.ACMEDirectory = autocert.DefaultACMEDirectory
	}
	return t
}

// on reports whether the server speaks TLS.
func (t TLS) on() bool { return t.CertFile != "" || t.ACME }

// validate checks the combination, and that the files hold a certificate and its key.
func (t TLS) validate(publicURL string) error {
	var errs []error
	public, err := url.Parse(publicURL)
	if err != nil {
		public = new(url.URL) // which is told elsewhere
	}
	switch {
	case t.ACME && (t.CertFile != "" || t.KeyFile != ""):
		errs = append(errs, wrong("tls.acme", "give certificate files or acme, not both"))
	case t.CertFile != "" && t.KeyFile == "":
		errs = append(errs, wrong("tls.key_file", "is missing: tls.cert_file needs its key"))
	case t.CertFile == "" && t.KeyFile != "":
		errs = append(errs, wrong("tls.cert_file", "is missing: tls.key_file needs its certificate"))
	case t.CertFile != "":
		errs = append(errs, t.validateFiles())
	case t.ACME:
		errs = append(errs, validateACMEHost(public))
	}
	if t.on() && public.Scheme == "http" {
		errs = append(errs, wrong("public_url", "%q must begin with https: the server speaks TLS", publicURL))
	}
	if t.HTTPListen != "" && !t.on() {
		errs = append(errs, wrong("tls.http_listen", "needs tls.cert_file or tls.acme: there is nothing to lead to"))
	}
	if _, err := t.authority(); err != nil {
		errs = append(errs, err)
	}
	if u, err := url.Parse(t.ACMEDirectory); err != nil || u.Scheme != "https" || u.Host == "" {
		errs = append(errs, wrong("tls.acme_directory", "%q is not an https URL", t.ACMEDirectory))
	}
	return errors.Join(errs...)
}

func (t TLS) validateFiles() error {
	if err := closedFile("tls.key_file", t.KeyFile); err != nil {
		return err
	}
	if _, err := os.Stat(t.CertFile); err != nil {
		return wrong("tls.cert_file", "%w", err)
	}
	if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
		return wrong("tls.cert_file", "%w", err)
	}
	return nil
}

func validateACMEHost(public *url.URL) error {
	host := public.Hostname()
	_, notAnIP := netip.ParseAddr(host)
	if public.Scheme != "https" || notAnIP == nil || !strings.Contains(strings.Trim(host, "."), ".") {
		return wrong("tls.acme", "needs a public_url such as https://bot.example.com: the certificate is for its host")
	}
	return nil
}

// config makes the listener's settings, and the handler for HTTPListen.
func (t TLS) config(dataDir, publicURL string, log *slog.Logger) (*tls.Config, http.Handler, error) {
	redirect := toPublic(publicURL)
	if t.ACME {
		m, err := t.manager(dataDir, publicURL)
		if err != nil {
			return nil, nil, err
		}
		c := m.TLSConfig()
		c.MinVersion = tls.VersionTLS12
		return c, m.HTTPHandler(redirect), nil
	}
	files := &certFiles{cert: t.CertFile, key: t.KeyFile, log: log}
	if err := files.load(); err != nil {
		return nil, nil, wrong("tls.cert_file", "%w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: files.certificate,
	}, redirect, nil
}

// manager gets certificates for the public URL's host and nobody else's.
func (t TLS) manager(dataDir, publicURL string) (*autocert.Manager, error) {
	public, err := url.Parse(publicURL)
	if err != nil {
		return nil, wrong("public_url", "%w", err)
	}
	authority, err := t.authority()
	if err != nil {
		return nil, err
	}
	return &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(dataDir, "acme")),
		HostPolicy: autocert.HostWhitelist(public.Hostname()), Email: t.ACMEEmail,
		Client: &acme.Client{DirectoryURL: t.ACMEDirectory, UserAgent: "headsup", HTTPClient: authority},
	}, nil
}

// authority is how the authority is called.
func (t TLS) authority() (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 10 * time.Second}
	if t.ACMERoots != "" {
		roots, err := os.ReadFile(t.ACMERoots)
		if err != nil {
			return nil, wrong("tls.acme_roots", "%w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(roots) {
			return nil, wrong("tls.acme_roots", "%s holds no certificate", t.ACMERoots)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport, Timeout: time.Minute}, nil
}

// toPublic sends those who read to the public URL. What somebody wants changed is refused: it has come unprotected.
func toPublic(publicURL string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secureHeaders(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			writeProblem(w, http.StatusForbidden, api.CodeForbidden, "use "+publicURL)
			return
		}
		http.Redirect(w, r, publicURL+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
}

// certFiles is a certificate in files that somebody else renews.
type certFiles struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex // guards all below
	current *tls.Certificate
	marks   [2]mark // of what is current, or could not be used
	looked  time.Time
}

// mark tells versions of a file apart.
type mark struct {
	at   time.Time
	size int64
}

// certLook is how often the files are looked at, at most.
const certLook = time.Second

// certificate returns the present certificate. Files that have changed and cannot be used are told once, and the last
// good certificate goes on.
func (c *certFiles) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < certLook {
		return c.current, nil
	}
	if marks := c.marksNow(); marks != c.marks {
		if err := c.loadLocked(); err != nil {
			c.marks = marks
			c.log.ErrorContext(context.Background(), "changed certificate not usable", "error", err.Error())
		} else {
			c.log.InfoContext(context.Background(), "certificate read again", "not_after", c.current.Leaf.NotAfter)
		}
	}
	c.looked = time.Now()
	return c.current, nil
}

func (c *certFiles) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loadLocked()
}

func (c *certFiles) loadLocked() error {
	marks := c.marksNow() // before reading: what changes meanwhile is seen next time
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.current, c.marks, c.looked = &pair, marks, time.Now()
	return nil
}

func (c *certFiles) marksNow() [2]mark { return [2]mark{markOf(c.cert), markOf(c.key)} }

func markOf(path string) mark {
	info, err := os.Stat(path)
	if err != nil {
		return mark{}
	}
	return mark{info.ModTime(), info.Size()}
}
