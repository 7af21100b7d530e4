package server

import (
	"net/http"
	"time"

	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/audit"
)

// minSecret is how many bytes the Direct Line secret has at least: nobody guesses as many random ones.
const minSecret = 32

func (c Config) validateDirectLine() error {
	for _, origin := range c.DirectLineOrigins {
		if !directline.IsOrigin(origin) {
			return wrong("directline_origins", "%q is not an origin such as https://www.example.com: scheme, host and port if it is "+
				"not the scheme's own, in lower case, without a wildcard", origin)
		}
	}
	for _, secret := range []struct{ setting, text string }{
		{"directline_secret", c.DirectLineSecret}, {"directline_second_secret", c.DirectLineSecondSecret},
	} {
		if n := len(secret.text); n > 0 && n < minSecret {
			return wrong(secret.setting, "has %d bytes, and must have at least %d random ones, as \"openssl rand -hex 32\" makes them", n, minSecret)
		}
	}
	switch second := c.DirectLineSecondSecret; {
	case second != "" && c.DirectLineSecret == "":
		return wrong("directline_second_secret", "is set, and directline_secret is not")
	case second != "" && second == c.DirectLineSecret:
		return wrong("directline_second_secret", "is the same as directline_secret")
	}
	return nil
}

// wrongAtChannel counts a wrong credential of the embedded channel with the wrong keys of its address.
func (s *Server) wrongAtChannel(r *http.Request) (wait time.Duration) {
	refused := s.keys.Wrong(r)
	action, reason := audit.KeyRefused, "directline"
	if refused.Limited() {
		action, reason = audit.RateLimited, refused.Cause
	}
	s.audit.Refused(action, reason, audit.Nobody, s.keys.From(r))
	s.metrics.Refused("directline_credential")
	return refused.RetryAfter
}
