package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var certificateChecks = []Check{
	{
		ID:    "tls.certificate",
		About: "The server's own certificate, where it speaks TLS by itself: how long it is good, and for which host. Whether others can read its key is told by config.secrets.",
		Faults: []Fault{
			{"expired", Fail, "It has expired: nobody's program comes in.", "renew it; the server reads {file} again by itself"},
			{"not_yet", Fail, "It is not good yet.", "look at the clock; use the one before until then"},
			{"expires", Warn, "It expires within 14 days.", "renew it; the server reads {file} again by itself"},
			{"not_renewed", Warn, "It was fetched by ACME, expires within 14 days, and was not renewed.", "look at the server's log for what the authority says, and whether it reaches port 443 of {host}, or port 80 with tls.http_listen"},
			{"other_host", Fail, "It is not for the host by which others reach the server: they refuse it.", "get one for {host}, or change public_url"},
			{"not_public", Warn, "No authority that this machine knows vouches for it: it is a private one's, or a certificate in between is missing. Azure's channels refuse such.", "put the certificates in between into tls.cert_file, after the server's own; for Azure, use one of a public authority"},
			{"odd", Warn, "What ACME has left cannot be read.", "look at the file; if it is deleted, the server fetches another"},
		},
		run: checkCertificate,
	},
}

func checkCertificate(_ context.Context, p *patient) []Result {
	t := p.Loaded.TLS
	switch {
	case t.ACME:
		return p.fetched()
	case t.CertFile == "":
		return p.skip("the server speaks no TLS by itself")
	}
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return p.skip("it cannot be read: config.settings and config.secrets tell why")
	}
	return about(p.host(), p.certificate(pair.Leaf, intermediates(pair.Certificate), t.CertFile, "expires"))
}

// host is that by which others reach the server.
func (p *patient) host() string {
	if u, err := url.Parse(p.Loaded.PublicURL); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	host, _, err := net.SplitHostPort(p.Loaded.Listen)
	if err != nil {
		return p.Loaded.Listen
	}
	return cmp.Or(host, "localhost")
}

// intermediates are the certificates of a chain after the first.
func intermediates(chain [][]byte) *x509.CertPool {
	pool := x509.NewCertPool()
	for i, raw := range chain {
		if c, err := x509.ParseCertificate(raw); err == nil && i > 0 {
			pool.AddCert(c)
		}
	}
	return pool
}

// certificate looks at one. soon is what it is called when it is about to end.
func (p *patient) certificate(leaf *x509.Certificate, between *x509.CertPool, file, soon string) []Result {
	const notice = 14 * 24 * time.Hour
	now, host := p.Now(), p.host()
	ends := leaf.NotAfter.UTC().Format(time.DateTime)
	switch {
	case now.Before(leaf.NotBefore):
		return p.fault("not_yet", "begins on "+leaf.NotBefore.UTC().Format(time.DateTime))
	case !now.Before(leaf.NotAfter):
		return p.fault("expired", "ended on "+ends, "file", file)
	case leaf.VerifyHostname(host) != nil:
		return p.fault("other_host", "is for "+cmp.Or(strings.Join(names(leaf), ", "), "no host"), "host", host)
	case leaf.NotAfter.Sub(now) < notice:
		return p.fault(soon, "ends on "+ends, "file", file, "host", host)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Intermediates: between, CurrentTime: now})
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown && p.Loaded.Azure.AppID != "" {
		return p.fault("not_public", err.Error())
	}
	return p.ok("good until %s", ends)
}

// names are the hosts that a certificate is for.
func names(c *x509.Certificate) []string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

// fetched looks at what ACME has left in the data directory.
func (p *patient) fetched() []Result {
	host := p.host()
	file := filepath.Join(p.Loaded.Data, "acme", host)
	raw, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p.skip("there is none yet: it is fetched for the first who comes")
	case err != nil:
		return p.skip("%v", err)
	}
	var chain [][]byte
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	if len(chain) == 0 {
		return p.fault("odd", fmt.Sprintf("%s holds no certificate", file))
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return p.fault("odd", fmt.Sprintf("%s: %v", file, err))
	}
	return about(host, p.certificate(leaf, intermediates(chain), file, "not_renewed"))
}
