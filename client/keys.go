package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

const keys = "/v1/keys"

// CreateKey makes an API key, for which this client needs one with the scope admin. The answer's Secret is told this once.
// The call is not repeated by itself: a key whose answer was lost is of no use to anybody and can be revoked.
func (c *Client) CreateKey(ctx context.Context, r api.KeyRequest) (made api.CreatedKey, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return made, fmt.Errorf("create key: %w", err)
	}
	err = c.do(ctx, request{method: http.MethodPost, path: keys, body: body, once: true}, &made)
	if err == nil && (made.ID == "" || made.Secret == "") {
		err = fmt.Errorf("%w: it has no key", errAnswer)
	}
	if err != nil {
		return api.CreatedKey{}, fmt.Errorf("create key: %w", err)
	}
	return made, nil
}

// Keys returns a page of keys, oldest first, revoked and expired ones too: limit of them at most, from 1 to 500, or 50 for
// 0. cursor is NextCursor of the page before; empty is the start.
func (c *Client) Keys(ctx context.Context, cursor string, limit int) (page api.Keys, err error) {
	q := url.Values{}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if limit != 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	path := keys
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	if err := c.do(ctx, request{method: http.MethodGet, path: path}, &page); err != nil {
		return api.Keys{}, fmt.Errorf("keys: %w", err)
	}
	return page, nil
}

// Key returns a key by its id, which is the middle part of the key. One that does not exist is an [*Error] with
// [api.CodeNotFound].
func (c *Client) Key(ctx context.Context, id string) (api.Key, error) {
	return c.oneKey(ctx, "key", http.MethodGet, id)
}

// RevokeKey ends a key for good. It may be repeated.
func (c *Client) RevokeKey(ctx context.Context, id string) (api.Key, error) {
	return c.oneKey(ctx, "revoke key", http.MethodDelete, id)
}

func (c *Client) oneKey(ctx context.Context, what, method, id string) (key api.Key, err error) {
	if !keyID(id) { // perhaps a whole key, which must not get into a path
		return key, fmt.Errorf("%s: not the id of a key, which is its middle part", what)
	}
	err = c.do(ctx, request{method: method, path: keys + "/" + id}, &key)
	if err == nil && key.ID == "" {
		err = fmt.Errorf("%w: it has no id", errAnswer)
	}
	if err != nil {
		return api.Key{}, fmt.Errorf("%s %s: %w", what, id, err)
	}
	return key, nil
}

// keyID reports whether a text may be the id of a key.
func keyID(id string) bool {
	for _, r := range id {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return id != ""
}
