package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
)

// document is as much of an OpenAPI document as the tests read.
type document struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string                    `json:"operationId"`
	Security    []map[string][]string     `json:"security"`
	Parameters  []parameter               `json:"parameters"`
	Responses   map[string]jsontext.Value `json:"responses"`
	RequestBody *struct {
		Required bool `json:"required"`
		Content  map[string]struct {
			Schema *schema `json:"schema"`
		} `json:"content"`
	} `json:"requestBody"`
}

type parameter struct {
	Name   string  `json:"name"`
	In     string  `json:"in"`
	Schema *schema `json:"schema"`
}

type schema struct {
	Ref        string             `json:"$ref"`
	Type       typeName           `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
	Enum       []jsontext.Value   `json:"enum"`
	Examples   []jsontext.Value   `json:"examples"`
	Pattern    string             `json:"pattern"`
	Format     string             `json:"format"`
	MaxLength  int                `json:"maxLength"`
	MaxItems   int                `json:"maxItems"`
	Minimum    *float64           `json:"minimum"`
	Maximum    *float64           `json:"maximum"`
	Additional jsontext.Value     `json:"additionalProperties"`
}

// typeName is a schema's type. Where it is a list, as of what may be null, it is the first of them.
type typeName string

func (n *typeName) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) != nil {
		var several []string
		if err := json.Unmarshal(raw, &several); err != nil {
			return err
		}
		one = several[0]
	}
	*n = typeName(one)
	return nil
}

func (f fixture) document(t *testing.T) *document {
	t.Helper()
	d := decode[document](t, f.call(t, "GET", "/openapi.json", ""))
	if len(d.Paths) == 0 {
		t.Fatal("the document has no paths")
	}
	return &d
}

func (d *document) resolve(s *schema) *schema {
	for s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

// mistake is one wrong request, and how it must be refused.
type mistake struct {
	name           string
	method, target string
	body           string
	header         []string
	status         []int  // one of these
	code           string // empty: any
	field          string // one of the fields named, or what one is inside of; empty: any
	// documented are the statuses that the document tells of; nil where there is no operation.
	documented map[string]jsontext.Value
}

// TestEveryRouteRefusesEveryMistake walks the OpenAPI document: it covers routes that are added later by itself. Each
// wrong request gets the right status, a known code, and the field at fault, and changes nothing that any list shows.
func TestEveryRouteRefusesEveryMistake(t *testing.T) {
	t.Parallel()
	d := newAPI(t).document(t)
	for path, operations := range d.Paths {
		t.Run("other methods of "+path, func(t *testing.T) {
			t.Parallel()
			newAPI(t).refuses(t, d, d.otherMethods(path, operations))
		})
		for method, op := range operations {
			t.Run(op.ID, func(t *testing.T) {
				t.Parallel()
				newAPI(t).refuses(t, d, d.mistakes(strings.ToUpper(method), path, op))
			})
		}
	}
}

func (f fixture) refuses(t *testing.T, d *document, mistakes []mistake) {
	t.Helper()
	if len(mistakes) == 0 {
		t.Fatal("nothing can be done wrong")
	}
	before := f.lists(t, d)
	for _, m := range mistakes {
		f.refusesOne(t, m)
	}
	for path, now := range f.lists(t, d) {
		if now != before[path] {
			t.Errorf("after refused requests, %s shows\n%s\nbefore\n%s", path, now, before[path])
		}
	}
	if len(f.channel.Sent()) > 0 {
		t.Error("a refused request made the bot speak")
	}
}

// lists is what every list without parameters in its path shows.
func (f fixture) lists(t *testing.T, d *document) map[string]string {
	t.Helper()
	shown := make(map[string]string)
	for path, operations := range d.Paths {
		get, ok := operations["get"]
		if ok && !strings.Contains(path, "{") && !strings.Contains(string(get.Responses["200"]), "text/event-stream") {
			shown[path] = f.call(t, "GET", path, "").Body.String()
		}
	}
	return shown
}

func (f fixture) refusesOne(t *testing.T, m mistake) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), m.method, m.target, strings.NewReader(m.body))
	if m.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(m.header); i += 2 {
		r.Header.Set(m.header[i], m.header[i+1])
	}
	w := httptest.NewRecorder()
	f.mux.ServeHTTP(w, r)
	what := fmt.Sprintf("%s: %s %.80s %.80q", m.name, m.method, m.target, m.body)
	if w.Code == http.StatusMultiStatus {
		w = refusedItem(t, w)
	}
	if !slices.Contains(m.status, w.Code) {
		t.Errorf("%s: status %d, want %v: %.300s", what, w.Code, m.status, w.Body)
		return
	}
	if _, told := m.documented[strconv.Itoa(w.Code)]; !told && m.documented != nil {
		t.Errorf("%s: the document does not tell of status %d", what, w.Code)
	}
	if kind := w.Header().Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("%s: content type %q", what, kind)
	}
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p, json.RejectUnknownMembers(true)); err != nil {
		t.Errorf("%s: %v in %s", what, err, w.Body)
		return
	}
	if _, known := api.Meaning(p.Code); !known || p.Status != w.Code || p.Detail == "" || p.Title == "" {
		t.Errorf("%s: %+v", what, p)
	}
	if m.code != "" && p.Code != m.code {
		t.Errorf("%s: code %s, want %s", what, p.Code, m.code)
	}
	named := func(e api.ProblemField) bool {
		return e.Field == m.field || strings.HasPrefix(e.Field, m.field+".") || strings.HasPrefix(e.Field, m.field+"[")
	}
	if m.field != "" && !slices.ContainsFunc(p.Errors, named) {
		t.Errorf("%s: names %+v, want %s", what, p.Errors, m.field)
	}
	for _, e := range p.Errors {
		if e.Field == "" || e.Message == "" {
			t.Errorf("%s: says too little: %+v", what, e)
		}
	}
}

// refusedItem is the refusal of a batch's only item, as if it had been sent by itself.
func refusedItem(t *testing.T, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	t.Helper()
	r := decode[api.BatchResult](t, w)
	if r.Accepted != 0 || r.Refused != 1 || len(r.Results) != 1 || r.Results[0].Problem == nil {
		t.Fatalf("a batch with one wrong item is answered %s", w.Body)
	}
	out := httptest.NewRecorder()
	out.Header().Set("Content-Type", "application/problem+json")
	out.WriteHeader(r.Results[0].Problem.Status)
	if err := json.MarshalWrite(out, r.Results[0].Problem); err != nil {
		t.Fatal(err)
	}
	return out
}

func (d *document) otherMethods(path string, operations map[string]operation) []mistake {
	var wrong []mistake
	beside := d.Paths[path[:strings.LastIndex(path, "/")]+"/{id}"] // which takes any last word
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		m := mistake{
			name: "method", method: method, target: filled(path, nil), status: []int{405}, code: api.CodeMethodNotAllowed,
		}
		if _, has := beside[strings.ToLower(method)]; has {
			m.status, m.code = []int{404}, api.CodeNotFound
		}
		if _, has := operations[strings.ToLower(method)]; !has {
			wrong = append(wrong, m)
		}
	}
	return append(wrong, mistake{
		name: "no such route", method: "GET", target: filled(path, nil) + "/no/such", status: []int{404}, code: api.CodeNotFound,
	})
}

// filled puts values into the places of a path: numbers are 1 and the rest is x, which nothing is called.
func filled(path string, with map[string]string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if !strings.HasPrefix(s, "{") {
			continue
		}
		name := strings.Trim(s, "{}")
		switch value, given := with[name]; {
		case given:
			segments[i] = value
		case name == "number":
			segments[i] = "1"
		default:
			segments[i] = "x"
		}
	}
	return strings.Join(segments, "/")
}

// mistakes is everything that can be wrong with an operation's requests.
func (d *document) mistakes(method, path string, op operation) []mistake {
	base := mistake{
		method: method, target: filled(path, nil), status: []int{422}, code: api.CodeInvalidField, documented: op.Responses,
	}
	if op.RequestBody != nil && op.RequestBody.Required {
		base.body = d.body(op.RequestBody.Content["application/json"].Schema)
	}
	wrong := []mistake{
		base.with("unknown parameter", func(m *mistake) { m.target, m.field = m.target+"?no_such=1", "query.no_such" }),
		base.with("broken query", func(m *mistake) { m.target, m.field = m.target+"?a=%zz", "query" }),
	}
	for _, p := range op.Parameters {
		wrong = append(wrong, d.wrongParameter(base, path, p)...)
	}
	if op.RequestBody != nil {
		wrong = append(wrong, d.wrongBodies(base, op)...)
	}
	return wrong
}

func (m mistake) with(name string, change func(*mistake)) mistake {
	m.name = name
	change(&m)
	return m
}

func (d *document) wrongParameter(base mistake, path string, p parameter) []mistake {
	s, field := d.resolve(p.Schema), p.In+"."+p.Name
	var wrong []mistake
	add := func(name, value string) {
		wrong = append(wrong, base.with(name+" in "+field, func(m *mistake) {
			m.field = field
			switch p.In {
			case "query":
				m.target += "?" + url.QueryEscape(p.Name) + "=" + value
			case "path":
				m.target = filled(path, map[string]string{p.Name: value})
			case "header":
				m.header = append(m.header, p.Name, value)
			}
		}))
	}
	for name, value := range d.wrongTexts(s) {
		add(name, value)
	}
	if p.In == "query" && s.Type != "array" {
		add("two values", "1&"+url.QueryEscape(p.Name)+"=2")
	}
	if p.In != "header" {
		add("NUL", "a%00b")
		add("invalid UTF-8", "%ff")
	}
	switch {
	case p.Name == "cursor":
		for name, value := range map[string]string{"garbage": "garbage", "not base64": "!!", "another form": "AgAAAAAAAAAAAQ", "padding": "AQ%3D%3D"} {
			add(name, value)
		}
	case p.In == "path" && s.Type == "string" && base.method == http.MethodGet:
		wrong = append(wrong, base.with("nobody's id", func(m *mistake) { m.status, m.code = []int{404}, api.CodeNotFound }))
	}
	return wrong
}

// wrongTexts is what a parameter may not be.
func (d *document) wrongTexts(s *schema) map[string]string {
	wrong := make(map[string]string)
	if s.MaxLength > 0 {
		wrong["too long"] = strings.Repeat("x", s.MaxLength+1)
	}
	if len(s.Enum) > 0 {
		wrong["out of enum"] = "no-such-word"
	}
	if s.Type == "integer" || s.Type == "number" || s.Type == "boolean" {
		wrong["wrong type"] = "x"
		wrong["nothing"] = "%20"
	}
	if s.Type == "integer" {
		wrong["beyond 64 bits"] = "99999999999999999999"
		wrong["fraction"] = "1.5"
	}
	if s.Minimum != nil {
		wrong["too small"] = fmt.Sprint(int64(*s.Minimum) - 1)
	}
	if s.Maximum != nil {
		wrong["too large"] = fmt.Sprint(int64(*s.Maximum) + 1)
	}
	return wrong
}

func (d *document) wrongBodies(base mistake, op operation) []mistake {
	s := d.resolve(op.RequestBody.Content["application/json"].Schema)
	good := base.body
	if good == "" {
		good = "{}"
	}
	broken := func(name, body string) mistake {
		return base.with(name, func(m *mistake) { m.body, m.status, m.code = body, []int{400}, api.CodeBadRequest })
	}
	deep := func(name, body string) mistake {
		return base.with(name, func(m *mistake) { m.body, m.status, m.code = body, []int{400, 422}, "" })
	}
	wrong := []mistake{
		broken("malformed", "{"), broken("malformed", `{"a":}`), broken("not JSON", "hello"), broken("not JSON", "\x00"),
		broken("trailing object", good+"{}"), broken("trailing word", good+" x"),
		broken("duplicate members", `{"twice":1,"twice":1}`), broken("invalid UTF-8", "{\"x\":\"\xff\"}"),
		broken("lone surrogate", `{"x":"\ud800"}`),
		deep("depth bomb", strings.Repeat(`[`, 100_000)), deep("deep", strings.Repeat(`{"a":`, 9000)+"1"+strings.Repeat("}", 9000)),
		base.with("list", func(m *mistake) { m.body, m.field = "[]", "body" }),
		base.with("text", func(m *mistake) { m.body, m.field = `"x"`, "body" }),
		base.with("too large", func(m *mistake) {
			m.body, m.status, m.code = `{"x":"`+strings.Repeat("x", 2<<20)+`"}`, []int{413}, api.CodeTooLarge
		}),
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "x", ""} {
		wrong = append(wrong, base.with("content type "+kind, func(m *mistake) {
			m.body, m.header, m.status, m.code = good, []string{"Content-Type", kind}, []int{415}, api.CodeUnsupported
		}))
	}
	if op.RequestBody.Required {
		wrong = append(wrong, base.with("no body", func(m *mistake) {
			m.body, m.status, m.code, m.header = "", []int{400}, api.CodeBadRequest, []string{"Content-Type", "application/json"}
		}))
	}
	for _, name := range s.Required {
		without := members(good)
		delete(without, name)
		wrong = append(wrong, base.with("without "+name, func(m *mistake) { m.body, m.field = text(without), "body."+name }))
	}
	return append(wrong, d.wrongMembers(base, s, nil, 4)...)
}

// wrongMembers are bodies with one wrong member, at every place of a schema.
func (d *document) wrongMembers(base mistake, s *schema, at []string, depth int) []mistake {
	if depth == 0 {
		return nil
	}
	var wrong []mistake
	put := func(name, member string, value jsontext.Value, change func(*mistake)) {
		place := append(slices.Clone(at), member)
		wrong = append(wrong, base.with(name+" in "+strings.Join(place, "."), func(m *mistake) {
			m.body, m.field = within(m.body, place, value), fieldOf(place)
			change(m)
		}))
	}
	as := func(*mistake) {}
	if string(s.Additional) == "false" {
		put("unknown member", "no_such", jsontext.Value("1"), as)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		member := d.resolve(s.Properties[name])
		for what, value := range d.wrongValues(member) {
			put(what, name, value, as)
		}
		if member.Type == "string" && len(member.Enum) == 0 && member.Pattern == "" && member.Format == "" {
			put("NUL", name, jsontext.Value(`"a\u0000b"`), func(m *mistake) {
				m.field, m.code, m.status = "", "", []int{404, 422} // it may be looked for before the engine sees the member
			})
		}
		if member.Type == "" && member.Items == nil && len(member.Properties) == 0 { // any JSON
			put("depth", name, jsontext.Value(strings.Repeat("[", 200)+strings.Repeat("]", 200)), func(m *mistake) {
				m.field, m.code, m.status = "", "", []int{404, 422}
			})
		}
		wrong = append(wrong, d.wrongMembers(base, member, append(slices.Clone(at), name), depth-1)...)
		if member.Type == "array" {
			items := d.resolve(member.Items)
			for what, value := range d.wrongValues(items) {
				put(what, name+"[0]", value, as)
			}
			wrong = append(wrong, d.wrongMembers(base, items, append(slices.Clone(at), name+"[0]"), depth-1)...)
		}
	}
	return wrong
}

// wrongValues is what a member may not be.
func (d *document) wrongValues(s *schema) map[string]jsontext.Value {
	wrong := make(map[string]jsontext.Value)
	switch s.Type {
	case "string":
		wrong["number"], wrong["object"], wrong["list"], wrong["true"] = jsontext.Value("7"), jsontext.Value("{}"), jsontext.Value("[]"), jsontext.Value("true")
	case "integer", "number":
		wrong["text"], wrong["object"] = jsontext.Value(`"7"`), jsontext.Value("{}")
	case "boolean":
		wrong["text"], wrong["number"] = jsontext.Value(`"true"`), jsontext.Value("1")
	case "object":
		wrong["text"], wrong["number"], wrong["list"] = jsontext.Value(`"x"`), jsontext.Value("7"), jsontext.Value("[]")
	case "array":
		wrong["text"], wrong["object"] = jsontext.Value(`"x"`), jsontext.Value("{}")
	}
	if s.Type == "integer" {
		wrong["fraction"] = jsontext.Value("1.5")
	}
	if s.Type == "string" && s.MaxLength > 0 {
		wrong["too long"] = jsontext.Value(`"` + strings.Repeat("x", s.MaxLength+1) + `"`)
	}
	if s.Type == "string" && (len(s.Enum) > 0 || s.Pattern != "" || s.Format != "") {
		wrong["out of form"] = jsontext.Value(`"no such!"`)
	}
	if s.MaxItems > 0 {
		item := string(d.value(d.resolve(s.Items)))
		wrong["too many"] = jsontext.Value("[" + strings.TrimSuffix(strings.Repeat(item+",", s.MaxItems+1), ",") + "]")
	}
	if s.Minimum != nil {
		wrong["too small"] = jsontext.Value(fmt.Sprint(int64(*s.Minimum) - 1))
	}
	if s.Maximum != nil {
		wrong["too large"] = jsontext.Value(fmt.Sprint(int64(*s.Maximum) + 1))
	}
	return wrong
}

// body makes a body that fits a schema, with as little as possible in it.
func (d *document) body(s *schema) string { return string(d.value(d.resolve(s))) }

func (d *document) value(s *schema) jsontext.Value {
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	switch s.Type {
	case "string":
		return jsontext.Value(`"x"`)
	case "integer", "number":
		return jsontext.Value("1")
	case "boolean":
		return jsontext.Value("true")
	case "array":
		return jsontext.Value("[]")
	case "object":
		o := make(map[string]jsontext.Value)
		for _, name := range s.Required {
			o[name] = d.value(d.resolve(s.Properties[name]))
		}
		return jsontext.Value(text(o))
	}
	return jsontext.Value("null")
}

func members(body string) map[string]jsontext.Value {
	o := make(map[string]jsontext.Value)
	if body != "" {
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			panic(err)
		}
	}
	return o
}

func text(o map[string]jsontext.Value) string {
	raw, err := json.Marshal(o, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// within puts a value into a body. A step such as tags[0] is the only item of a list.
func within(body string, place []string, value jsontext.Value) string {
	o := members(body)
	name, inList := strings.CutSuffix(place[0], "[0]")
	if len(place) > 1 {
		inner := ""
		if v := o[name]; v.Kind() == jsontext.KindBeginObject && !inList {
			inner = string(v)
		}
		value = jsontext.Value(within(inner, place[1:], value))
	}
	if inList {
		value = jsontext.Value("[" + string(value) + "]")
	}
	o[name] = value
	return text(o)
}

func fieldOf(place []string) string { return "body." + strings.Join(place, ".") }
