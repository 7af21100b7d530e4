package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// App is an app of the tenant's catalog.
type App struct {
	// ID is what the catalog calls it, and ExternalID what its manifest does. Apps of the store have the same for both.
	ID         string `json:"id"`
	ExternalID string `json:"externalId"`
	Name       string `json:"displayName"`
	// Distribution is "organization", "store" or "sideloaded".
	Distribution string `json:"distributionMethod"`
}

// App finds an app by the id in its manifest; that of the organisation before that of the store. [ErrNoApp], an [*Error].
func (c *Client) App(ctx context.Context, manifestID string) (App, error) {
	if strings.ContainsAny(manifestID, "'/") || manifestID == "" {
		return App{}, ErrNoApp
	}
	var found struct {
		Value []App `json:"value"`
	}
	err := c.do(ctx, call{
		name: "find the app in the catalog", method: http.MethodGet, needs: []string{"AppCatalog.Read.All", "AppCatalog.ReadWrite.All"},
		url: c.at(url.Values{"$filter": {"externalId eq '" + manifestID + "'"}}, "appCatalogs", "teamsApps"),
	}, &found)
	if err != nil {
		return App{}, err
	}
	for _, app := range found.Value {
		if app.Distribution == "organization" {
			return app, nil
		}
	}
	if len(found.Value) == 0 {
		return App{}, ErrNoApp
	}
	return found.Value[0], nil
}

// Where is where an app may be installed. Make it with [ForUser] or [InTeam].
type Where struct {
	kind, id string
	needs    []string
}

// ForUser is the personal scope of a person, by object id.
func ForUser(objectID string) Where {
	return Where{"users", objectID, []string{"TeamsAppInstallation.ReadWriteSelfForUser.All", "TeamsAppInstallation.ReadWriteForUser.All"}}
}

// InTeam is a team, by the id of its group (channelData.team.aadGroupId; the id of its General channel is another).
func InTeam(groupID string) Where {
	return Where{"teams", groupID, []string{"TeamsAppInstallation.ReadWriteSelfForTeam.All", "TeamsAppInstallation.ReadWriteForTeam.All"}}
}

func (w Where) path() []string {
	if w.kind == "users" {
		return []string{"users", w.id, "teamwork", "installedApps"}
	}
	return []string{"teams", w.id, "installedApps"}
}

// missing is what a 404 about a place means.
func (w Where) missing() error {
	if w.kind == "users" {
		return ErrNoUser
	}
	return ErrNoGroup
}

func (w Where) String() string {
	if w.kind == "users" {
		return "a user"
	}
	return "a team"
}

// Installation returns the id of an app's installation, by the catalog's id of the app, or [ErrNotInstalled]. [ErrNoUser],
// [ErrNoGroup], an [*Error].
func (c *Client) Installation(ctx context.Context, at Where, appID string) (string, error) {
	var found struct {
		Value []struct {
			ID string `json:"id"`
		} `json:"value"`
	}
	if at.id == "" {
		return "", at.missing()
	}
	query := url.Values{"$expand": {"teamsApp"}, "$filter": {"teamsApp/id eq '" + strings.ReplaceAll(appID, "'", "''") + "'"}}
	err := is404(c.do(ctx, call{
		name: "see whether the app is installed for " + at.String(), method: http.MethodGet, needs: at.needs, url: c.at(query, at.path()...),
	}, &found), at.missing())
	switch {
	case err != nil:
		return "", err
	case len(found.Value) == 0:
		return "", ErrNotInstalled
	}
	return found.Value[0].ID, nil
}

// Install installs an app, by the catalog's id of it. One that is there already is no error: the bot is told of a new
// installation by an installationUpdate, and of none by one that was there. [ErrNoUser] or [ErrNoGroup], [ErrNoApp] where the
// catalog has it no more, and an [*Error].
func (c *Client) Install(ctx context.Context, at Where, appID string) error {
	if at.id == "" {
		return at.missing()
	}
	err := c.do(ctx, call{
		name: "install the app for " + at.String(), method: http.MethodPost, needs: at.needs, url: c.at(nil, at.path()...),
		body: map[string]string{"teamsApp@odata.bind": c.at(nil, "appCatalogs", "teamsApps", appID)},
	}, nil)
	failed, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return err
	case failed.Status == http.StatusConflict:
		return nil
	case failed.Status != http.StatusNotFound:
		return err
	case strings.Contains(strings.ToLower(failed.Message), "app"): // else it is the place that is not there
		return fmt.Errorf("%w: %w", ErrNoApp, failed)
	}
	return fmt.Errorf("%w: %w", at.missing(), failed)
}

// Chat returns the id of the conversation between the bot and a person for whom it is installed, by the person's object id and
// the id of the installation. It is the conversation's id on the channel. [ErrNotInstalled], an [*Error].
func (c *Client) Chat(ctx context.Context, objectID, installation string) (string, error) {
	var chat struct {
		ID string `json:"id"`
	}
	if objectID == "" || installation == "" {
		return "", ErrNotInstalled
	}
	at := ForUser(objectID)
	err := is404(c.do(ctx, call{
		name: "find the chat with a user", method: http.MethodGet, needs: at.needs, url: c.at(nil, append(at.path(), installation, "chat")...),
	}, &chat), ErrNotInstalled)
	if err == nil && chat.ID == "" {
		err = ErrNotInstalled
	}
	return chat.ID, err
}
