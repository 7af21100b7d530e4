package teamsapp

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is something that is wrong with a package, or that Teams would refuse.
type Problem struct {
	// Field is where in the manifest it is, such as "name.short", or the name of a file.
	Field  string
	Reason string
}

func (p Problem) Error() string { return p.Field + ": " + p.Reason }

var (
	guid     = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	hexColor = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	semver   = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)
	schema   = regexp.MustCompile(`^1\.([0-9]|[1-9][0-9])$`)
	host     = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\.)+[a-zA-Z]{2,}(:[0-9]{1,5})?$`)
	oneLine  = regexp.MustCompile(`^[^\r\n]+$`)
)

// checks collects what is wrong.
type checks struct{ found []Problem }

func (c *checks) wrong(field, format string, a ...any) {
	c.found = append(c.found, Problem{field, fmt.Sprintf(format, a...)})
}

// text checks a text that must be there and has a largest length, in characters.
func (c *checks) text(field, text string, most int) {
	switch n := utf8.RuneCountInString(text); {
	case strings.TrimSpace(text) == "":
		c.wrong(field, "is missing")
	case n > most:
		c.wrong(field, "has %d characters; at most %d are allowed", n, most)
	}
}

func (c *checks) guid(field, id string) {
	switch {
	case id == "":
		c.wrong(field, "is missing")
	case !guid.MatchString(id):
		c.wrong(field, "%q is no GUID, such as 5c1f3a60-7e42-4b0d-9a75-d2f1c8e6b394", id)
	case strings.Trim(id, "0-") == "":
		c.wrong(field, "is nobody's id")
	}
}

// https checks a URL that people are led to.
func (c *checks) https(field, text string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		c.wrong(field, "is missing")
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil:
		c.wrong(field, "%q is no https URL", text)
	case len(text) > longestURL:
		c.wrong(field, "is longer than %d bytes", longestURL)
	}
}

// What the schema allows at most ("App manifest schema").
const (
	longestURL     = 2048
	longestName    = 30
	mostDomains    = 16
	mostCommands   = 10
	mostPermission = 16
)

// Check says what is wrong with a manifest, by the schema of its version; nil for nothing. Members that a bot does not need are not
// looked at.
func (m Manifest) Check() []Problem {
	var c checks
	if !schema.MatchString(m.Manifest) && m.Manifest != "devPreview" {
		c.wrong("manifestVersion", "%q is no version of the schema, such as %s", m.Manifest, SchemaVersion)
	}
	if !semver.MatchString(m.Version) {
		c.wrong("version", "%q is no version, such as 1.0.0", m.Version)
	}
	c.guid("id", m.ID)
	c.text("developer.name", m.Developer.Name, 32)
	c.https("developer.websiteUrl", m.Developer.Website)
	c.https("developer.privacyUrl", m.Developer.Privacy)
	c.https("developer.termsOfUseUrl", m.Developer.Terms)
	c.text("name.short", m.Name.Short, longestName)
	c.text("name.full", m.Name.Full, 100)
	c.text("description.short", m.Description.Short, 80)
	c.text("description.full", m.Description.Full, 4000)
	if !hexColor.MatchString(m.AccentColor) {
		c.wrong("accentColor", "%q is no color, such as #4F6BED", m.AccentColor)
	}
	for field, name := range map[string]string{"icons.color": m.Icons.Color, "icons.outline": m.Icons.Outline} {
		if name == "" || strings.ContainsAny(name, `\:`) || strings.HasPrefix(name, "/") || strings.Contains(name, "..") {
			c.wrong(field, "%q is no path within the package", name)
		}
	}
	c.bots(m)
	c.domains(m)
	c.web(m)
	slices.SortStableFunc(c.found, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) })
	return c.found
}

var scopes = []string{Personal, Team, GroupChat, "groupchat", "copilot"}

func (c *checks) scopes(field string, given []string) {
	if len(given) == 0 {
		c.wrong(field, "is empty: give personal, team, groupChat or several of them")
	}
	for i, s := range given {
		switch {
		case !slices.Contains(scopes, s):
			c.wrong(field, "%q is none of personal, team, groupChat", s)
		case slices.Contains(given[:i], s):
			c.wrong(field, "has %s twice", s)
		}
	}
}

func (c *checks) bots(m Manifest) {
	if len(m.Bots) != 1 {
		c.wrong("bots", "has %d bots; an app of a bot has one", len(m.Bots))
		return
	}
	b := m.Bots[0]
	c.guid("bots.botId", b.ID)
	c.scopes("bots.scopes", b.Scopes)
	commands, longestTitle := mostCommands, 32
	if m.Manifest != SchemaVersion { // later versions allow more
		commands, longestTitle = 12, 128
	}
	if len(b.Commands) > 3 {
		c.wrong("bots.commandLists", "has %d lists; at most 3 are allowed", len(b.Commands))
	}
	for _, list := range b.Commands {
		c.scopes("bots.commandLists.scopes", list.Scopes)
		if len(list.Commands) > commands {
			c.wrong("bots.commandLists.commands", "has %d commands; at most %d are allowed", len(list.Commands), commands)
		}
		for _, one := range list.Commands {
			c.text("bots.commandLists.commands.title", one.Title, longestTitle)
			c.text("bots.commandLists.commands.description", one.Description, 128)
			if one.Title != "" && !oneLine.MatchString(one.Title) {
				c.wrong("bots.commandLists.commands.title", "%q is more than one line", one.Title)
			}
		}
	}
	if s := m.DefaultInstallScope; s != "" && !slices.Contains(append([]string{"meetings"}, b.Scopes...), s) {
		c.wrong("defaultInstallScope", "%q is none of the bot's scopes", s)
	}
}

func (c *checks) domains(m Manifest) {
	if len(m.ValidDomains) > mostDomains {
		c.wrong("validDomains", "has %d domains; at most %d are allowed", len(m.ValidDomains), mostDomains)
	}
	for _, d := range m.ValidDomains {
		if !host.MatchString(d) || len(d) > longestURL {
			c.wrong("validDomains", "%q is no domain, such as bot.example.com, without https:// and path", d)
		}
	}
}

func (c *checks) web(m Manifest) {
	if w := m.WebApplication; w != nil {
		c.guid("webApplicationInfo.id", w.ID)
		if len(m.Bots) == 1 && !strings.EqualFold(w.ID, m.Bots[0].ID) {
			c.wrong("webApplicationInfo.id", "is not the bot's id: Graph would not install the app for the bot")
		}
		if u, err := url.Parse(w.Resource); w.Resource != "" && (err != nil || u.Scheme != "api" && u.Scheme != "https" || u.Host == "") {
			c.wrong("webApplicationInfo.resource", "%q is no URI, such as api://bot.example.com/<app id>", w.Resource)
		}
	}
	if m.Authorization == nil {
		return
	}
	given := m.Authorization.Permissions.Resource
	if len(given) > mostPermission {
		c.wrong("authorization.permissions.resourceSpecific", "has %d permissions; at most %d are allowed", len(given), mostPermission)
	}
	for _, p := range given {
		c.text("authorization.permissions.resourceSpecific.name", p.Name, 128)
		if p.Type != "Application" && p.Type != "Delegated" {
			c.wrong("authorization.permissions.resourceSpecific.type", "%q is none of Application, Delegated", p.Type)
		}
	}
	if len(given) > 0 && m.WebApplication == nil {
		c.wrong("webApplicationInfo", "is missing, and permissions need it")
	}
}
