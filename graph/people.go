package graph

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// User is a person of the tenant.
type User struct {
	// ID is the object id.
	ID   string `json:"id"`
	Name string `json:"displayName"`
	Mail string `json:"mail"`
	// UPN is the user principal name, with which somebody signs in; often the address of mail.
	UPN string `json:"userPrincipalName"`
	// Type is "Member" or "Guest". Apps cannot be installed for guests.
	Type string `json:"userType"`
}

// Guest reports whether somebody is of another tenant.
func (u User) Guest() bool { return strings.EqualFold(u.Type, "Guest") }

const userFields = "id,displayName,mail,userPrincipalName,userType"

var readsUsers = []string{"User.Read.All", "Directory.Read.All"}

// User finds a person by object id, user principal name or address of mail. The error is [ErrNoUser] if there is none, and an
// [*Error].
func (c *Client) User(ctx context.Context, name string) (User, error) {
	var u User
	if name == "" || strings.ContainsAny(name, "/\\") {
		return u, ErrNoUser
	}
	err := is404(c.do(ctx, call{
		name: "find a user", method: http.MethodGet, needs: readsUsers, url: c.at(url.Values{"$select": {userFields}}, "users", name),
	}, &u), ErrNoUser)
	if err == nil && u.ID == "" {
		err = ErrNoUser
	}
	if err == nil || !strings.Contains(name, "@") || err != ErrNoUser { //nolint:errorlint // it is this package's own, unwrapped
		return u, err
	}
	return c.byMail(ctx, name)
}

// byMail finds a person whose address of mail is not the user principal name.
func (c *Client) byMail(ctx context.Context, mail string) (User, error) {
	literal := "'" + strings.ReplaceAll(mail, "'", "''") + "'" // as OData has it
	var found struct {
		Value []User `json:"value"`
	}
	query := url.Values{"$select": {userFields}, "$top": {"2"}, "$filter": {"mail eq " + literal + " or proxyAddresses/any(a:a eq 'smtp:" + literal[1:] + ")"}}
	err := c.do(ctx, call{name: "find a user by mail", method: http.MethodGet, needs: readsUsers, url: c.at(query, "users")}, &found)
	switch {
	case err != nil:
		return User{}, err
	case len(found.Value) == 0:
		return User{}, ErrNoUser
	case len(found.Value) > 1:
		return User{}, fmt.Errorf("graph: find a user by mail: several have that address: %w", ErrNoUser)
	}
	return found.Value[0], nil
}

// Members goes over the people in a group, those in groups within it too, a page of 999 at a time; a team is the group of the same
// id. It ends with the first error: [ErrNoGroup], an [*Error].
func (c *Client) Members(ctx context.Context, group string) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		if strings.Trim(group, ".") == "" { // which would be another path
			yield(User{}, ErrNoGroup)
			return
		}
		next := c.at(url.Values{"$select": {userFields}, "$top": {"999"}}, "groups", group, "transitiveMembers", "microsoft.graph.user")
		for next != "" {
			var page struct {
				Value []User `json:"value"`
				Next  string `json:"@odata.nextLink"`
			}
			err := is404(c.do(ctx, call{
				name: "read the members of a group", method: http.MethodGet, url: next, needs: []string{"GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"},
			}, &page), ErrNoGroup)
			if err == nil && page.Next != "" && !c.own(page.Next) {
				err = &Error{Op: "read the members of a group", Err: errors.New("the next page is said to be elsewhere, which is not gone to")}
			}
			if err != nil {
				yield(User{}, err)
				return
			}
			for _, u := range page.Value {
				if !yield(u, nil) {
					return
				}
			}
			next = page.Next
		}
	}
}

// own reports whether an address that Graph has named is Graph's: tokens go nowhere else.
func (c *Client) own(next string) bool {
	u, err := url.Parse(next)
	base, _ := url.Parse(c.cfg.BaseURL) // it was valid
	return err == nil && u.Scheme == base.Scheme && strings.EqualFold(u.Host, base.Host) && u.User == nil && strings.HasPrefix(u.Path, "/v1.0/")
}
