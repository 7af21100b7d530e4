package fakechannel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// controlPath begins the paths by which another process reads the ledger and sets rules.
const controlPath = "/_fake/"

// control answers a [Remote].
func (s *Server) control(w http.ResponseWriter, r *http.Request, path string) {
	switch r.Method + " " + strings.TrimPrefix(path, controlPath) {
	case "GET report":
		s.plain(w, s.Report())
	case "GET conversations":
		s.plain(w, s.ledger.Conversations())
	case "GET authority":
		_, _ = w.Write(s.AuthorityPEM())
	case "PUT rules":
		var list []Rule
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil {
			list, err = ParseRules(body)
		}
		if err == nil {
			err = s.SetRules(list...)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	case "POST release":
		s.Release()
	case "POST revoke":
		s.Revoke()
	case "POST clear":
		s.ledger.Clear()
	default:
		http.NotFound(w, r)
	}
}

// plain writes JSON that no ledger counts.
func (s *Server) plain(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, v, jsontext.EscapeForHTML(false)) // the caller may be gone
}

// Remote is a channel in another process. Safe for concurrent use.
type Remote struct {
	url    string
	client *http.Client
}

// Connect returns the channel at a URL, without asking whether it is there. A nil client means one with a timeout of 30 s;
// a channel with TLS needs one that knows its authority.
func Connect(url string, client *http.Client) *Remote {
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	return &Remote{url: strings.TrimSuffix(url, "/"), client: client}
}

// URL is where the channel is.
func (r *Remote) URL() string { return r.url }

// ServiceURL is [Server.ServiceURL].
func (r *Remote) ServiceURL(tenant string) string {
	if tenant == "" {
		return r.url
	}
	return r.url + "/" + pathEscape(tenant)
}

// Report is [Server.Report].
func (r *Remote) Report(ctx context.Context) (report Report, err error) {
	return report, r.call(ctx, http.MethodGet, "report", nil, &report)
}

// Conversations is [Ledger.Conversations].
func (r *Remote) Conversations(ctx context.Context) (all []Conversation, err error) {
	return all, r.call(ctx, http.MethodGet, "conversations", nil, &all)
}

// SetRules is [Server.SetRules].
func (r *Remote) SetRules(ctx context.Context, list ...Rule) error {
	body, err := json.Marshal(list, wire)
	if err != nil {
		return fmt.Errorf("fakechannel: %w", err)
	}
	return r.call(ctx, http.MethodPut, "rules", body, nil)
}

// Release is [Server.Release], Revoke [Server.Revoke] and Clear [Ledger.Clear].
func (r *Remote) Release(ctx context.Context) error {
	return r.call(ctx, http.MethodPost, "release", nil, nil)
}

// Revoke is [Server.Revoke].
func (r *Remote) Revoke(ctx context.Context) error {
	return r.call(ctx, http.MethodPost, "revoke", nil, nil)
}

// Clear is [Ledger.Clear].
func (r *Remote) Clear(ctx context.Context) error {
	return r.call(ctx, http.MethodPost, "clear", nil, nil)
}

// Await returns when ok holds for the report, or with ctx's error. It asks every 20 ms.
func (r *Remote) Await(ctx context.Context, ok func(Report) bool) (Report, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		report, err := r.Report(ctx)
		if err != nil || ok(report) {
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, ctx.Err()
		case <-tick.C:
		}
	}
}

func (r *Remote) call(ctx context.Context, method, what string, body []byte, into any) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("fakechannel: %s: %w", what, err)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, method, r.url+controlPath+what, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return errors.New(resp.Status + ": " + strings.TrimSpace(string(said)))
	}
	if into == nil {
		return nil
	}
	return json.UnmarshalRead(resp.Body, into)
}
