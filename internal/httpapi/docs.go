package httpapi

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
	examples "github.com/headsup-bot/headsup/examples/api"
)

// The page is one template and one style sheet: nothing of it runs, and nothing comes from elsewhere.
//
//go:embed docs.html.tmpl docs.css
var docsFiles embed.FS

var docsPage = template.Must(template.ParseFS(docsFiles, "docs.html.tmpl"))

// docsPolicy lets the page have its style sheet and nothing else.
const docsPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// serveDocs adds the API's page, which is made of the document, to mux.
func serveDocs(mux *http.ServeMux, doc *huma.OpenAPI, log *slog.Logger) {
	view := sync.OnceValue(func() *docsView { return newDocsView(doc) })
	style, err := docsFiles.ReadFile("docs.css")
	if err != nil {
		panic(err) // it is part of the program
	}
	mux.HandleFunc("GET /docs", func(w http.ResponseWriter, r *http.Request) {
		shown := *view()
		shown.Server = serverOf(r)
		var page bytes.Buffer
		if err := docsPage.Execute(&page, shown); err != nil {
			log.ErrorContext(r.Context(), "docs page failed", "error", err.Error())
			http.Error(w, "the page could not be made", http.StatusInternalServerError)
			return
		}
		docsHeader(w, "text/html; charset=utf-8")
		_, _ = w.Write(page.Bytes())
	})
	mux.HandleFunc("GET /docs/style.css", func(w http.ResponseWriter, _ *http.Request) {
		docsHeader(w, "text/css; charset=utf-8")
		_, _ = w.Write(style)
	})
}

func docsHeader(w http.ResponseWriter, kind string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
}

// serverOf is the address that the reader's own requests go to.
func serverOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// docsView is what the page shows.
type docsView struct {
	Title, Version, Description, Server string

	Groups   []docsGroup
	Schemas  []docsSchema
	Codes    []api.Code
	Examples []examples.Example
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary string
	Description               string
	Scope                     string // that a key must have
	Parameters                []docsMember
	Body                      *docsBody
	Key                       bool // it takes an idempotency key
	Answers                   []docsAnswer
}

type docsBody struct {
	Required bool
	Schema   string
	Members  []docsMember
	Example  string
}

type docsAnswer struct {
	Status  string
	Text    string
	Schema  string
	Problem bool
	Codes   []api.Code
}

type docsSchema struct {
	Name, Description string
	Members           []docsMember
}

// docsMember is a member of an object, or a parameter of a request.
type docsMember struct {
	Name, In string
	Type     string
	Schema   string // its name, if it is one of the page's
	Required bool
	Doc      string
	Rules    []string
	Example  string
}

func newDocsView(doc *huma.OpenAPI) *docsView {
	v := &docsView{
		Title: doc.Info.Title, Version: doc.Info.Version, Description: doc.Info.Description,
		Codes: api.Codes, Examples: examples.Examples,
	}
	d := &docsMaker{schemas: doc.Components.Schemas.Map()}
	groups := make(map[string][]docsOperation)
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil || op.Hidden {
				continue
			}
			group := "other"
			if len(op.Tags) > 0 {
				group = op.Tags[0]
			}
			groups[group] = append(groups[group], d.operation(op))
		}
	}
	for name, operations := range groups {
		v.Groups = append(v.Groups, docsGroup{name, operations})
	}
	slices.SortFunc(v.Groups, func(a, b docsGroup) int { return cmp.Or(rank(a.Name)-rank(b.Name), strings.Compare(a.Name, b.Name)) })
	for _, name := range slices.Sorted(maps.Keys(d.schemas)) {
		s := d.schemas[name]
		v.Schemas = append(v.Schemas, docsSchema{Name: name, Description: s.Description, Members: d.members(s)})
	}
	return v
}

// rank puts what people come for first.
func rank(group string) int {
	order := []string{"notifications", "deliveries", "conversations", "jobs"}
	if i := slices.Index(order, group); i >= 0 {
		return i
	}
	return len(order)
}

// docsMaker makes the page's parts.
type docsMaker struct {
	schemas map[string]*huma.Schema
}

func (d *docsMaker) operation(op *huma.Operation) docsOperation {
	out := docsOperation{
		ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description,
		Scope: string(needed(op)),
	}
	for _, p := range op.Parameters {
		m := d.member(p.Name, p.Schema)
		m.In, m.Required, m.Doc = p.In, p.Required, cmp.Or(p.Description, m.Doc)
		out.Parameters = append(out.Parameters, m)
		out.Key = out.Key || strings.EqualFold(p.Name, "Idempotency-Key")
	}
	if op.RequestBody != nil {
		if content := op.RequestBody.Content["application/json"]; content != nil {
			out.Body = d.body(op.RequestBody.Required, content)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		out.Answers = append(out.Answers, d.answer(status, op.Responses[status]))
	}
	return out
}

func (d *docsMaker) body(required bool, content *huma.MediaType) *docsBody {
	b := &docsBody{Required: required, Schema: nameOf(content.Schema), Members: d.members(d.resolve(content.Schema))}
	example := content.Example
	if example == nil {
		example = d.example(content.Schema, 0)
	}
	if raw, err := json.Marshal(example, json.Deterministic(true), jsontext.WithIndent("  ")); err == nil {
		b.Example = string(raw)
	}
	return b
}

func (d *docsMaker) answer(status string, r *huma.Response) docsAnswer {
	a := docsAnswer{Status: status, Text: r.Description}
	for kind, content := range r.Content {
		a.Schema = nameOf(content.Schema)
		a.Problem = kind == "application/problem+json"
	}
	if !a.Problem {
		return a
	}
	for _, c := range api.Codes {
		if strconv.Itoa(c.Status) == status {
			a.Codes = append(a.Codes, c)
		}
	}
	return a
}

const schemaPrefix = "#/components/schemas/"

// nameOf is the name of the schema that s refers to; empty when it refers to none.
func nameOf(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	return strings.TrimPrefix(s.Ref, schemaPrefix)
}

func (d *docsMaker) resolve(s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = d.schemas[nameOf(s)]
	}
	if s == nil {
		return &huma.Schema{}
	}
	return s
}

// members lists an object's members: those that are required first, in the order of the alphabet.
func (d *docsMaker) members(s *huma.Schema) []docsMember {
	var out []docsMember
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		m := d.member(name, s.Properties[name])
		m.Required = slices.Contains(s.Required, name)
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(a, b docsMember) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	return out
}

func (d *docsMaker) member(name string, s *huma.Schema) docsMember {
	to := d.resolve(s)
	m := docsMember{Name: name, Schema: nameOf(s), Type: typeOf(to), Doc: cmp.Or(s.Description, to.Description)}
	if s.Items != nil && s.Items.Ref != "" {
		m.Schema = nameOf(s.Items)
	}
	if len(s.Examples) > 0 {
		if raw, err := json.Marshal(s.Examples[0]); err == nil {
			m.Example = string(raw)
		}
	}
	m.Rules = rulesOf(s)
	return m
}

func typeOf(s *huma.Schema) string {
	switch {
	case s.Type == huma.TypeArray && s.Items != nil && s.Items.Ref == "":
		return "list of " + typeOf(s.Items)
	case s.Type == huma.TypeArray:
		return "list of"
	case s.Type == "":
		return "any JSON"
	case s.Format == "date-time":
		return "time"
	}
	return s.Type
}

// rulesOf says in words what else a value must be.
func rulesOf(s *huma.Schema) []string {
	var rules []string
	if len(s.Enum) > 0 {
		words := make([]string, len(s.Enum))
		for i, e := range s.Enum {
			words[i] = fmt.Sprint(e)
		}
		rules = append(rules, "One of "+strings.Join(words, ", "))
	}
	if s.MaxLength != nil {
		rules = append(rules, fmt.Sprintf("At most %d characters", *s.MaxLength))
	}
	if s.MaxItems != nil {
		rules = append(rules, fmt.Sprintf("At most %d", *s.MaxItems))
	}
	if s.Minimum != nil {
		rules = append(rules, "From "+strconv.FormatFloat(*s.Minimum, 'f', -1, 64))
	}
	if s.Maximum != nil {
		rules = append(rules, "To "+strconv.FormatFloat(*s.Maximum, 'f', -1, 64))
	}
	if s.Default != nil {
		rules = append(rules, fmt.Sprintf("If not given, %v", s.Default))
	}
	return rules
}

// example makes a value of a schema: what is required, and what has an example where nothing is.
func (d *docsMaker) example(s *huma.Schema, depth int) any {
	s = d.resolve(s)
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case depth > 4:
		return nil
	}
	switch s.Type {
	case huma.TypeObject:
		o := make(map[string]any)
		for _, name := range s.Required {
			o[name] = d.example(s.Properties[name], depth+1)
		}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			if len(o) == 0 && len(s.Properties[name].Examples) > 0 {
				o[name] = s.Properties[name].Examples[0]
			}
		}
		return o
	case huma.TypeArray:
		return []any{d.example(s.Items, depth+1)}
	case huma.TypeInteger, huma.TypeNumber:
		return 1
	case huma.TypeBoolean:
		return true
	}
	return "text"
}

// Curl is a call of the operation with curl.
func (o docsOperation) Curl(server string) string {
	var b strings.Builder
	b.WriteString("curl")
	if o.Method != http.MethodGet && (o.Method != http.MethodPost || o.Body == nil) {
		b.WriteString(" -X " + o.Method)
	}
	path := o.Path
	for _, p := range o.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", "$"+strings.ToUpper(p.Name))
		}
	}
	fmt.Fprintf(&b, ` "%s%s"`, server, path)
	if o.Key {
		b.WriteString(" \\\n  -H 'Idempotency-Key: build-1234'")
	}
	if o.Body != nil {
		b.WriteString(" \\\n  -H 'Content-Type: application/json' \\\n  -d '" + strings.ReplaceAll(o.Body.Example, "'", `'\''`) + "'")
	}
	return b.String()
}
