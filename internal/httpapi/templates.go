package httpapi

import (
	"context"
	stdjson "encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/template"
)

// Templates is what the API needs of the engine for templates.
type Templates interface {
	PutTemplate(ctx context.Context, name string, src template.Source) (t proactive.Template, made bool, err error)
	FindTemplate(ctx context.Context, name string, number int) (proactive.Template, error)
	Templates(ctx context.Context, before template.ID, limit int) ([]proactive.Template, error)
	TemplateVersions(ctx context.Context, name string, before, limit int) ([]proactive.Template, error)
	DeleteTemplate(ctx context.Context, name string) error
	Preview(ctx context.Context, s proactive.Sample) (proactive.Shown, error)
}

type putTemplateRequest struct {
	Name string `path:"name" maxLength:"64" doc:"The template's name: letters, digits, dots, dashes and underscores."`
	Body api.TemplateRequest
}

type templateRequest struct {
	Name    string `path:"name" maxLength:"64" doc:"The template's name."`
	Version int    `query:"version" minimum:"1" doc:"The number of a version; the current one, if not given."`
}

type templateName struct {
	Name string `path:"name" maxLength:"64" doc:"The template's name."`
}

type templateVersionsRequest struct {
	Name string `path:"name" maxLength:"64" doc:"The template's name."`
	Paging
}

type templateAnswer struct{ Body api.Template }

type putTemplateAnswer struct {
	Status int
	Body   api.Template
}

type templatesAnswer struct{ Body api.Templates }

func (s *service) templates(a huma.API) {
	op := func(id, method, path string, scope access.Scope, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: "/v1/templates" + path, Summary: summary, Description: description,
			Tags: []string{"templates"}, Security: needs(scope), MaxBodyBytes: maxBody, Errors: errors,
		}
	}
	put := op("put-template", http.MethodPut, "/{name}", access.Manage, "Write a template",
		"Makes what is written the current version of the template: 201, or 200 if it was that already. Notifications that were accepted "+
			"stay with the version that was current then. What is wrong is told with its language, its place and its column.",
		400, 409, 413, 415, 422, 503)
	register(s, a, put, s.putTemplate)
	describePut(a)
	register(s, a, op("list-templates", http.MethodGet, "", access.Read, "See the templates",
		"Lists the templates, those that were changed last first, a page at a time.", 422, 503), s.listTemplates)
	register(s, a, op("get-template", http.MethodGet, "/{name}", access.Read, "See one template",
		"Returns a version of a template, with all that it says.", 404, 422, 503), s.getTemplate)
	register(s, a, op("list-template-versions", http.MethodGet, "/{name}/versions", access.Read, "See the versions of a template",
		"Lists the versions of a template, newest first, a page at a time.", 404, 422, 503), s.listTemplateVersions)
	register(s, a, op("delete-template", http.MethodDelete, "/{name}", access.Manage, "Delete a template",
		"Forgets a template with all its versions. What was accepted with it is said all the same; occurrences of schedules that would tell it are skipped.",
		404, 422, 503), s.deleteTemplate)
}

// describePut tells of both answers.
func describePut(a huma.API) {
	operation := a.OpenAPI().Paths["/v1/templates/{name}"].Put
	made := *operation.Responses["200"]
	made.Description = http.StatusText(http.StatusCreated)
	operation.Responses["201"] = &made
}

func (s *service) putTemplate(ctx context.Context, r *putTemplateRequest) (*putTemplateAnswer, error) {
	t, made, err := s.engine(ctx).PutTemplate(ctx, r.Name, sourceOf(r.Body))
	if wrong, ok := errors.AsType[*proactive.FieldError](err); ok && wrong.Field == "name" {
		return nil, invalid("path.name", wrong.Reason)
	}
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	if !made {
		audit.FromContext(ctx).Drop()
		return &putTemplateAnswer{Status: http.StatusOK, Body: renderTemplate(t)}, nil
	}
	return &putTemplateAnswer{Status: http.StatusCreated, Body: renderTemplate(t)}, nil
}

func (s *service) listTemplates(ctx context.Context, r *Paging) (*templatesAnswer, error) {
	found, next, err := page(ctx, s, listTemplates, *r, func(before int64, limit int) ([]proactive.Template, error) {
		return s.engine(ctx).Templates(ctx, template.ID(before), limit)
	}, func(t proactive.Template) int64 { return int64(t.ID) })
	if err != nil {
		return nil, err
	}
	return &templatesAnswer{Body: api.Templates{Templates: each(found, summariseTemplate), NextCursor: next}}, nil
}

func (s *service) listTemplateVersions(ctx context.Context, r *templateVersionsRequest) (*templatesAnswer, error) {
	found, next, err := page(ctx, s, listTemplateVersions, r.Paging, func(before int64, limit int) ([]proactive.Template, error) {
		return s.engine(ctx).TemplateVersions(ctx, r.Name, int(before), limit)
	}, func(t proactive.Template) int64 { return int64(t.Number) })
	if err != nil {
		return nil, err
	}
	return &templatesAnswer{Body: api.Templates{Templates: each(found, summariseTemplate), NextCursor: next}}, nil
}

func (s *service) getTemplate(ctx context.Context, r *templateRequest) (*templateAnswer, error) {
	t, err := s.engine(ctx).FindTemplate(ctx, r.Name, r.Version)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &templateAnswer{Body: renderTemplate(t)}, nil
}

func (s *service) deleteTemplate(ctx context.Context, r *templateName) (*struct{}, error) {
	if err := s.engine(ctx).DeleteTemplate(ctx, r.Name); err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return nil, nil //nolint:nilnil // huma answers 204
}

func sourceOf(b api.TemplateRequest) template.Source {
	src := template.Source{
		Description: b.Description, Language: b.DefaultLanguage, Languages: make(map[string]template.Content, len(b.Languages)),
	}
	for _, p := range b.Parameters {
		src.Parameters = append(src.Parameters, template.Parameter{
			Name: p.Name, Type: p.Type, Description: p.Description, Required: p.Required, Example: value(p.Example),
		})
	}
	for name, c := range b.Languages {
		src.Languages[name] = template.Content{
			Text: value(c.Text), Markdown: value(c.Markdown), Card: value(c.Card), Notice: value(c.Notice), Summary: c.Summary,
		}
	}
	return src
}

// value is a raw member; null counts as absent.
func value(raw stdjson.RawMessage) jsontext.Value {
	if !given(raw) {
		return nil
	}
	return jsontext.Value(raw)
}

// templatedOf reads what is to be said of a template.
func templatedOf(b *api.TemplateUse) *headsup.Templated {
	if b == nil {
		return nil
	}
	return &headsup.Templated{Name: b.Name, Version: b.Version, Data: value(b.Data), Each: value(b.Each)}
}

func renderTemplated(t *headsup.Templated) *api.TemplateUse {
	if t == nil {
		return nil
	}
	return &api.TemplateUse{Name: t.Name, Version: t.Version, Data: raw(t.Data), Each: raw(t.Each)}
}

func renderParameter(p template.Parameter) api.TemplateParameter {
	return api.TemplateParameter{Name: p.Name, Type: p.Type, Description: p.Description, Required: p.Required, Example: raw(p.Example)}
}

func renderTemplate(t proactive.Template) api.Template {
	out := api.Template{
		Name: t.Name, Version: t.Number, Tenant: string(t.Tenant), Description: t.Written.Description, DefaultLanguage: t.Written.Language,
		Parameters: each(t.Written.Parameters, renderParameter), Languages: make(map[string]api.TemplateContent),
		CreatedAt: t.CreatedAt.UTC(), EndedAt: optional(t.EndedAt),
	}
	for name, c := range t.Written.Languages {
		out.Languages[name] = api.TemplateContent{
			Text: raw(c.Text), Markdown: raw(c.Markdown), Card: raw(c.Card), Notice: raw(c.Notice), Summary: c.Summary,
		}
	}
	return out
}

func summariseTemplate(t proactive.Template) api.TemplateSummary {
	return api.TemplateSummary{
		Name: t.Name, Version: t.Number, Tenant: string(t.Tenant), Description: t.Written.Description, DefaultLanguage: t.Written.Language,
		Parameters: each(t.Written.Parameters, renderParameter), Languages: slices.Sorted(maps.Keys(t.Written.Languages)),
		CreatedAt: t.CreatedAt.UTC(), EndedAt: optional(t.EndedAt),
	}
}
