package httpapi

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/proactive"
)

// People is what the API needs to tell and to erase what is kept of people; *privacy.Service implements it.
type People interface {
	People(ctx context.Context, w privacy.Who) ([]privacy.Entry, error)
	Export(ctx context.Context, entries []privacy.Entry, yield func(privacy.Record) error) error
	Erase(ctx context.Context, entries []privacy.Entry) (privacy.Erasure, error)
	Erasure(ctx context.Context, id privacy.ErasureID) (privacy.Erasure, error)
}

// nobody is the People of a server whose store cannot tell what it keeps of people. It says so, rather than that there is
// nothing: it may well keep much.
type nobody struct{}

// errUntold: the store cannot tell or erase what it keeps of people.
var errUntold = errors.New("the store of this server cannot tell or erase what it keeps of people")

func (nobody) People(context.Context, privacy.Who) ([]privacy.Entry, error) { return nil, errUntold }

func (nobody) Export(context.Context, []privacy.Entry, func(privacy.Record) error) error {
	return errUntold
}

func (nobody) Erase(context.Context, []privacy.Entry) (privacy.Erasure, error) {
	return privacy.Erasure{}, errUntold
}

func (nobody) Erasure(context.Context, privacy.ErasureID) (privacy.Erasure, error) {
	return privacy.Erasure{}, errUntold
}

type personRequest struct {
	Body api.PersonKey
}

type peopleAnswer struct {
	Body api.KnownPeople
}

type erasureRequest struct {
	ID string `path:"id" maxLength:"64" doc:"The erasure's id."`
}

type erasureAnswer struct {
	Body api.Erasure
}

type begunErasure struct {
	Location string `header:"Location" doc:"Where to ask how far it has come."`
	Body     api.Erasure
}

const exportType = "application/x-ndjson"

// people registers what is about a person's data. Who it is stands in bodies, never in URLs, which proxies write down.
func (s *service) people(a huma.API) {
	tags := []string{"people"}
	register(s, a, huma.Operation{
		OperationID: "find-person", Method: http.MethodPost, Path: "/v1/people/search",
		Summary: "Find a person",
		Description: "Tells whom a key means: the entries of the reference book, one for each channel and tenant, that an export would tell " +
			"of and an erasure would erase.",
		Tags: tags, Security: needs(access.Admin), MaxBodyBytes: maxBody,
		Errors: []int{400, 404, 409, 413, 415, 422, 503},
	}, s.findPerson)
	register(s, a, huma.Operation{
		OperationID: "export-person", Method: http.MethodPost, Path: "/v1/people/export",
		Summary: "Export what is kept of a person",
		Description: "Returns everything that is kept of a person, one JSON object a line: who they are, their conversations, what was said to " +
			"them and what became of it, what they said to the embedded channel with their files, what the bot remembers of them, jobs, " +
			"schedules, events and acts in the audit log. docs/people.md lists the types. The last line is of type end: without it, something is missing.",
		Tags: tags, Security: needs(access.Admin), MaxBodyBytes: maxBody,
		Errors: []int{400, 404, 409, 413, 415, 422, 503},
		Responses: map[string]*huma.Response{"200": {
			Description: "The records, one a line.",
			Content: map[string]*huma.MediaType{exportType: {
				Schema: a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.PersonRecord](), true, "PersonRecord"),
			}},
		}},
	}, s.exportPerson)
	register(s, a, huma.Operation{
		OperationID: "erase-person", Method: http.MethodPost, Path: "/v1/people/erasures",
		Summary: "Erase a person",
		Description: "Erases everything that is kept of a person; in conversations with others, what is the person's own. It answers when nothing " +
			"is said to them any more (state silent), or after 20 s, if something that is being said takes so long (state begun). It then " +
			"goes on by itself, over restarts too, until nothing is left (state done). It cannot be taken back. Somebody who writes to the bot " +
			"again is somebody new.",
		Tags: tags, Security: needs(access.Admin), MaxBodyBytes: maxBody, DefaultStatus: http.StatusAccepted,
		Errors: []int{400, 404, 409, 413, 415, 422, 503},
	}, s.erasePerson)
	register(s, a, huma.Operation{
		OperationID: "get-erasure", Method: http.MethodGet, Path: "/v1/people/erasures/{id}",
		Summary:     "See how far an erasure has come",
		Description: "Returns an erasure, which tells nothing of who it was once it is done.",
		Tags:        tags, Security: needs(access.Admin),
		Errors: []int{404, 422, 503},
	}, s.getErasure)
}

// who reads a key.
func who(k api.PersonKey) (privacy.Who, error) {
	w := privacy.Who{
		User: activity.AccountID(k.User), ExternalID: k.ExternalID, ObjectID: k.ObjectID, UPN: k.UPN, Email: k.Email,
		Channel: activity.ChannelID(k.Channel), Tenant: activity.TenantID(k.Tenant),
	}
	for _, f := range []struct{ name, value string }{
		{"user", k.User}, {"external_id", k.ExternalID}, {"object_id", k.ObjectID}, {"upn", k.UPN}, {"email", k.Email},
		{"channel", k.Channel}, {"tenant", k.Tenant},
	} {
		if strings.ContainsFunc(f.value, unicode.IsControl) {
			return w, &proactive.FieldError{Field: f.name, Reason: "has a control character"}
		}
	}
	if w.Keys() != 1 {
		return w, &proactive.FieldError{Field: "user", Reason: "give exactly one of user, external_id, object_id, upn and email"}
	}
	return w, nil
}

// named finds the entries that a request means.
func (s *service) named(ctx context.Context, k api.PersonKey) ([]privacy.Entry, error) {
	w, err := who(k)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	entries, err := s.cfg.People.People(ctx, w)
	if err != nil {
		return nil, s.problemOfPerson(ctx, err)
	}
	return entries, nil
}

// hashOf is what the audit log knows a person by.
func (s *service) hashOf(e privacy.Entry) string {
	return s.cfg.Audit.Person("person", string(e.Channel), string(e.Tenant), string(e.User))
}

// conversationOf is the id of a conversation that is a person's own.
func conversationOf(r privacy.Record) string {
	if r.Type != "conversation" && r.Type != "removed_conversation" {
		return ""
	}
	var c struct {
		Conversation string `json:"conversation"`
	}
	if json.Unmarshal(r.Data, &c) != nil {
		return ""
	}
	return c.Conversation
}

// exportAudit tells the entries of the audit log about people and their conversations, by their hashes.
func (s *service) exportAudit(ctx context.Context, objects []string, tell func(privacy.Record) error) error {
	if s.cfg.Audit == nil {
		return nil
	}
	const atOnce = 200
	for _, object := range objects {
		for after, more := int64(0), true; more; {
			found, err := s.cfg.Audit.Entries(ctx, audit.Filter{Object: object, Oldest: true, After: after, Limit: atOnce})
			if err != nil {
				return err
			}
			for _, e := range found {
				data, err := json.Marshal(renderAudit(e))
				if err != nil {
					return err
				}
				if err := tell(privacy.Record{Type: "audit", Data: data}); err != nil {
					return err
				}
				after = e.Number
			}
			more = len(found) == atOnce
		}
	}
	return nil
}

func (s *service) findPerson(ctx context.Context, r *personRequest) (*peopleAnswer, error) {
	entries, err := s.named(ctx, r.Body)
	if err != nil {
		return nil, err
	}
	return &peopleAnswer{Body: api.KnownPeople{People: each(entries, renderEntry)}}, nil
}

func renderEntry(e privacy.Entry) api.KnownPerson {
	id := ""
	if e.Row != 0 {
		id = proactive.PersonID(book.PersonRow(e.Row))
	}
	return api.KnownPerson{
		ID: id, Channel: string(e.Channel), Tenant: string(e.Tenant), User: string(e.User), Name: e.Name, ObjectID: e.ObjectID, UPN: e.UPN,
		Email: e.Email, ExternalID: e.ExternalID,
	}
}

func (s *service) exportPerson(ctx context.Context, r *personRequest) (*huma.StreamResponse, error) {
	entries, err := s.named(ctx, r.Body)
	if err != nil {
		return nil, err
	}
	s.notePeople(ctx, entries)
	if err := s.before(ctx); err != nil { // it is told from the first line on
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", exportType)
		w.Header().Set("Content-Disposition", `attachment; filename="person.ndjson"`)
		n, err := s.writeExport(ctx, w, entries)
		if err != nil {
			s.cfg.Logger.WarnContext(ctx, "export not finished", "records", n, "error", err.Error())
		}
	}}, nil
}

// writeExport writes an export. A reader may take as long as they go on reading.
func (s *service) writeExport(ctx context.Context, w http.ResponseWriter, entries []privacy.Entry) (n int, err error) {
	out := bufio.NewWriterSize(patientWriter{w, http.NewResponseController(w)}, 64<<10)
	line := func(r api.PersonRecord) error {
		if err := json.MarshalWrite(out, r, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)); err != nil {
			return err
		}
		return out.WriteByte('\n')
	}
	head, err := json.Marshal(struct {
		Format  int               `json:"format"`
		At      time.Time         `json:"at"`
		Entries []api.KnownPerson `json:"entries"`
	}{1, time.Now().UTC(), each(entries, renderEntry)})
	if err != nil {
		return 0, err
	}
	if err := line(api.PersonRecord{Type: "export", Data: head}); err != nil {
		return 0, err
	}
	objects := each(entries, s.hashOf)
	tell := func(r privacy.Record) error {
		n++
		if id := conversationOf(r); id != "" && s.cfg.Audit != nil {
			objects = append(objects, s.personal(id))
		}
		return line(api.PersonRecord{Type: r.Type, Data: []byte(r.Data)})
	}
	if err := s.cfg.People.Export(ctx, entries, tell); err != nil {
		return n, errors.Join(err, out.Flush())
	}
	if err := s.exportAudit(ctx, objects, tell); err != nil {
		return n, errors.Join(err, out.Flush())
	}
	tail, err := json.Marshal(struct {
		Records int `json:"records"`
	}{n})
	if err != nil {
		return n, err
	}
	if err := line(api.PersonRecord{Type: "end", Data: tail}); err != nil {
		return n, err
	}
	return n, out.Flush()
}

// patientWriter gives each write its own time.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w patientWriter) Write(b []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(sendPatience)) // where it cannot be set there is none
	return w.ResponseWriter.Write(b)
}

func (s *service) erasePerson(ctx context.Context, r *personRequest) (*begunErasure, error) {
	entries, err := s.named(ctx, r.Body)
	if err != nil {
		return nil, err
	}
	s.notePeople(ctx, entries)
	x, err := s.cfg.People.Erase(ctx, entries)
	if err != nil {
		return nil, s.problemOfPerson(ctx, err)
	}
	return &begunErasure{Location: "/v1/people/erasures/" + x.ID.String(), Body: renderErasure(x)}, nil
}

func (s *service) getErasure(ctx context.Context, r *erasureRequest) (*erasureAnswer, error) {
	id, err := privacy.ParseErasureID(r.ID)
	if err != nil {
		return nil, s.problemOfPerson(ctx, err)
	}
	x, err := s.cfg.People.Erasure(ctx, id)
	if err != nil {
		return nil, s.problemOfPerson(ctx, err)
	}
	return &erasureAnswer{Body: renderErasure(x)}, nil
}

func renderErasure(x privacy.Erasure) api.Erasure {
	out := api.Erasure{ID: x.ID.String(), State: "begun", Entries: len(x.Entries), StartedAt: x.StartedAt.UTC(), Erased: x.Counts}
	if out.Erased == nil {
		out.Erased = map[string]int64{}
	}
	if !x.SilentAt.IsZero() {
		out.State, out.SilentAt = "silent", new(x.SilentAt.UTC())
	}
	if !x.DoneAt.IsZero() {
		out.State, out.DoneAt = "done", new(x.DoneAt.UTC())
	}
	return out
}

// problemOfPerson is problemOf for what is about people.
func (s *service) problemOfPerson(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, errUntold):
		return newProblem(http.StatusNotFound, api.CodeNotFound, errUntold.Error())
	case errors.Is(err, privacy.ErrNotFound):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "nobody is known by that key")
	case errors.Is(err, privacy.ErrNoErasure):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such erasure")
	case errors.Is(err, privacy.ErrTooMany):
		return newProblem(http.StatusConflict, api.CodeTooMany, "the key means more than 100 entries of the book; narrow it with channel or tenant")
	}
	return s.problemOf(ctx, err)
}
