package httpapi

import (
	"context"
	stdjson "encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/proactive"
)

// maxBatchBody bounds a batch in bytes.
const maxBatchBody = 2 << 20

type batchRequest struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"Refused: give each notification an idempotency_key of its own."`
	Body           batch
}

// batch is an [api.BatchRequest] whose notifications are read one by one, so that a wrong one is refused by itself.
type batch struct {
	Notifications []stdjson.RawMessage `json:"notifications"`
}

// Schema implements [huma.SchemaProvider]: it is what is checked of the body as a whole.
func (batch) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"notifications"},
		Properties: map[string]*huma.Schema{
			"notifications": {Type: huma.TypeArray, Items: &huma.Schema{}, MinItems: new(1), MaxItems: new(proactive.MaxBatch)},
		},
	}
	s.PrecomputeMessages()
	return s
}

// describeBatch tells of the body as it is checked item by item, and of both answers.
func describeBatch(a huma.API) {
	operation := a.OpenAPI().Paths["/v1/notifications/batch"].Post
	operation.RequestBody.Content["application/json"].Schema = a.OpenAPI().Components.Schemas.Schema(
		reflect.TypeFor[api.BatchRequest](), true, "")
	some := *operation.Responses["202"]
	some.Description = http.StatusText(http.StatusMultiStatus)
	operation.Responses["207"] = &some
}

type batchAnswer struct {
	Status int
	Body   api.BatchResult
}

func (s *service) createBatch(ctx context.Context, r *batchRequest) (*batchAnswer, error) {
	if r.IdempotencyKey != "" {
		return nil, s.problemOf(ctx, &proactive.FieldError{
			Field: "header.Idempotency-Key", Reason: "give each notification of a batch an idempotency_key of its own",
		})
	}
	raws := r.Body.Notifications
	out := &batchAnswer{Status: http.StatusAccepted, Body: api.BatchResult{Results: make([]api.BatchItemResult, len(raws))}}
	var all []headsup.Notification
	var places []int // of those among the items
	for i, raw := range raws {
		n, err := s.item(ctx, i, raw)
		if err != nil {
			out.Body.Results[i].Problem = err
			continue
		}
		all, places = append(all, n), append(places, i)
	}
	auditTargets(ctx, each(all, func(n headsup.Notification) headsup.Target { return n.To })...)
	results, err := s.engine(ctx).NotifyAll(ctx, all)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	fresh := false
	for k, result := range results {
		to := &out.Body.Results[places[k]]
		if result.Err != nil {
			to.Problem = inItem("notifications", places[k], s.problemOf(ctx, result.Err))
			continue
		}
		to.ID, to.State, to.Replayed = string(result.ID), string(result.State), result.Replayed
		fresh = fresh || !result.Replayed
	}
	if !fresh {
		audit.FromContext(ctx).Drop()
	}
	for _, result := range out.Body.Results {
		if result.Problem == nil {
			out.Body.Accepted++
		} else {
			out.Body.Refused++
			out.Status = http.StatusMultiStatus
		}
	}
	return out, nil
}

// item reads one notification of a batch as strictly as one by itself.
func (s *service) item(ctx context.Context, i int, raw []byte) (headsup.Notification, *api.Problem) {
	item, err := readItem[api.BatchItem](s, "BatchItem", raw)
	if err != nil {
		return headsup.Notification{}, inItem("notifications", i, err)
	}
	n, err := notification(ctx, &createRequest{IdempotencyKey: item.IdempotencyKey, Body: item.NotificationRequest})
	if err != nil {
		return headsup.Notification{}, inItem("notifications", i, s.problemOf(ctx, err))
	}
	return n, nil
}

// inItem is a problem of a body by itself as that of one in a list of bodies.
func inItem(list string, i int, err error) *api.Problem {
	p, ok := errors.AsType[*problem](err)
	if !ok { // what is no fault of the caller fails the batch as a whole, and does not come here
		p = newProblem(http.StatusUnprocessableEntity, api.CodeBadRequest, err.Error())
	}
	at := itemAt(list, i)
	for k := range p.Errors {
		f := &p.Errors[k]
		switch rest, inBody := strings.CutPrefix(f.Field, "body"); {
		case f.Field == "header.Idempotency-Key":
			f.Field = at + ".idempotency_key"
		case inBody:
			f.Field = at + rest
		}
	}
	if len(p.Errors) == 0 {
		p.Errors = []api.ProblemField{{Field: at, Message: p.Detail}}
	}
	if p.Code == api.CodeInvalidField {
		p.Detail = sentence(p.Errors[0])
	}
	return &p.Problem
}
