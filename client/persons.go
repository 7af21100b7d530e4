package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/headsup-bot/headsup/api"
)

// PeopleFilter chooses people: those that fit all members that are set. The zero value chooses all.
type PeopleFilter struct {
	Channel, Tenant string
}

// PeoplePage returns a page of the people whom the bot knows, in the order in which it met them. The first page has an empty
// cursor; each names the next one's, the last one none. A limit of 0 leaves the size to the server.
func (c *Client) PeoplePage(ctx context.Context, f PeopleFilter, cursor string, limit int) (api.People, error) {
	path := people + parameters("channel", f.Channel, "tenant", f.Tenant, "cursor", cursor, "limit", positive(limit))
	page, err := ask(ctx, c, http.MethodGet, path, func(p api.People) bool { return p.People != nil })
	if err != nil {
		return page, fmt.Errorf("people: %w", err)
	}
	return page, nil
}

// People goes over the people whom the bot knows, asking for a page at a time. It ends with the first error.
func (c *Client) People(ctx context.Context, f PeopleFilter) iter.Seq2[api.KnownPerson, error] {
	return all(func(cursor string) ([]api.KnownPerson, string, error) {
		page, err := c.PeoplePage(ctx, f, cursor, largestPage)
		return page.People, page.NextCursor, err
	})
}

// Person returns somebody by the id of their entry in the book, and those who were merged with them. One that the bot does
// not know is an [*Error] with [api.CodeNotFound].
func (c *Client) Person(ctx context.Context, id string) ([]api.KnownPerson, error) {
	h, err := ask(ctx, c, http.MethodGet, personPath(id), isHuman)
	if err != nil {
		return nil, fmt.Errorf("person: %w", err)
	}
	return h.People, nil
}

// MergePeople says that somebody is the same human as others, and returns all who are. It may be repeated.
func (c *Client) MergePeople(ctx context.Context, id string, with ...string) ([]api.KnownPerson, error) {
	h, err := post(ctx, c, personPath(id)+"/merge", api.MergeRequest{With: with}, isHuman)
	if err != nil {
		return nil, fmt.Errorf("merge people: %w", err)
	}
	return h.People, nil
}

// SplitPerson takes somebody out of the human that they were merged into, with others who go along, and returns those. It
// may be repeated.
func (c *Client) SplitPerson(ctx context.Context, id string, with ...string) ([]api.KnownPerson, error) {
	h, err := post(ctx, c, personPath(id)+"/split", api.SplitRequest{With: with}, isHuman)
	if err != nil {
		return nil, fmt.Errorf("split a person: %w", err)
	}
	return h.People, nil
}

func personPath(id string) string { return people + "/" + url.PathEscape(id) }

func isHuman(h api.Human) bool { return len(h.People) > 0 }
