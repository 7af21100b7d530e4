package client

import (
	"context"
	"fmt"
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

// post sends a request with a body, and says what it was for in its error. Without body there is none.
func post[T any](
	ctx context.Context, c *Client, what, path string, body any, key string, holds func(T) bool,
) (answer T, err error) {
	return send(ctx, c, what, request{method: http.MethodPost, path: path, key: key}, body, holds)
}

func send[T any](ctx context.Context, c *Client, what string, r request, body any, holds func(T) bool) (answer T, err error) {
	if body != nil {
		r.body, err = json.Marshal(body)
	}
	if err == nil {
		answer, err = do(ctx, c, r, holds)
	}
	if err != nil {
		return answer, fmt.Errorf("%s: %w", what, err)
	}
	return answer, nil
}

// get asks for what has an id below a path.
func get[T any](ctx context.Context, c *Client, what, path, id string, holds func(T) bool) (answer T, err error) {
	path, err = below(path, id)
	if err != nil {
		return answer, fmt.Errorf("%s: %w", what, err)
	}
	return send(ctx, c, what, request{method: http.MethodGet, path: path}, nil, holds)
}

// list asks for a page.
func list[T any](ctx context.Context, c *Client, what, path string, query url.Values) (T, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return send(ctx, c, what, request{method: http.MethodGet, path: path}, nil, func(T) bool { return true })
}

// change does something to what has an id below a path. single is as in [request].
func change[T any](
	ctx context.Context, c *Client, path, id, verb string, body any, single bool, holds func(T) bool,
) (answer T, err error) {
	what := verb + " " + id
	path, err = below(path, id)
	if err != nil {
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
