package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/headsup-bot/headsup/api"
)

// tooLarge refuses a body by the length that its sender says it has, without waiting for it.
func tooLarge(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humago.Unwrap(ctx)
		if most := ctx.Operation().MaxBodyBytes; most > 0 && r.ContentLength >= most {
			_ = huma.WriteErr(api, ctx, http.StatusRequestEntityTooLarge, fmt.Sprintf("request body is too large limit=%d bytes", most))
			return
		}
		next(ctx)
	}
}

// plainParameters refuses what no parameter of a path or query can be: text that is no UTF-8 or holds NUL, a query that
// cannot be read, and a parameter that is given twice, of which one would win by chance.
func plainParameters(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if f, wrong := wrongParameter(ctx, r); wrong {
		writeProblem(w, newProblem(http.StatusUnprocessableEntity, api.CodeInvalidField, sentence(f), f))
		return
	}
	next(ctx)
}

func wrongParameter(ctx huma.Context, r *http.Request) (f api.ProblemField, wrong bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return api.ProblemField{Field: "query", Message: "cannot be read"}, true
	}
	for _, p := range ctx.Operation().Parameters {
		var values []string
		switch p.In {
		case "path":
			values = []string{ctx.Param(p.Name)}
		case "query":
			values = query[p.Name]
		}
		f = api.ProblemField{Field: p.In + "." + p.Name}
		switch {
		case len(values) > 1 && p.Schema.Type != huma.TypeArray:
			f.Message = "is given more than once"
		case slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }):
			f.Message = "is not valid UTF-8"
		case slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "\x00") }):
			f.Message = "contains NUL"
		}
		if f.Message != "" {
			return f, true
		}
	}
	return f, false
}
