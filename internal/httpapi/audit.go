package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
)

type auditRequest struct {
	Paging
	Action       string    `query:"action" maxLength:"64" doc:"Those that are this. With a dot at its end, all that begin with it: refused."`
	Actor        string    `query:"actor" maxLength:"64" doc:"Those that were done by key:<id>, local, development or server."`
	Object       string    `query:"object" maxLength:"256" doc:"Those that were done to this, by its id or the hash that stands for it."`
	Conversation string    `query:"conversation" maxLength:"2048" doc:"Those that were done to this conversation, by its id on the channel. The log holds a keyed hash of it."`
	Since        time.Time `query:"since" doc:"Those from this time or later."`
	Until        time.Time `query:"until" doc:"Those from before this time."`
	Order        string    `query:"order" enum:"newest,oldest" default:"newest" doc:"Which come first."`
}

type auditAnswer struct{ Body api.AuditEntries }

type auditEndsAnswer struct{ Body api.AuditEnds }

func (s *service) audits(a huma.API) {
	tags := []string{"audit"}
	register(s, a, huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/v1/audit",
		Summary: "See who did what",
		Description: "Lists the entries of the audit log, a page at a time: what was done over the API, by whom and from where, what was refused, " +
			"and when servers began and ended. Each entry carries a hash over itself and the one before, so a whole list, oldest first, can " +
			"be checked by whoever reads it. Of several filters all must fit.",
		Tags:     tags,
		Security: needs(access.Admin),
		Errors:   []int{404, 422, 503},
	}, s.listAudit)
	register(s, a, huma.Operation{
		OperationID: "get-audit-head", Method: http.MethodGet, Path: "/v1/audit/head",
		Summary: "See where the audit log ends",
		Description: "Returns the number and the hash of the newest entry, which vouch for all before it when they are kept elsewhere, and of the " +
			"last one that was cut off.",
		Tags:     tags,
		Security: needs(access.Admin),
		Errors:   []int{404, 422, 503},
	}, s.auditHead)
}

func (s *service) listAudit(ctx context.Context, r *auditRequest) (*auditAnswer, error) {
	if s.cfg.Audit == nil {
		return nil, noAudit()
	}
	f := audit.Filter{
		Action: r.Action, Actor: r.Actor, Object: r.Object, Since: r.Since, Until: r.Until, Oldest: r.Order == "oldest",
	}
	if r.Conversation != "" {
		if r.Object != "" {
			return nil, invalid("query.conversation", "is given together with object")
		}
		f.Object = s.personal(r.Conversation)
	}
	found, next, err := page(ctx, s, listAudit, r.Paging, func(after int64, limit int) ([]audit.Entry, error) {
		f.After, f.Limit = after, limit
		return s.cfg.Audit.Entries(ctx, f)
	}, func(e audit.Entry) int64 { return e.Number })
	if err != nil {
		return nil, err
	}
	return &auditAnswer{Body: api.AuditEntries{Entries: each(found, renderAudit), NextCursor: next}}, nil
}

func (s *service) auditHead(ctx context.Context, _ *struct{}) (*auditEndsAnswer, error) {
	if s.cfg.Audit == nil {
		return nil, noAudit()
	}
	ends, err := s.cfg.Audit.Ends(ctx)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &auditEndsAnswer{Body: api.AuditEnds{
		Foot: renderMark(ends.Foot), Head: renderMark(ends.Head), HeadAt: optional(ends.HeadAt), Sealed: s.cfg.Audit.Seal(),
	}}, nil
}

func noAudit() error {
	return newProblem(http.StatusNotFound, api.CodeNotFound, "this server keeps no audit log")
}

// renderAudit tells an entry whatever somebody has put into the store: what JSON cannot have is told differently, so that
// the hash does not fit.
func renderAudit(e audit.Entry) api.AuditEntry {
	text := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
	at := e.At.UTC()
	if y := at.Year(); y < 1 || y > 9999 {
		at = time.Time{}
	}
	return api.AuditEntry{
		Number: e.Number, AppID: text(e.AppID), At: at, Action: text(string(e.Action)), Actor: text(e.Actor), From: text(e.From),
		Object: text(e.Object), Detail: raw(e.Described()), Trace: text(e.Trace), Sealed: text(e.Sealed), Prev: e.Prev.String(),
		Hash: e.Hash.String(),
	}
}

func renderMark(m audit.Mark) api.AuditMark {
	return api.AuditMark{Number: m.Number, Hash: m.Hash.String()}
}
