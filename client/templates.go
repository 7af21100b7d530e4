package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

const (
	templates = "/v1/templates"
	previews  = "/v1/previews"
)

// PutTemplate makes what is written the current version of a template, and returns it. It is stored durably when the call
// returns, and may be repeated: what is the current version already makes no new one.
func (c *Client) PutTemplate(ctx context.Context, name string, r api.TemplateRequest) (api.Template, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return api.Template{}, fmt.Errorf("template %s: %w", name, err)
	}
	return templated(ctx, c, request{method: http.MethodPut, body: body}, name, "", isTemplate)
}

// Template returns a version of a template; 0 is the current one. One that does not exist is an [*Error] with
// [api.CodeNotFound].
func (c *Client) Template(ctx context.Context, name string, version int) (api.Template, error) {
	return templated(ctx, c, request{method: http.MethodGet}, name, parameters("version", positive(version)), isTemplate)
}

// DeleteTemplate forgets a template. What was accepted with it is said all the same.
func (c *Client) DeleteTemplate(ctx context.Context, name string) error {
	path, err := segment("template", name)
	if err == nil {
		err = c.do(ctx, request{method: http.MethodDelete, path: templates + "/" + path}, nil)
	}
	if err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	return nil
}

// TemplatesPage returns a page of templates, those that were changed last first. The first page has an empty cursor; each
// names the next one's, the last one none. A limit of 0 leaves the size to the server.
func (c *Client) TemplatesPage(ctx context.Context, cursor string, limit int) (api.Templates, error) {
	page, err := ask(ctx, c, http.MethodGet, templates+parameters("cursor", cursor, "limit", positive(limit)), areTemplates)
	if err != nil {
		return page, fmt.Errorf("templates: %w", err)
	}
	return page, nil
}

// Templates goes over templates, those that were changed last first, asking for a page at a time. It ends with the first
// error.
func (c *Client) Templates(ctx context.Context) iter.Seq2[api.TemplateSummary, error] {
	return all(func(cursor string) ([]api.TemplateSummary, string, error) {
		page, err := c.TemplatesPage(ctx, cursor, largestPage)
		return page.Templates, page.NextCursor, err
	})
}

// TemplateVersions goes over the versions of a template, newest first. It ends with the first error.
func (c *Client) TemplateVersions(ctx context.Context, name string) iter.Seq2[api.TemplateSummary, error] {
	return all(func(cursor string) ([]api.TemplateSummary, string, error) {
		page, err := templated(ctx, c, request{method: http.MethodGet}, name,
			"/versions"+parameters("cursor", cursor, "limit", positive(largestPage)), areTemplates)
		return page.Templates, page.NextCursor, err
	})
}

// Preview tells how something would be shown in every form. Nothing is sent or kept.
func (c *Client) Preview(ctx context.Context, r api.PreviewRequest) (api.Preview, error) {
	p, err := post(ctx, c, previews, r, func(p api.Preview) bool { return p.Forms != nil })
	if err != nil {
		return p, fmt.Errorf("preview: %w", err)
	}
	return p, nil
}

// templated does something with one.
func templated[T any](ctx context.Context, c *Client, r request, name, action string, valid func(T) bool) (answer T, err error) {
	path, err := segment("template", name)
	if err != nil {
		return answer, err
	}
	r.path = templates + "/" + path + action
	if answer, err = answered(ctx, c, r, valid); err != nil {
		return answer, fmt.Errorf("template %s: %w", name, err)
	}
	return answer, nil
}

func isTemplate(t api.Template) bool { return t.Name != "" }

func areTemplates(t api.Templates) bool { return t.Templates != nil }
