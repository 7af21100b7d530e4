package credential

import (
	"crypto"
	"time"
)

// Ends is when the proof that a source has stops being good, as far as it tells: that of a certificate is its own, and the end
// of a client secret is known to Azure alone. It is false for what nobody here knows.
func (s *Source) Ends() (begin, end time.Time, known bool) {
	p, ok := s.cfg.Proof.(certificate)
	if !ok {
		return time.Time{}, time.Time{}, false
	}
	for _, c := range p.certs {
		key, private := p.key.(crypto.Signer)
		public, comparable := c.PublicKey.(interface{ Equal(x crypto.PublicKey) bool })
		if private && comparable && public.Equal(key.Public()) { // the others vouch for it
			return c.NotBefore, c.NotAfter, true
		}
	}
	return time.Time{}, time.Time{}, false
}

// Advice is what to do about a code of Entra's, such as AADSTS7000215; empty if nobody knows.
func Advice(code string) string { return advice[code] }
