package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// largestPage is how many entries a list that is gone over asks for at once; every list gives as many.
const largestPage = 200

// ask gets what a path has, for a method without a body. What is not valid is not from a Headsup server.
func ask[T any](ctx context.Context, c *Client, method, path string, valid func(T) bool) (T, error) {
	return answered(ctx, c, request{method: method, path: path}, valid)
}

// post sends a body to a path, which needs no idempotency key because it may be done again.
func post[T any](ctx context.Context, c *Client, path string, body any, valid func(T) bool) (T, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		var none T
		return none, err
	}
	return answered(ctx, c, request{method: http.MethodPost, path: path, body: raw}, valid)
}

// once is post for what must not be done again when it may have been done already. Without body there is none.
func once[T any](ctx context.Context, c *Client, path string, body any, valid func(T) bool) (answer T, err error) {
	r := request{method: http.MethodPost, path: path, once: true}
	if body != nil {
		if r.body, err = json.Marshal(body); err != nil {
			return answer, err
		}
	}
	return answered(ctx, c, r, valid)
}

// create posts a body under the caller's idempotency key, or one for this call.
func create[T any](ctx context.Context, c *Client, path string, body any, opts []CallOption, valid func(T) bool) (T, error) {
	var o call
	for _, opt := range opts {
		opt(&o)
	}
	var none T
	if strings.ContainsFunc(o.key, control) {
		return none, fmt.Errorf("idempotency key %q has control characters", o.key)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return none, err
	}
	return answered(ctx, c, request{method: http.MethodPost, path: path, body: raw, key: cmp.Or(o.key, rand.Text())}, valid)
}

func answered[T any](ctx context.Context, c *Client, r request, valid func(T) bool) (answer T, err error) {
	if err = c.do(ctx, r, &answer); err == nil && !valid(answer) {
		err = fmt.Errorf("%w: it has no id, or no list", errAnswer)
	}
	if err != nil {
		var none T
		return none, err
	}
	return answer, nil
}

// segment is an id as a part of a path. Dots alone are no name there, and no id.
func segment(what, id string) (string, error) {
	if strings.Trim(id, ".") == "" {
		return "", fmt.Errorf("%s: %q is not an id", what, id)
	}
	return url.PathEscape(id), nil
}

// all goes over the entries of one page after another.
func all[T any](page func(cursor string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for cursor := ""; ; {
			found, next, err := page(cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, entry := range found {
				if !yield(entry, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			cursor = next
		}
	}
}

// parameters is the query of those, name by value, that have a value.
func parameters(pairs ...string) string {
	q := make(url.Values)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// positive is a number as text; empty for 0.
func positive(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
