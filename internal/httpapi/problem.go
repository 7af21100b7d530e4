package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// problem is an [api.Problem] as huma wants its errors.
type problem struct {
	api.Problem
}

func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (*problem) ContentType(_ string) string { return "application/problem+json" }

func newProblem(status int, code, detail string, fields ...api.ProblemField) *problem {
	return &problem{api.Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Errors: fields,
	}}
}

// useProblems makes huma's own errors problems too, its validation as exact about letter case as the JSON package, and
// lists what they are: never null. huma keeps all three in variables of its package.
var useProblems = sync.OnceFunc(func() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		if status == http.StatusInternalServerError && message == "cannot read request body" { // huma's words; it is the caller's doing
			status, message, errs = http.StatusBadRequest, "the body could not be read", nil
		}
		p := newProblem(status, codeOf(status), message)
		for _, err := range errs {
			if err == nil {
				continue
			}
			f := api.ProblemField{Message: err.Error()}
			var d huma.ErrorDetailer
			if errors.As(err, &d) {
				detail := d.ErrorDetail()
				f.Field, f.Message = detail.Location, detail.Message
			}
			for _, name := range []string{"jsontext: ", "json: "} { // the names of packages are no news to the caller
				f.Message = strings.TrimPrefix(f.Message, name)
			}
			if name, missing := requiredBy(f.Message); missing {
				f.Field, f.Message = strings.TrimPrefix(f.Field+"."+name, "."), "is required"
			}
			if pattern, unlike := strings.CutPrefix(f.Message, "expected string to match pattern "); unlike && patterns[pattern] != "" {
				f.Message = patterns[pattern]
			}
			p.Errors = append(p.Errors, f)
		}
		if len(p.Errors) > 0 {
			p.Detail = sentence(p.Errors[0])
		}
		return p
	}
})

// patterns are what is said in place of a pattern that a string does not match.
var patterns = map[string]string{
	`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`:        "is not a number with unit ms, s, m or h, or several, such as 90s or 1h30m",
	`^([01][0-9]|2[0-3]):[0-5][0-9]$`:         "is not a time of day such as 22:00",
	`^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$`: "is not a time of day such as 07:00, nor 24:00",
}

// requiredBy reads from huma's message, which names the object, what is missing in it.
func requiredBy(message string) (name string, missing bool) {
	rest, before := strings.CutPrefix(message, "expected required property ")
	name, after := strings.CutSuffix(rest, " to be present")
	return name, before && after
}

func sentence(f api.ProblemField) string {
	return strings.TrimPrefix(f.Field+": "+f.Message, ": ")
}

func codeOf(status int) string {
	switch status {
	case http.StatusUnprocessableEntity:
		return api.CodeInvalidField
	case http.StatusNotFound:
		return api.CodeNotFound
	case http.StatusRequestEntityTooLarge:
		return api.CodeTooLarge
	case http.StatusUnsupportedMediaType, http.StatusNotAcceptable:
		return api.CodeUnsupported
	case http.StatusServiceUnavailable:
		return api.CodeUnavailable
	}
	if status >= 500 {
		return api.CodeInternal
	}
	return api.CodeBadRequest
}

// problemOf turns an error of the engine into an answer.
func (s *service) problemOf(ctx context.Context, err error) error {
	if missing, ok := errors.AsType[*missingScope](err); ok {
		return missing.problem()
	}
	if field, ok := errors.AsType[*proactive.FieldError](err); ok {
		f := api.ProblemField{Field: "body." + field.Field, Message: field.Reason}
		if field.Field == "idempotency_key" {
			f.Field = "header.Idempotency-Key"
		}
		return newProblem(http.StatusUnprocessableEntity, api.CodeInvalidField, sentence(f), f)
	}
	if p := bookProblem(err); p != nil {
		return p
	}
	switch {
	case errors.Is(err, proactive.ErrNobody):
		return newProblem(http.StatusUnprocessableEntity, api.CodeNoTarget,
			"nobody has talked to the bot yet: there is no conversation that it could speak in",
			api.ProblemField{Field: "body.to.everyone", Message: "is nobody so far"})
	case errors.As(err, new(*proactive.NoTargetError)):
		why, _ := errors.AsType[*proactive.NoTargetError](err)
		return newProblem(http.StatusUnprocessableEntity, why.Code(), why.Error(),
			api.ProblemField{Field: "body.to", Message: "names nobody who can be reached"})
	case errors.Is(err, proactive.ErrNoTarget):
		return newProblem(http.StatusUnprocessableEntity, api.CodeNoTarget,
			"the reference book has no such conversation or person, or it cannot be reached any more",
			api.ProblemField{Field: "body.to", Message: "names nobody who can be reached"})
	case errors.Is(err, proactive.ErrKeyReused):
		return newProblem(http.StatusConflict, api.CodeKeyReused,
			"the idempotency key was used for a request with other content",
			api.ProblemField{Field: "header.Idempotency-Key", Message: "was used before with another body"})
	case errors.Is(err, proactive.ErrNotFound):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such notification")
	case errors.Is(err, proactive.ErrNoDelivery):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such delivery")
	case errors.Is(err, proactive.ErrState):
		return newProblem(http.StatusConflict, api.CodeWrongState, "the delivery's state does not allow that")
	case errors.Is(err, proactive.ErrRecalled):
		return newProblem(http.StatusConflict, api.CodeRecalled, "the notification was recalled")
	case errors.Is(err, outbox.ErrNoRoom):
		return huma.ErrorWithHeaders(newProblem(http.StatusInsufficientStorage, api.CodeNoRoom,
			"the server's disk is nearly full; it takes nothing new"), http.Header{"Retry-After": {"30"}})
	case errors.Is(err, proactive.ErrChanging):
		return newProblem(http.StatusConflict, api.CodeChanging, "the notification's deliveries are being changed")
	case errors.Is(err, proactive.ErrPurged):
		return newProblem(http.StatusConflict, api.CodePurged, "what the notification said is kept no longer")
	case errors.Is(err, proactive.ErrNoSchedule):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such schedule")
	case errors.Is(err, proactive.ErrTooManySchedules):
		return newProblem(http.StatusConflict, api.CodeTooMany, "there are as many schedules as there may be; delete one first")
	case errors.Is(err, proactive.ErrNoTemplate):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such template, or no such version of it")
	case errors.Is(err, proactive.ErrTooManyTemplates):
		return newProblem(http.StatusConflict, api.CodeTooMany, "there are as many templates as there may be; delete one first")
	case errors.Is(err, proactive.ErrNoJob):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such job")
	case errors.Is(err, proactive.ErrJobCompleted):
		return newProblem(http.StatusConflict, api.CodeJobCompleted, "the job is already completed")
	}
	s.cfg.Logger.ErrorContext(ctx, "request failed", "error", err.Error())
	return huma.ErrorWithHeaders(unavailable(), http.Header{"Retry-After": {"1"}})
}
