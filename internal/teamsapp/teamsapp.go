// Package teamsapp makes the package by which people get a bot in Microsoft Teams, and checks such packages: a zip with a
// [Manifest] and two icons.
package teamsapp

import (
	"slices"
)

// SchemaVersion is the version of the manifest's schema that is written. Teams takes every version from 1.0 on; this one has all
// that a bot needs, and is known in every cloud.
const SchemaVersion = "1.19"

const schemaURL = "https://developer.microsoft.com/json-schemas/teams/v" + SchemaVersion + "/MicrosoftTeams.schema.json"

// The scopes in which a bot can be installed.
const (
	Personal  = "personal"
	Team      = "team"
	GroupChat = "groupChat"
)

// Manifest is what an app says of itself, as far as a bot needs it.
type Manifest struct {
	Schema   string `json:"$schema,omitempty"`
	Manifest string `json:"manifestVersion"`
	Version  string `json:"version"`
	ID       string `json:"id"`

	Developer   Developer `json:"developer"`
	Name        Text      `json:"name"`
	Description Text      `json:"description"`
	Icons       Icons     `json:"icons"`
	AccentColor string    `json:"accentColor"`

	Bots                []Bot          `json:"bots,omitempty"`
	DefaultInstallScope string         `json:"defaultInstallScope,omitempty"`
	Permissions         []string       `json:"permissions,omitempty"`
	ValidDomains        []string       `json:"validDomains,omitempty"`
	WebApplication      *Web           `json:"webApplicationInfo,omitempty"`
	Authorization       *Authorization `json:"authorization,omitempty"`
}

// Developer is who offers the app.
type Developer struct {
	Name    string `json:"name"`
	Website string `json:"websiteUrl"`
	Privacy string `json:"privacyUrl"`
	Terms   string `json:"termsOfUseUrl"`
}

// Text is a text in two lengths.
type Text struct {
	Short string `json:"short"`
	Full  string `json:"full"`
}

// Icons are the names of the icons' files.
type Icons struct {
	Color   string `json:"color"`
	Outline string `json:"outline"`
}

// Bot is the app's bot.
type Bot struct {
	ID               string     `json:"botId"`
	Scopes           []string   `json:"scopes"`
	NotificationOnly bool       `json:"isNotificationOnly"`
	SupportsCalling  bool       `json:"supportsCalling"`
	SupportsVideo    bool       `json:"supportsVideo"`
	SupportsFiles    bool       `json:"supportsFiles"`
	Commands         []Commands `json:"commandLists,omitempty"`
}

// Commands are what Teams offers people to say to the bot.
type Commands struct {
	Scopes   []string  `json:"scopes"`
	Commands []Command `json:"commands"`
}

// Command is one of them.
type Command struct {
	Title       string `json:"title"`
	Description string `json:"description"`
}

// Web ties the app to its registration, without which Graph does not install it for anybody.
type Web struct {
	ID       string `json:"id"`
	Resource string `json:"resource,omitempty"`
}

// Authorization is what the app may do where it is installed.
type Authorization struct {
	Permissions Permissions `json:"permissions"`
}

// Permissions are permissions for one team, chat or meeting.
type Permissions struct {
	Resource []Permission `json:"resourceSpecific"`
}

// Permission is one of them.
type Permission struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// App is what a manifest is made of.
type App struct {
	// ID is the app's own id, and BotID the bot's app id in Entra.
	ID, BotID string
	// Version is the app's, such as "1.0.0".
	Version string

	Name, FullName, Description, FullDescription string

	Developer, Website, Privacy, Terms string

	Accent           string
	Scopes           []string
	Commands         []Command
	Domains          []string
	Resource         string
	Permissions      []string
	NotificationOnly bool
}

// Manifest is the manifest of an app.
func (a App) Manifest() Manifest {
	m := Manifest{
		Schema: schemaURL, Manifest: SchemaVersion, Version: a.Version, ID: a.ID,
		Developer:   Developer{a.Developer, a.Website, a.Privacy, a.Terms},
		Name:        Text{a.Name, a.FullName},
		Description: Text{a.Description, a.FullDescription},
		Icons:       Icons{Color: colorFile, Outline: outlineFile}, AccentColor: a.Accent,
		Bots:         []Bot{{ID: a.BotID, Scopes: a.Scopes, NotificationOnly: a.NotificationOnly}},
		ValidDomains: a.Domains,
	}
	if slices.Contains(a.Scopes, Personal) {
		m.DefaultInstallScope = Personal
	}
	if len(a.Commands) > 0 {
		m.Bots[0].Commands = []Commands{{Scopes: a.Scopes, Commands: a.Commands}}
	}
	if a.Resource != "" {
		m.WebApplication = &Web{a.BotID, a.Resource}
	}
	if len(a.Permissions) > 0 {
		m.Authorization = new(Authorization)
		for _, name := range a.Permissions {
			m.Authorization.Permissions.Resource = append(m.Authorization.Permissions.Resource, Permission{name, "Application"})
		}
	}
	return m
}

// The files of a package.
const (
	manifestFile = "manifest.json"
	colorFile    = "color.png"
	outlineFile  = "outline.png"
)
