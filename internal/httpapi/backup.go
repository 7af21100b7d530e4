package httpapi

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
)

// Backup is a copy of everything that the server keeps. It is closed when it was read.
type Backup struct {
	io.ReadCloser
	// Size is in bytes.
	Size int64
}

type backupRequest struct {
	method string
}

// Resolve implements huma.Resolver.
func (r *backupRequest) Resolve(ctx huma.Context) []error {
	r.method = ctx.Method()
	return nil
}

func (s *service) backups(a huma.API) {
	register(s, a, huma.Operation{
		OperationID: "get-backup", Method: http.MethodGet, Path: "/v1/backup",
		Summary: "Get a backup",
		Description: "Returns everything that the server keeps, as it is at one moment, as one SQLite database that \"headsup restore\" takes. " +
			"Work goes on meanwhile. It holds what people have said and the secrets of webhooks, so keep it as you keep those. " +
			"A server over PostgreSQL has none: PostgreSQL's own tools back it up.",
		Tags:     []string{"backup"},
		Security: needs(access.Admin),
		Errors:   []int{409, 422, 503},
		Responses: map[string]*huma.Response{"200": {
			Description: "The database.",
			Content: map[string]*huma.MediaType{"application/vnd.sqlite3": {
				Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"},
			}},
		}},
	}, s.backup)
}

func (s *service) backup(ctx context.Context, r *backupRequest) (*huma.StreamResponse, error) {
	if s.cfg.Backup == nil {
		return nil, newProblem(http.StatusConflict, api.CodeNoBackup, "the server's database is backed up by its own tools")
	}
	if !s.backingUp.TryLock() {
		return nil, huma.ErrorWithHeaders(
			newProblem(http.StatusServiceUnavailable, api.CodeUnavailable, "another backup is being made; try again"),
			http.Header{"Retry-After": {"10"}})
	}
	if r.method == http.MethodHead { // asks only whether it may
		s.backingUp.Unlock()
		audit.FromContext(ctx).Drop()
		return &huma.StreamResponse{Body: func(hc huma.Context) { describeBackup(hc) }}, nil
	}
	if err := s.before(ctx); err != nil { // so that the copy tells of itself
		s.backingUp.Unlock()
		return nil, err
	}
	b, err := s.cfg.Backup(ctx)
	if err != nil {
		s.backingUp.Unlock()
		return nil, s.problemOf(ctx, err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer s.backingUp.Unlock()
		defer func() { _ = b.Close() }()
		w := describeBackup(hc)
		w.Header().Set("Content-Length", strconv.FormatInt(b.Size, 10))
		if err := send(w, b); err != nil {
			s.cfg.Logger.WarnContext(ctx, "backup not sent", "error", err.Error())
		}
	}}, nil
}

func describeBackup(hc huma.Context) http.ResponseWriter {
	_, w := humago.Unwrap(hc)
	w.Header().Set("Content-Type", "application/vnd.sqlite3")
	w.Header().Set("Content-Disposition", `attachment; filename="headsup-backup.db"`)
	return w
}

// sendPatience is how long a reader of a large answer may take none of it.
const sendPatience = 30 * time.Second

// send copies to a reader who may take as long as it goes on reading.
func send(w http.ResponseWriter, from io.Reader) error {
	control := http.NewResponseController(w)
	buf := make([]byte, 256<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			_ = control.SetWriteDeadline(time.Now().Add(sendPatience)) // where it cannot be set there is none
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
