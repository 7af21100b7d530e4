// Package httpapi serves the operator's HTTP API under /v1 and its OpenAPI document.
//
// [Register] adds the operations to a mux. Each decodes and checks a request, calls the engine, and encodes the answer;
// errors are problem+json with a stable code and the field at fault.
package httpapi

import (
	"context"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"sync/atomic"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/proactive"
)

// Engine is what the API needs of the engine; *proactive.Engine implements it.
type Engine interface {
	Notify(ctx context.Context, n headsup.Notification) (proactive.Accepted, error)
	Status(ctx context.Context, id headsup.NotificationID) (proactive.Status, error)
	Cancel(ctx context.Context, id headsup.NotificationID) (proactive.Status, error)

	Conversation(ctx context.Context, id activity.ConversationID) (book.Conversation, error)
	Conversations(ctx context.Context, after book.Row, limit int) ([]book.Conversation, error)

	Job(ctx context.Context, n proactive.JobNumber) (proactive.Job, error)
	Jobs(ctx context.Context, after proactive.JobNumber, limit int) ([]proactive.Job, error)
	StartJobIn(ctx context.Context, to headsup.Target, s proactive.NewJob) (proactive.Job, error)
	CompleteJob(ctx context.Context, n proactive.JobNumber, c proactive.Completion) (proactive.Job, headsup.NotificationID, error)
}

// Config makes the API.
type Config struct {
	// Engine is required.
	Engine Engine
	// Webhooks keeps webhooks and knows of events. Required.
	Webhooks *webhook.Service
	// Closing is closed when streams are to end; nil is never.
	Closing <-chan struct{}
	// Version is shown in the OpenAPI document.
	Version string
	// Logger receives internal errors, once each. Nil discards them.
	Logger *slog.Logger
}

// maxBody bounds request bodies in bytes (reliability: 256 kB for a notification, with room for its other members).
const maxBody = 512 << 10

// Register adds the API and /openapi.json to mux.
func Register(mux *http.ServeMux, cfg Config) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	useProblems()
	doc := huma.DefaultConfig("Headsup", cfg.Version)
	doc.Info.Description = "Let a bot speak first: accept notifications and deliver each into the right conversation."
	doc.CreateHooks = nil // no $schema members and Link headers in answers
	doc.SchemasPath, doc.DocsPath = "", ""
	doc.RejectUnknownQueryParameters = true
	doc.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}
	operations := humago.New(mux, doc)
	operations.UseMiddleware(wantJSON(operations))
	s := &service{cfg: cfg}
	s.notifications(operations)
	s.conversations(operations)
	s.jobs(operations)
	s.webhooks(operations)
	s.events(operations)
	describeActivities(operations)
	mux.Handle(rest, otherRoutes(mux))
}

// rest is the pattern of what no operation takes.
const rest = "/v1/"

// otherRoutes answers what no operation takes: 405 where another method would do, else 404.
func otherRoutes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such route")
		for _, method := range []string{
			http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		} {
			if _, pattern := mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != rest {
				w.Header().Add("Allow", method)
				p = newProblem(http.StatusMethodNotAllowed, api.CodeMethodNotAllowed, r.Method+" is not allowed here")
			}
		}
		w.Header().Set("Content-Type", p.ContentType(""))
		w.WriteHeader(p.Status)
		_ = json.MarshalWrite(w, p.Problem)
	})
}

// jsonFormat reads and writes bodies with the JSON package that the rest of the program uses: duplicate members,
// invalid UTF-8 and names in another letter case are refused.
var jsonFormat = huma.Format{
	Marshal:   func(w io.Writer, v any) error { return json.MarshalWrite(w, v, json.FormatNilSliceAsNull(false)) },
	Unmarshal: func(data []byte, v any) error { return json.Unmarshal(data, v, json.RejectUnknownMembers(true)) },
}

// wantJSON refuses bodies that are not declared as JSON, which also keeps out forms of other sites' pages. A request
// without a body need not declare one.
func wantJSON(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humago.Unwrap(ctx)
		if empty := r.ContentLength == 0 && r.Header.Get("Content-Type") == ""; (r.Method == http.MethodPost || r.Method == http.MethodPatch) && !empty {
			if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
				_ = huma.WriteErr(api, ctx, http.StatusUnsupportedMediaType, "the content type must be application/json")
				return
			}
		}
		next(ctx)
	}
}

type service struct {
	cfg     Config
	readers atomic.Int64 // streams of events that are open
}

// describeActivities writes the schema of raw members by hand: an activity is open to members that nobody has thought
// of yet, which the generator cannot say.
func describeActivities(api huma.API) {
	schemas := api.OpenAPI().Components.Schemas.Map()
	activity := &huma.Schema{
		Type:        huma.TypeObject,
		Description: "An activity of the Bot Framework protocol. Members that are not listed are kept as they are.",
		Properties: map[string]*huma.Schema{
			"type":             {Type: huma.TypeString, Description: "message, event, typing, …; message, if not given.", Examples: []any{"message"}},
			"text":             {Type: huma.TypeString, Description: "The text of a message."},
			"textFormat":       {Type: huma.TypeString, Enum: []any{"plain", "markdown", "xml"}},
			"summary":          {Type: huma.TypeString},
			"speak":            {Type: huma.TypeString},
			"inputHint":        {Type: huma.TypeString},
			"locale":           {Type: huma.TypeString},
			"name":             {Type: huma.TypeString, Description: "The name of an event."},
			"value":            {Description: "Any JSON."},
			"attachments":      {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
			"suggestedActions": {Type: huma.TypeObject, AdditionalProperties: true},
			"entities":         {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
			"channelData":      {Description: "Any JSON, as the channel wants it."},
		},
		AdditionalProperties: true,
	}
	schemas["Activity"] = activity
	for _, name := range []string{"Notification", "NotificationRequest", "Job", "JobRequest", "JobCompletion"} {
		members := schemas[name].Properties
		if members["activity"] != nil {
			members["activity"] = &huma.Schema{Ref: "#/components/schemas/Activity"}
		}
		if value := members["value"]; value != nil {
			members["value"] = &huma.Schema{Description: value.Description}
		}
		schemas[name].PrecomputeMessages()
	}
}
