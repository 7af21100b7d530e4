package proactive

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/template"
)

// Errors of templates.
var (
	// ErrNoTemplate: there is no such template, or no such version of it.
	ErrNoTemplate = template.ErrNotFound
	// ErrTooManyTemplates: there are as many as there may be.
	ErrTooManyTemplates = template.ErrTooMany
)

// Template is a version of a template.
type Template struct {
	template.Version
	// Written is Version.Source.
	Written template.Source
}

// templateGrace is how long a template that was deleted is kept at least: what was being accepted may refer to it.
const templateGrace = time.Hour

var templateName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// PutTemplate makes what was written the current version of a template, and returns it; made is false when it was that
// already. It is stored durably when PutTemplate returns. What is wrong gives a [*FieldError]; [ErrTooManyTemplates].
func (e *Engine) PutTemplate(ctx context.Context, name string, src template.Source) (t Template, made bool, err error) {
	if !templateName.MatchString(name) {
		return t, false, &FieldError{"name", "is not 1 to 64 letters, digits, dots, dashes and underscores that begin with a letter or digit"}
	}
	audit.FromContext(ctx).About(name)
	if err := e.tryTemplate(src); err != nil {
		return t, false, err
	}
	raw, err := json.Marshal(src, json.Deterministic(true))
	if err != nil {
		return t, false, &FieldError{"languages", err.Error()}
	}
	v, made, err := e.cfg.Store.PutTemplate(ctx, template.Version{
		ID: template.ID(ident.New()), AppID: e.cfg.AppID, Name: name, Source: raw, CreatedAt: e.cfg.Now().Truncate(time.Microsecond),
	}, template.MaxTemplates)
	if err != nil {
		return t, false, fmt.Errorf("proactive: put template: %w", err)
	}
	t, err = readTemplate(v)
	return t, made, err
}

// tryTemplate checks a template, and what it says of the parameters' examples, if all that it needs have one.
func (e *Engine) tryTemplate(src template.Source) error {
	for name, c := range src.Languages {
		for form, raw := range map[string]jsontext.Value{"text": c.Text, "markdown": c.Markdown, "card": c.Card, "notice": c.Notice} {
			if err := checkJSON("languages."+name+"."+form, raw); err != nil {
				return err
			}
		}
	}
	t, err := template.Compile(src)
	if err != nil {
		return templateError("", err)
	}
	for _, p := range src.Parameters {
		if p.Required && len(p.Example) == 0 {
			return nil
		}
	}
	data, err := t.ReadData(src.Example(), nil)
	if err == nil {
		err = tryData(t, data)
	}
	return templateError("", err)
}

func readTemplate(v template.Version) (Template, error) {
	t := Template{Version: v}
	if err := json.Unmarshal(v.Source, &t.Written); err != nil {
		return t, fmt.Errorf("proactive: template %s: %w", v.ID, err)
	}
	return t, nil
}

func readTemplates(all []template.Version, err error) ([]Template, error) {
	if err != nil {
		return nil, err
	}
	out := make([]Template, len(all))
	for i := range all {
		if out[i], err = readTemplate(all[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// FindTemplate returns a version of a template, the current one for number 0, or [ErrNoTemplate].
func (e *Engine) FindTemplate(ctx context.Context, name string, number int) (Template, error) {
	v, err := e.cfg.Store.Template(ctx, e.cfg.AppID, "", name, number)
	if err != nil {
		return Template{}, err
	}
	return readTemplate(v)
}

// Templates lists the templates, those that were changed last first, those before a version (0 is no bound), at most limit.
func (e *Engine) Templates(ctx context.Context, before template.ID, limit int) ([]Template, error) {
	return readTemplates(e.cfg.Store.Templates(ctx, e.cfg.AppID, "", before, limit))
}

// TemplateVersions lists the versions of a template, newest first, those before a number (0 is no bound), at most limit.
// [ErrNoTemplate].
func (e *Engine) TemplateVersions(ctx context.Context, name string, before, limit int) ([]Template, error) {
	return readTemplates(e.cfg.Store.TemplateVersions(ctx, e.cfg.AppID, "", name, before, limit))
}

// DeleteTemplate forgets a template. What was accepted with it is said as it was accepted. [ErrNoTemplate].
func (e *Engine) DeleteTemplate(ctx context.Context, name string) error {
	audit.FromContext(ctx).About(name)
	return e.cfg.Store.DeleteTemplate(ctx, e.cfg.AppID, "", name, e.cfg.Now())
}

// templateError is an error of a template as one of a field.
func templateError(field string, err error) error {
	if wrong, ok := errors.AsType[*template.Error](err); ok {
		return &FieldError{field + wrong.Field, wrong.Message()}
	}
	return err
}

// templates remembers templates that were parsed. Versions do not change.
type templates struct {
	mu     sync.Mutex
	parsed map[template.ID]*template.Template // guarded by mu
}

// maxParsed is how many templates are remembered.
const maxParsed = 256

// parse returns a version as it was parsed.
func (t *templates) parse(v template.Version) (*template.Template, error) {
	if found := t.find(v.ID); found != nil {
		return found, nil
	}
	var src template.Source
	if err := json.Unmarshal(v.Source, &src); err != nil {
		return nil, fmt.Errorf("proactive: template %s: %w", v.ID, err)
	}
	parsed, err := template.Compile(src)
	if err != nil {
		return nil, fmt.Errorf("proactive: template %s: %w", v.ID, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.parsed == nil || len(t.parsed) >= maxParsed {
		t.parsed = make(map[template.ID]*template.Template)
	}
	t.parsed[v.ID] = parsed
	return parsed, nil
}

func (t *templates) find(id template.ID) *template.Template {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.parsed[id]
}
