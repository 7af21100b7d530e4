package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/headsup-bot/headsup/api"
)

// AuditFilter says which entries of the audit log are wanted: those that match all that is set.
type AuditFilter struct {
	// Action is a word of docs/audit.md; with a dot at its end, all that begin with it.
	Action string
	// Actor is key:<id>, local, development or server.
	Actor string
	// Object is the id of what it was done to. Conversation, in its place, is a conversation's id on the channel.
	Object, Conversation string
	// Since and Until are between which times entries are: at Since or later, before Until. Zero is no bound.
	Since, Until time.Time
	// Oldest lists from the oldest entry on; otherwise the newest come first.
	Oldest bool
}

// AuditPage returns a page of the audit log, for which this client needs a key with the scope admin. The first page has an
// empty cursor; each names the next one's, the last one none. A limit of 0 leaves the size to the server.
func (c *Client) AuditPage(ctx context.Context, f AuditFilter, cursor string, limit int) (api.AuditEntries, error) {
	order := ""
	if f.Oldest {
		order = "oldest"
	}
	page, err := ask(ctx, c, http.MethodGet, auditLog+parameters("action", f.Action, "actor", f.Actor, "object", f.Object,
		"conversation", f.Conversation, "since", when(f.Since), "until", when(f.Until), "order", order,
		"cursor", cursor, "limit", positive(limit)), func(p api.AuditEntries) bool { return p.Entries != nil })
	if err != nil {
		return page, fmt.Errorf("audit log: %w", err)
	}
	return page, nil
}

// Audit goes over all entries that match, asking for a page at a time. It ends with the first error.
func (c *Client) Audit(ctx context.Context, f AuditFilter) iter.Seq2[api.AuditEntry, error] {
	return all(func(cursor string) ([]api.AuditEntry, string, error) {
		page, err := c.AuditPage(ctx, f, cursor, largestPage)
		return page.Entries, page.NextCursor, err
	})
}

// AuditEnds returns where the audit log begins and ends.
func (c *Client) AuditEnds(ctx context.Context) (api.AuditEnds, error) {
	ends, err := ask(ctx, c, http.MethodGet, auditLog+"/head", func(e api.AuditEnds) bool { return e.Head.Hash != "" })
	if err != nil {
		return ends, fmt.Errorf("audit log: %w", err)
	}
	return ends, nil
}
