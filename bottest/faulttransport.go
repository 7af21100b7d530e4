package bottest

import (
	"io"
	"net/http"
)

// FaultTransport is an HTTP transport that fails by Faults: before, the request is not sent; after, it was sent and its
// answer is thrown away. Every error is [ErrInjected]. Safe for concurrent use.
type FaultTransport struct {
	// Base sends what does not fail. Nil means http.DefaultTransport.
	Base http.RoundTripper
	*Faults
}

// RoundTrip implements [http.RoundTripper].
func (t *FaultTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	before, after := t.next()
	if before {
		if r.Body != nil {
			_ = r.Body.Close() // as the interface asks
		}
		return nil, ErrInjected
	}
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(r)
	if err != nil || !after {
		return resp, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return nil, ErrInjected
}
