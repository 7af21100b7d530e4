package httpapi

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

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

type auditCheckAnswer struct{ Body api.AuditCheck }

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
	register(s, a, huma.Operation{
		OperationID: "export-audit", Method: http.MethodGet, Path: "/v1/audit/export",
		Summary: "Get the audit log",
		Description: "Returns every entry, oldest first, one a line; the last line says how many there are and with which hash they end, and is " +
			"missing when not all could be read. headsup audit verify --file checks it without a server.",
		Tags:     tags,
		Security: needs(access.Admin),
		Errors:   []int{404, 422, 503},
		Responses: map[string]*huma.Response{"200": {
			Description: "The log.",
			Content:     map[string]*huma.MediaType{"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, s.sendAudit)
	register(s, a, huma.Operation{
		OperationID: "check-audit", Method: http.MethodGet, Path: "/v1/audit/check",
		Summary: "Check the audit log",
		Description: "Reads the audit log and checks that no entry is missing, that each follows the one before and that each is as it was written. " +
			"The server checks its own database here, with the key that it seals with: what others can check themselves is what headsup audit verify does.",
		Tags:     tags,
		Security: needs(access.Admin),
		Errors:   []int{404, 422, 503},
	}, s.checkAudit)
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

// sendAudit sends the whole log. A reader may take as long as they go on reading.
func (s *service) sendAudit(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	if s.cfg.Audit == nil {
		return nil, noAudit()
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", exportType)
		w.Header().Set("Content-Disposition", `attachment; filename="headsup-audit.ndjson"`)
		if r.Method != http.MethodGet { // the pattern takes HEAD too, which asks for nothing more
			return
		}
		if err := audit.WriteExport(patientWriter{w, http.NewResponseController(w)}, s.wholeAudit(ctx)); err != nil {
			s.cfg.Logger.WarnContext(ctx, "audit log not exported", "error", err.Error())
		}
	}}, nil
}

// wholeAudit are all entries, oldest first.
func (s *service) wholeAudit(ctx context.Context) iter.Seq2[api.AuditEntry, error] {
	return func(yield func(api.AuditEntry, error) bool) {
		for f := (audit.Filter{Oldest: true, Limit: 500}); ; {
			found, err := s.cfg.Audit.Entries(ctx, f)
			if err != nil {
				yield(api.AuditEntry{}, err)
				return
			}
			for _, e := range found {
				if !yield(renderAudit(e), nil) {
					return
				}
			}
			if len(found) < f.Limit {
				return
			}
			f.After = found[len(found)-1].Number
		}
	}
}

// longestCheck is how long the audit log is checked for one request.
const longestCheck = 10 * time.Second

func (s *service) checkAudit(ctx context.Context, _ *struct{}) (*auditCheckAnswer, error) {
	if s.cfg.Audit == nil {
		return nil, noAudit()
	}
	// One at a time: it reads everything.
	select {
	case s.checking <- struct{}{}:
		defer func() { <-s.checking }()
	case <-ctx.Done():
		return nil, s.problemOf(ctx, ctx.Err())
	}
	c, err := s.cfg.Audit.Check(ctx, longestCheck)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	out := api.AuditCheck{
		Whole: c.Broken == nil, Complete: c.Complete, Entries: c.Entries, First: c.First, Through: renderMark(c.Last),
		Sealed: each(c.Sealed, func(r audit.Range) api.AuditRange {
			return api.AuditRange{First: r.First, Last: r.Last, Sealed: r.Sealed}
		}),
	}
	if c.Broken != nil {
		out.Broken = &api.AuditBroken{Number: c.Broken.Number, Reason: c.Broken.Reason}
	}
	return &auditCheckAnswer{out}, nil
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
