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
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/rotation"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// Engine is what the API needs of the engine; *proactive.Engine implements it.
type Engine interface {
	// Bound is the view of one tenant.
	Bound(tenant activity.TenantID) *proactive.Engine

	NoteMembers(ctx context.Context, ref activity.Reference, people []activity.ChannelAccount) error
	Notify(ctx context.Context, n headsup.Notification) (proactive.Accepted, error)
	StatusWith(ctx context.Context, id headsup.NotificationID, deliveries int) (proactive.Status, error)
	Cancel(ctx context.Context, id headsup.NotificationID) (proactive.Status, error)
	NotifyGroup(ctx context.Context, group string, n headsup.Notification) (proactive.GroupAccepted, error)
	NotifyAll(ctx context.Context, all []headsup.Notification) ([]proactive.Result, error)
	Notifications(ctx context.Context, f proactive.NotificationFilter) (proactive.NotificationPage, error)
	Reschedule(ctx context.Context, id headsup.NotificationID, at time.Time, in time.Duration) (proactive.Status, error)
	Edit(ctx context.Context, id headsup.NotificationID, c proactive.Content) (proactive.Status, error)
	Recall(ctx context.Context, id headsup.NotificationID) (proactive.Status, error)

	Deliveries(ctx context.Context, f proactive.DeliveryFilter) (outbox.DeliveryPage, error)
	Delivery(ctx context.Context, id string) (outbox.Delivery, error)
	Replay(ctx context.Context, id string) (outbox.Delivery, error)
	ReplayAll(ctx context.Context, f proactive.DeliveryFilter, forbidden bool) (int, error)
	Settle(ctx context.Context, id string, to outbox.State, given activity.ID) (outbox.Delivery, error)

	ConversationOn(ctx context.Context, channel activity.ChannelID, id activity.ConversationID) (book.Conversation, error)
	Conversations(ctx context.Context, f book.Filter, after book.Row, limit int) ([]book.Conversation, error)
	Details(ctx context.Context, of ...book.Conversation) (map[book.Row]book.Details, error)
	Label(ctx context.Context, key headsup.ConversationKey, l book.Labels) error
	Forget(ctx context.Context, key headsup.ConversationKey) error

	ListPeople(ctx context.Context, f book.PeopleFilter, after book.PersonRow, limit int) ([]book.Person, error)
	// Human, Merge and Split name people by [proactive.PersonID].
	Human(ctx context.Context, id string) ([]book.Person, error)
	Merge(ctx context.Context, ids ...string) ([]book.Person, error)
	PersonPreferences(ctx context.Context, id string) (book.Preferences, error)
	PreferPerson(ctx context.Context, id string, c proactive.PreferenceChange) (book.Preferences, error)
	Prefer(ctx context.Context, key headsup.ConversationKey, c proactive.PreferenceChange) (book.Preferences, error)
	Split(ctx context.Context, ids ...string) ([]book.Person, error)

	Import(ctx context.Context, all []proactive.Import, check bool) ([]proactive.Imported, error)
	// SetBusy and Free set and take down the bot's flag.
	SetBusy(ctx context.Context, key headsup.ConversationKey, b headsup.Busy) (book.Conversation, error)
	Free(ctx context.Context, key headsup.ConversationKey, by string) (book.Conversation, error)

	Job(ctx context.Context, n proactive.JobNumber) (proactive.Job, error)
	Jobs(ctx context.Context, after proactive.JobNumber, limit int) ([]proactive.Job, error)
	StartJobIn(ctx context.Context, to headsup.Target, s proactive.NewJob) (proactive.Job, error)
	CompleteJob(ctx context.Context, n proactive.JobNumber, c proactive.Completion) (proactive.Job, headsup.NotificationID, error)
	Progress(ctx context.Context, n proactive.JobNumber, p proactive.Progress) (proactive.Job, error)

	// Topics are those that were configured.
	Topics() map[string]proactive.Topic

	Schedules
	Templates
}

// Config makes the API.
type Config struct {
	// Engine is required.
	Engine Engine
	// Webhooks keeps webhooks and knows of events. Required.
	Webhooks *webhook.Service
	// Closing is closed when streams are to end; nil is never.
	Closing <-chan struct{}
	// Keys says who calls and what they may do. Nil lets nobody in.
	Keys *access.Keyring
	// Audit is the log of who did what. Nil keeps none.
	Audit *audit.Log
	// Transcripts is the history of the conversations that have one. Nil: none has.
	Transcripts Transcripts

	// Rosters tells who takes part in conversations. Nil: nobody does. Proven keeps it from asking where nobody vouches for the
	// service URL.
	Rosters Rosters
	Proven  bool
	// People tells and erases what is kept of people. Nil: the store cannot, and who asks is told that.
	People People
	// Backup makes a copy of everything. Nil: the database has tools of its own for that.
	Backup func(ctx context.Context) (Backup, error)
	// RefreshAuth fetches the keys by which callers' tokens are checked, on all nodes. Nil: nobody's are.
	RefreshAuth func(ctx context.Context) ([]api.AuthKeys, error)
	// SigningKeys are the secrets that tokens are signed with, by what they are for.
	SigningKeys map[string]*rotation.Ring
	// Limits is what keeps channels within theirs. Nil: nothing is ever paused.
	Limits Limits
	// Version is shown in the OpenAPI document.
	Version string
	// Logger receives internal errors, once each. Nil discards them.
	Logger *slog.Logger
}

// maxBody bounds request bodies in bytes (reliability: 256 kB for a notification, with room for its other members).
const maxBody = 512 << 10

// Register adds the API, /openapi.json and the page /docs to mux.
func Register(mux *http.ServeMux, cfg Config) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.People == nil {
		cfg.People = nobody{}
	}
	useProblems()
	doc := huma.DefaultConfig("Headsup", cfg.Version)
	doc.Info.Description = "Let a bot speak first: accept notifications and deliver each into the right conversation."
	doc.CreateHooks = nil // no $schema members and Link headers in answers
	doc.SchemasPath, doc.DocsPath = "", ""
	doc.RejectUnknownQueryParameters = true
	doc.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}
	describeAccess(doc.OpenAPI)
	doc.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[problem](), reflect.TypeFor[api.Problem]())
	operations := humago.New(mux, doc)
	s := &service{cfg: cfg, whole: cfg.Engine, checking: make(chan struct{}, 1)}
	s.cfg.Engine = nil // [service.engine] knows which one
	operations.UseMiddleware(s.authorise, wantJSON(operations), tooLarge(operations), plainParameters)
	s.notifications(operations)
	s.groups(operations)
	s.changes(operations)
	s.deliveries(operations)
	s.conversations(operations)
	s.imports(operations)
	s.jobs(operations)
	s.schedules(operations)
	s.templates(operations)
	s.previews(operations)
	s.webhooks(operations)
	s.events(operations)
	s.pauses(operations)
	s.topics(operations)
	s.keys(operations)
	s.backups(operations)
	s.signingKeys(operations)
	s.audits(operations)
	s.auth(operations)
	s.people(operations)
	s.persons(operations)
	s.preferences(operations)
	describeActivities(operations)
	describeSamples(operations)
	serveDocs(mux, operations.OpenAPI(), cfg.Logger)
	mux.Handle(rest, s.otherRoutes(mux))
}

// rest is the pattern of what no operation takes.
const rest = "/v1/"

// otherRoutes answers what no operation takes, to callers who may know: 405 where another method would do, else 404.
func (s *service) otherRoutes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.door().enter(w, r, "", true); !ok {
			return
		}
		p := newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such route")
		for _, method := range []string{
			http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		} {
			if _, pattern := mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != rest {
				w.Header().Add("Allow", method)
				p = newProblem(http.StatusMethodNotAllowed, api.CodeMethodNotAllowed, r.Method+" is not allowed here")
			}
		}
		writeProblem(w, p)
	})
}

// writeProblem answers without an operation's help.
func writeProblem(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.MarshalWrite(w, p.Problem)
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
		if empty := r.ContentLength == 0 && r.Header.Get("Content-Type") == ""; r.Method != http.MethodGet && !empty {
			if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
				_ = huma.WriteErr(api, ctx, http.StatusUnsupportedMediaType, "the content type must be application/json")
				return
			}
		}
		next(ctx)
	}
}

type service struct {
	cfg      Config        // without the Engine
	whole    Engine        // for [service.engine]
	registry huma.Registry // of the schemas
	readers  atomic.Int64  // streams of events that are open

	backingUp sync.Mutex    // held while a backup is made and sent
	checking  chan struct{} // is full while the audit log is checked
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
	schemas["AdaptiveCard"] = &huma.Schema{
		Type:        huma.TypeObject,
		Description: "An Adaptive Card. What is in it is for the channel to judge.",
		Properties: map[string]*huma.Schema{
			"type":    {Type: huma.TypeString, Enum: []any{"AdaptiveCard"}},
			"version": {Type: huma.TypeString, Pattern: cardVersion, Examples: []any{"1.5"}},
			"body":    {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
			"actions": {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
		},
		Required:             []string{"type", "version"},
		AdditionalProperties: true,
	}
	for _, s := range schemas {
		for name, member := range s.Properties {
			if !rawMember(member) {
				continue
			}
			switch name {
			case "activity":
				s.Properties[name] = &huma.Schema{Ref: "#/components/schemas/Activity", Description: member.Description}
			case "card":
				s.Properties[name] = &huma.Schema{Ref: "#/components/schemas/AdaptiveCard", Description: member.Description}
			case "reference":
				s.Properties[name] = &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: member.Description}
			default:
				s.Properties[name] = &huma.Schema{Description: member.Description}
			}
		}
		s.PrecomputeMessages()
	}
}

// cardVersion is what versions of the Adaptive Cards schema look like.
const cardVersion = `^[1-9][0-9]?\.[0-9]{1,2}$`

// rawMember reports whether a member was made from raw JSON, which the generator takes for bytes.
func rawMember(s *huma.Schema) bool {
	return s.Ref == "" && (s.ContentEncoding == "base64" || s.Type == "" && s.Items == nil && s.OneOf == nil && s.AnyOf == nil)
}
