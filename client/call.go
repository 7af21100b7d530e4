package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

const (
	deliveries = "/v1/deliveries"
	jobs       = "/v1/jobs"
)

func isNotification(n api.Notification) bool { return n.ID != "" }
func isDelivery(d api.Delivery) bool         { return d.ID != "" }
func isJob(j api.Job) bool                   { return j.Number > 0 }

// send sends a request, with a body if there is one, and returns the answer, which is one of this API if it holds. The
// error says what it was for.
func send[T any](ctx context.Context, c *Client, what string, r request, body any, holds func(T) bool) (T, error) {
	var answer, none T
	err := error(nil)
	if body != nil {
		r.body, err = json.Marshal(body)
	}
	if err == nil {
		err = c.do(ctx, r, &answer)
	}
	if err == nil && !holds(answer) {
		err = fmt.Errorf("%w: it has no id", errAnswer)
	}
	if err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	return answer, nil
}

// get asks for what has an id below a path.
func get[T any](ctx context.Context, c *Client, what, path, id string, holds func(T) bool) (answer T, err error) {
	if path, err = below(path, id); err != nil {
		return answer, fmt.Errorf("%s: %w", what, err)
	}
	return send(ctx, c, what, request{method: http.MethodGet, path: path}, nil, holds)
}

// change does something to what has an id below a path. single is as in [request].
func change[T any](
	ctx context.Context, c *Client, path, id, verb string, body any, single bool, holds func(T) bool,
) (answer T, err error) {
	what := verb + " " + id
	if path, err = below(path, id); err != nil {
		return answer, fmt.Errorf("%s: %w", what, err)
	}
	return send(ctx, c, what, request{method: http.MethodPost, path: path + "/" + verb, single: single}, body, holds)
}

// below is the path of what has an id.
func below(path, id string) (string, error) {
	if strings.Trim(id, ".") == "" { // which is no name in a path
		return "", fmt.Errorf("%q is not an id", id)
	}
	return path + "/" + url.PathEscape(id), nil
}

// list asks for a page.
func list[T any](ctx context.Context, c *Client, what, path string, pairs ...string) (T, error) {
	r := request{method: http.MethodGet, path: path + parameters(pairs...)}
	return send(ctx, c, what, r, nil, func(T) bool { return true })
}

// largestPage is how many the lists of many return at most.
const largestPage = 200

// over goes over a list, page by page.
func over[T any](read func(cursor string) (page []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for cursor := ""; ; {
			page, next, err := read(cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, one := range page {
				if !yield(one, nil) {
					return
				}
			}
			if cursor = next; cursor == "" {
				return
			}
		}
	}
}
