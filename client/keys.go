package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"github.com/headsup-bot/headsup/api"
)

// CreateKey makes an API key, for which this client needs one with the scope admin. The answer's Secret is told this once.
// The call is repeated by itself only when it was refused for the moment: a key whose answer was lost is of no use to
// anybody and can be revoked.
func (c *Client) CreateKey(ctx context.Context, r api.KeyRequest) (api.CreatedKey, error) {
	made, err := once(ctx, c, keys, r, func(k api.CreatedKey) bool { return k.ID != "" && k.Secret != "" })
	if err != nil {
		return made, fmt.Errorf("create key: %w", err)
	}
	return made, nil
}

// KeysPage returns a page of keys, oldest first, revoked and expired ones too. The first page has an empty cursor; each
// names the next one's, the last one none. A limit of 0 leaves the size to the server.
func (c *Client) KeysPage(ctx context.Context, cursor string, limit int) (api.Keys, error) {
	page, err := ask(ctx, c, http.MethodGet, keys+parameters("cursor", cursor, "limit", positive(limit)),
		func(p api.Keys) bool { return p.Keys != nil })
	if err != nil {
		return page, fmt.Errorf("keys: %w", err)
	}
	return page, nil
}

// Keys goes over all keys, oldest first, asking for a page at a time. It ends with the first error.
func (c *Client) Keys(ctx context.Context) iter.Seq2[api.Key, error] {
	return all(func(cursor string) ([]api.Key, string, error) {
		page, err := c.KeysPage(ctx, cursor, largestPage)
		return page.Keys, page.NextCursor, err
	})
}

// Key returns a key by its id, which is the middle part of the key. One that does not exist is an [*Error] with
// [api.CodeNotFound].
func (c *Client) Key(ctx context.Context, id string) (api.Key, error) {
	k, err := c.oneKey(ctx, http.MethodGet, id)
	if err != nil {
		return k, fmt.Errorf("key: %w", err)
	}
	return k, nil
}

// RevokeKey ends a key for good. It may be repeated.
func (c *Client) RevokeKey(ctx context.Context, id string) (api.Key, error) {
	k, err := c.oneKey(ctx, http.MethodDelete, id)
	if err != nil {
		return k, fmt.Errorf("revoke key: %w", err)
	}
	return k, nil
}

func (c *Client) oneKey(ctx context.Context, method, id string) (api.Key, error) {
	if !keyID(id) { // perhaps a whole key, which must not get into a path
		return api.Key{}, errors.New("this is not the id of a key, which is its middle part")
	}
	return ask(ctx, c, method, keys+"/"+id, func(k api.Key) bool { return k.ID != "" })
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
