package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	stdjson "encoding/json"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/proactive"
)

// maxImportBody bounds an import in bytes.
const maxImportBody = 2 << 20

type importRequest struct {
	Body imports
}

// imports is an [api.ImportRequest] whose items are read one by one, so that a wrong one is refused by itself.
type imports struct {
	References []stdjson.RawMessage `json:"references"`
	Tenant     string               `json:"tenant,omitempty"`
	Check      bool                 `json:"check,omitzero"`
}

// Schema implements [huma.SchemaProvider]: it is what is checked of the body as a whole.
func (imports) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"references"},
		Properties: map[string]*huma.Schema{
			"references": {Type: huma.TypeArray, Items: &huma.Schema{}, MinItems: new(1), MaxItems: new(proactive.MaxImport)},
			"tenant":     {Type: huma.TypeString, MaxLength: new(64)},
			"check":      {Type: huma.TypeBoolean},
		},
	}
	s.PrecomputeMessages()
	return s
}

type importAnswer struct {
	Status int
	Body   api.ImportResult
}

func (s *service) imports(a huma.API) {
	register(s, a, huma.Operation{
		OperationID: "import-references", Method: http.MethodPost, Path: "/v1/references",
		Summary: "Import what another program knows",
		Description: "Adds conversations to the reference book from what another bot or SDK has stored of them, so that the bot can " +
			"speak there without being spoken to first. Each reference is added, or known already, or refused by itself: if some are, " +
			"the answer is 207. A service URL must be on a host that the server calls. It may be repeated.",
		Security:     needs(access.Admin),
		Tags:         []string{"conversations"},
		MaxBodyBytes: maxImportBody,
		Errors:       []int{400, 413, 415, 422, 503},
	}, s.importReferences)
	operation := a.OpenAPI().Paths["/v1/references"].Post
	operation.RequestBody.Content["application/json"].Schema = a.OpenAPI().Components.Schemas.Schema(
		reflect.TypeFor[api.ImportRequest](), true, "")
	some := *operation.Responses["200"]
	some.Description = http.StatusText(http.StatusMultiStatus)
	operation.Responses["207"] = &some
}

func (s *service) importReferences(ctx context.Context, r *importRequest) (*importAnswer, error) {
	raws := r.Body.References
	out := &importAnswer{Status: http.StatusOK, Body: api.ImportResult{Results: make([]api.ImportItemResult, len(raws))}}
	var all []proactive.Import
	var places []int // of those among the items
	for i, raw := range raws {
		one, problem := s.importItem(ctx, i, raw, activity.TenantID(r.Body.Tenant))
		if problem != nil {
			out.Body.Results[i].Problem = problem
			continue
		}
		all, places = append(all, one), append(places, i)
	}
	note(ctx, "references", len(all))
	found, err := s.engine(ctx).Import(ctx, all, r.Body.Check)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	for k, one := range found {
		to := &out.Body.Results[places[k]]
		if one.Err != nil {
			noteURL(ctx, one.Err)
			to.Problem = inReference(places[k], s.problemOf(ctx, one.Err))
			continue
		}
		to.ID, to.Channel, to.Known = string(one.Conversation.Key.Conversation), string(one.Conversation.Key.Channel), one.Known
	}
	for _, result := range out.Body.Results {
		switch {
		case result.Problem != nil:
			out.Body.Refused++
			out.Status = http.StatusMultiStatus
		case result.Known:
			out.Body.Known++
		default:
			out.Body.Added++
		}
	}
	if r.Body.Check || out.Body.Added+out.Body.Known == 0 {
		audit.FromContext(ctx).Drop()
	}
	return out, nil
}

// importItem reads one reference of an import.
func (s *service) importItem(ctx context.Context, i int, raw []byte, tenant activity.TenantID) (one proactive.Import, refused *api.Problem) {
	item, problem := readItem[api.ImportItem](s, "ImportItem", raw)
	if problem != nil {
		return one, inReference(i, problem)
	}
	found, err := activity.Recognise(item.Reference)
	if err != nil {
		return one, inReference(i, s.problemOf(ctx, wrongIn("reference", err)))
	}
	if reason := serviceURLProblem(found.Reference.ServiceURL); reason != "" {
		return one, inReference(i, s.problemOf(ctx, &proactive.FieldError{Field: "reference.serviceUrl", Reason: reason}))
	}
	if item.TimeZone != "" {
		if _, err := time.LoadLocation(item.TimeZone); err != nil {
			return one, inReference(i, s.problemOf(ctx, &proactive.FieldError{Field: "time_zone", Reason: "is no time zone of the IANA database"}))
		}
	}
	if at := &found.Reference.Conversation; found.Reference.ChannelID == activity.ChannelTeams && at.TenantID == "" {
		at.TenantID = tenant
	}
	return proactive.Import{
		Reference: found.Reference, AppID: found.AppID, TimeZone: item.TimeZone, Tags: item.Tags, ExternalID: item.ExternalID,
	}, nil
}

// inReference is a problem of a reference by itself as one of an import.
func inReference(i int, err error) *api.Problem { return inItem("references", i, err) }

// readItem reads one of a list's items as strictly as a body by itself.
func readItem[T any](s *service, schema string, raw []byte) (item T, err error) {
	var loose any
	if err := json.Unmarshal(raw, &loose); err != nil {
		return item, huma.NewError(http.StatusUnprocessableEntity, err.Error())
	}
	path, found := huma.NewPathBuffer([]byte("body"), len("body")), huma.ValidateResult{}
	huma.Validate(s.registry, s.registry.Map()[schema], path, huma.ModeWriteToServer, loose, &found)
	if len(found.Errors) > 0 {
		return item, huma.NewError(http.StatusUnprocessableEntity, "validation failed", found.Errors...)
	}
	if err := json.Unmarshal(raw, &item, json.RejectUnknownMembers(true)); err != nil {
		return item, huma.NewError(http.StatusUnprocessableEntity, err.Error())
	}
	return item, nil
}

// itemAt is where the body has an item.
func itemAt(list string, i int) string { return fmt.Sprintf("body.%s[%d]", list, i) }
