package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/headsup-bot/headsup/internal/config"
	"github.com/headsup-bot/headsup/internal/teamsapp"
)

type teamsCommands struct {
	Package teamsPackage `cmd:"" help:"Make the app package by which people get the bot in Microsoft Teams, or check one."`
}

type teamsPackage struct {
	config.Flags

	Name            string   `placeholder:"TEXT" help:"What the app is called, in at most 30 characters."`
	FullName        string   `name:"full-name" placeholder:"TEXT" help:"The same in at most 100 characters."`
	Description     string   `placeholder:"TEXT" help:"What it is for, in at most 80 characters."`
	FullDescription string   `name:"full-description" placeholder:"TEXT" help:"The same in at most 4,000 characters."`
	Developer       string   `placeholder:"TEXT" help:"Who offers it, in at most 32 characters."`
	Website         string   `placeholder:"URL" help:"Where people find more about it. public_url, if not given."`
	Privacy         string   `placeholder:"URL" help:"What happens to their data. The website's /privacy, if not given."`
	Terms           string   `placeholder:"URL" help:"Under which terms they use it. The website's /terms, if not given."`
	AppID           string   `name:"app-id" placeholder:"GUID" help:"The bot's app id. azure.app_id, if not given."`
	ManifestID      string   `name:"manifest-id" placeholder:"GUID" help:"The app's own id, by which Teams and its catalog know it. The bot's app id, if not given. It must never change."`
	AppVersion      string   `name:"app-version" default:"1.0.0" placeholder:"VERSION" help:"The app's version (${default}); higher for every package that replaces another."`
	Scopes          []string `default:"personal,team,groupChat" placeholder:"SCOPE" help:"Where it can be installed: personal, team, groupChat (all of them)."`
	Command         []string `sep:"none" placeholder:"TITLE=TEXT" help:"Something that Teams offers people to say to it, with what it does. May be repeated, up to ten times."`
	ValidDomain     []string `name:"valid-domain" placeholder:"HOST" help:"A host whose pages it shows and to which it leads people to sign in. The host of public_url, if not given. May be repeated."`
	Resource        string   `placeholder:"URI" help:"The app's URI in Entra, which makes it installable through Graph. api:// with the host of public_url and the app id, if not given."`
	Permission      []string `placeholder:"NAME" help:"A permission for the place where it is installed, such as ChatMessageReadReceipt.Read.Chat. May be repeated."`
	Accent          string   `default:"#4F6BED" placeholder:"COLOR" help:"The color of its ground (${default})."`
	ColorIcon       string   `name:"color-icon" placeholder:"FILE" help:"Its icon, a PNG of 192 x 192 pixels. A bell, if not given."`
	OutlineIcon     string   `name:"outline-icon" placeholder:"FILE" help:"Its outline, a PNG of 32 x 32 pixels, white on transparent ground. A bell, if not given."`
	NotifyOnly      bool     `name:"notification-only" help:"It only says things: people cannot write to it."`
	Out             string   `default:"teams-app.zip" placeholder:"FILE" help:"Where to write the package (${default})."`
	Check           string   `placeholder:"FILE" help:"Check a package that exists, and make none."`
}

// Help shows examples.
func (teamsPackage) Help() string {
	return `Examples:

    headsup teams package --config headsup.yaml --name "Heads up" --description "Tells you what you wait for." --developer Example
    headsup teams package --config headsup.yaml --name Builds --description "Tells of builds." --developer Example --scopes personal,team --command "status=Say how the builds are" --app-version 1.1.0 --out builds.zip
    headsup teams package --check builds.zip

The package is a zip of manifest.json and two icons, to be uploaded to Teams: docs/azure-and-teams.md. The bot's app id and the address of the
server are those of the configuration. What Teams would refuse is told before anything is written.`
}

// Run makes or checks a package.
func (c teamsPackage) Run(_ context.Context, s streams, l *config.Loader) error {
	if c.Check != "" {
		return c.check(s)
	}
	loaded, err := l.Load()
	if err != nil {
		return err
	}
	p, err := c.make(loaded.Azure.AppID, loaded.PublicURL)
	if err != nil {
		return usageError{err}
	}
	var content bytes.Buffer
	if err := p.Write(&content); err != nil {
		return err
	}
	if err := os.WriteFile(c.Out, content.Bytes(), 0o644); err != nil { //nolint:gosec // it is to be given to others
		return fmt.Errorf("--out: %w", err)
	}
	_, err = fmt.Fprintf(s.out, "%s: %s %s, bot %s, for %s\n", c.Out, p.Manifest.Name.Short, p.Manifest.Version,
		p.Manifest.Bots[0].ID, strings.Join(p.Manifest.Bots[0].Scopes, ", "))
	return err
}

// make is the package that the flags ask for, if nothing is wrong with it.
func (c teamsPackage) make(appID, publicURL string) (p teamsapp.Package, err error) {
	app := teamsapp.App{
		BotID: cmp.Or(c.AppID, appID), ID: c.ManifestID, Version: c.AppVersion, Name: c.Name, FullName: cmp.Or(c.FullName, c.Name),
		Description: c.Description, FullDescription: cmp.Or(c.FullDescription, c.Description), Developer: c.Developer,
		Website: cmp.Or(c.Website, publicURL), Accent: c.Accent, Scopes: c.Scopes, Domains: c.ValidDomain, Resource: c.Resource,
		Permissions: c.Permission, NotificationOnly: c.NotifyOnly,
	}
	app.ID = cmp.Or(app.ID, app.BotID)
	site := strings.TrimSuffix(app.Website, "/")
	app.Privacy, app.Terms = cmp.Or(c.Privacy, site+"/privacy"), cmp.Or(c.Terms, site+"/terms")
	if u, err := url.Parse(publicURL); err == nil && u.Hostname() != "" {
		if len(app.Domains) == 0 {
			app.Domains = []string{u.Host}
		}
		app.Resource = cmp.Or(app.Resource, "api://"+u.Hostname()+"/"+app.BotID)
	}
	for _, command := range c.Command {
		title, text, found := strings.Cut(command, "=")
		if !found {
			return p, fmt.Errorf("--command: %q is no TITLE=TEXT", command)
		}
		app.Commands = append(app.Commands, teamsapp.Command{Title: strings.TrimSpace(title), Description: strings.TrimSpace(text)})
	}
	p.Manifest = app.Manifest()
	if found := p.Manifest.Check(); len(found) > 0 { // before the icons, which need its color
		return p, flagErrors(found)
	}
	if p.Color, p.Outline, err = teamsapp.DrawIcons(c.Accent); err != nil {
		return p, err
	}
	for _, icon := range []struct {
		flag, file string
		into       *[]byte
	}{{"--color-icon", c.ColorIcon, &p.Color}, {"--outline-icon", c.OutlineIcon, &p.Outline}} {
		if icon.file == "" {
			continue
		}
		if *icon.into, err = os.ReadFile(icon.file); err != nil {
			return p, fmt.Errorf("%s: %w", icon.flag, err)
		}
	}
	if found := p.Check(); len(found) > 0 {
		return p, flagErrors(found)
	}
	return p, nil
}

// check reads a package and tells what is wrong with it.
func (c teamsPackage) check(s streams) error {
	content, err := os.ReadFile(c.Check)
	if err != nil {
		return usageError{fmt.Errorf("--check: %w", err)}
	}
	p, err := teamsapp.Read(content)
	if err != nil {
		return err
	}
	if found := p.Check(); len(found) > 0 {
		errs := make([]error, len(found))
		for i, problem := range found {
			errs[i] = problem
		}
		return errors.Join(errs...)
	}
	_, err = fmt.Fprintf(s.out, "%s is good: %s %s, bot %s\n", c.Check, p.Manifest.Name.Short, p.Manifest.Version, p.Manifest.Bots[0].ID)
	return err
}

// packageFlags are the flags for members of a manifest.
var packageFlags = map[string]string{
	"version": "--app-version", "id": "--manifest-id", "developer.name": "--developer", "developer.websiteUrl": "--website",
	"developer.privacyUrl": "--privacy", "developer.termsOfUseUrl": "--terms", "name.short": "--name", "name.full": "--full-name",
	"description.short": "--description", "description.full": "--full-description", "accentColor": "--accent",
	"bots.botId": "--app-id", "bots.scopes": "--scopes", "bots.commandLists.scopes": "--scopes",
	"bots.commandLists.commands": "--command", "bots.commandLists.commands.title": "--command",
	"bots.commandLists.commands.description": "--command", "validDomains": "--valid-domain",
	"webApplicationInfo.id": "--app-id", "webApplicationInfo.resource": "--resource", "webApplicationInfo": "--resource",
	"authorization.permissions.resourceSpecific": "--permission", "authorization.permissions.resourceSpecific.name": "--permission",
	"icons.color": "--color-icon", "icons.outline": "--outline-icon",
}

// derived are flags whose fault is that of another one, which they are taken from.
var derived = map[string]string{
	"--full-name": "--name", "--full-description": "--description", "--manifest-id": "--app-id", "--privacy": "--website", "--terms": "--website",
}

// flagErrors are problems, each with its flag. One that comes from a value that is wrong already is left out.
func flagErrors(found []teamsapp.Problem) error {
	told := make(map[string]bool)
	for _, p := range found {
		told[packageFlags[p.Field]] = true
	}
	var errs []error
	seen := make(map[string]bool)
	for _, p := range found {
		flag := cmp.Or(packageFlags[p.Field], p.Field)
		line := flag + ": " + p.Reason
		if from := derived[flag]; from != "" && told[from] || seen[line] {
			continue
		}
		seen[line] = true
		errs = append(errs, errors.New(line))
	}
	return errors.Join(errs...)
}
