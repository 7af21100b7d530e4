package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/config"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/server"
)

type configuration struct {
	Check checkConfig `cmd:"" help:"Say whether the server would take the configuration, without starting it."`
	Print printConfig `cmd:"" help:"Show every setting in effect, and where it came from."`
}

type checkConfig struct {
	config.Flags
	JSON bool `name:"json" help:"Print the problems as JSON."`
}

// Help shows examples.
func (checkConfig) Help() string {
	return `Examples:

    headsup config check --config headsup.yaml
    HEADSUP_LISTEN=127.0.0.1:4000 headsup config check --json

The exit code is 0 when all is well, 2 when not.`
}

// problem is a [config.Problem] for programs.
type problem struct {
	Path    string        `json:"path,omitzero"`
	Origin  config.Origin `json:"origin"`
	Message string        `json:"message"`
}

// Run prints what is wrong, or that nothing is.
func (c checkConfig) Run(s streams, l *config.Loader) error {
	_, err := loadServer(l)
	if !c.JSON {
		if err == nil {
			_, err = fmt.Fprintln(s.out, "the configuration is fine")
		}
		return err
	}
	answer := struct {
		OK       bool      `json:"ok"`
		Problems []problem `json:"problems"`
	}{OK: err == nil, Problems: []problem{}}
	if problems, ok := config.ProblemsOf(err); ok {
		for _, p := range problems {
			answer.Problems = append(answer.Problems, problem(p))
		}
	}
	if printing := printJSON(s.out, answer); printing != nil {
		return printing
	}
	return err
}

type printConfig struct {
	config.Flags
	JSON bool `name:"json" help:"Print the settings as JSON."`
}

// Help shows examples.
func (printConfig) Help() string {
	return `Examples:

    headsup config print --config headsup.yaml
    headsup config print --json

Secrets are not shown. Problems are told on standard error; the exit code is then 2.`
}

// Run prints the settings, and what is wrong with them.
func (c printConfig) Run(s streams, l *config.Loader) error {
	loaded, err := loadServer(l)
	if printing := c.print(s, loaded.Values()); printing != nil {
		return printing
	}
	return err
}

func (c printConfig) print(s streams, values []config.Value) error {
	if c.JSON {
		return printJSON(s.out, values)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SETTING\tVALUE\tFROM") // Flush returns the first error
	for _, v := range values {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", v.Path, dash(printable(v.Value)), printable(v.Origin.String()))
	}
	return w.Flush()
}

// loadServer reads the configuration and has the server look at it too. Its error is everything that is wrong.
func loadServer(l *config.Loader) (config.Loaded, error) {
	loaded, err := l.Load()
	problems, _ := config.ProblemsOf(err)
	found := loaded.Explain(serverConfig(loaded).Validate())
	more, _ := config.ProblemsOf(found)
	for _, p := range more {
		if !problems.About(p.Path) && !problems.About(p.Path+"_file") { // a value that could not be read is not judged again
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return loaded, problems
	}
	return loaded, found
}

// serverConfig is the part of the configuration that the server understands.
func serverConfig(c config.Loaded) server.Config {
	return server.Config{
		Listen: c.Listen, DataDir: c.Data, PublicURL: c.PublicURL, InsecureHTTP: c.InsecureHTTP, DirectLineOnly: c.DirectLineOnly, RequireKey: c.RequireKey, WebDir: c.WebDir, WebhookPrivate: c.WebhookPrivate, WebhookRetention: c.WebhookRetention,
		MinInterval: c.Schedule.MinInterval, MaxSchedules: int(c.Schedule.Max),
		DiskReserve: diskReserve(c), Topics: topicsOf(c.Topics), TopicFallbacks: fallbacksOf(c.Topics), Preferences: preferencesOf(c.Preferences),
		Retention: proactive.Retention{Content: c.Retention.Content, Records: c.Retention.Records}, TrustedProxies: c.TrustedProxies, Pace: c.Pace,
		Database: c.Database, DatabasePassword: c.DatabasePassword.Reveal(),
		DirectLineSecret: c.DirectLineSecret.Reveal(), DirectLineSecondSecret: c.DirectLineSecondSecret.Reveal(), DirectLineOrigins: c.DirectLineOrigins, DrainTimeout: max(c.DrainTimeout, 1), DrainDelay: c.DrainDelay,
		TLS: server.TLS{
			CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, HTTPListen: c.TLS.HTTPListen,
			ACME: c.TLS.ACME, ACMEEmail: c.TLS.ACMEEmail, ACMEDirectory: c.TLS.ACMEDirectory, ACMERoots: c.TLS.ACMERoots,
		},
		Admin: server.Admin{
			Listen: c.Admin.Listen, Optional: c.Origin("admin.listen").Source == config.SourceDefault,
			AllowRemote: c.Admin.AllowRemote, Pprof: c.Admin.Pprof,
		},
		Teams: server.Teams{
			FirstContact: c.Teams.FirstContact, AppID: c.Teams.AppID, CatalogID: c.Teams.CatalogID, Tenant: c.Teams.Tenant, Cloud: c.Teams.Cloud,
			ServiceURL: c.Teams.ServiceURL, GraphURL: c.Teams.GraphURL, Wait: c.Teams.Wait,
		},
		Email: emailOf(c),
		SMS: server.SMS{
			AccountSID: c.SMS.AccountSID, AuthToken: c.SMS.AuthToken.Reveal(), APIKey: c.SMS.APIKey, APIKeySecret: c.SMS.APIKeySecret.Reveal(),
			From: c.SMS.From, MessagingService: c.SMS.MessagingService, URL: c.SMS.URL,
		},
		Azure: server.Azure{
			AppID: c.Azure.AppID, Tenant: c.Azure.Tenant, Cloud: c.Azure.Cloud, Secret: c.Azure.Secret.Reveal(), SecretEnds: c.Azure.SecretEnds,
			CertificateFile: c.Azure.CertificateFile, CertificateChain: c.Azure.CertificateChain, TokenFile: c.Azure.TokenFile,
			ManagedIdentity: c.Azure.ManagedIdentity, Tenants: c.Azure.Tenants, Callers: c.Azure.Callers, Emulator: c.Azure.Emulator,
			ServiceHosts: c.Azure.ServiceHosts, LoginURL: c.Azure.LoginURL, MetadataURL: c.Azure.MetadataURL,
			EntraMetadataURL: c.Azure.EntraMetadataURL, RootsFile: c.Azure.RootsFile,
		},
		BotURL: c.Bot.URL, BotAuth: botAuth(c.Bot),
		Audit:   server.Audit{Key: c.Audit.Key.Reveal(), Retention: c.Audit.Retention},
		Trace:   server.Trace{Endpoint: c.Trace.Endpoint, Sample: c.Trace.Sample},
		Version: buildVersion(),
	}
}

// emailOf is the mail server. Without one, its defaults say nothing.
func emailOf(c config.Loaded) server.Email {
	e := server.Email{
		Server: c.Email.Server, Security: c.Email.Security, Username: c.Email.Username, Password: c.Email.Password.Reveal(), From: c.Email.From,
		OAuth: c.Email.OAuth, OAuthTenant: c.Email.OAuthTenant, ReplyTo: c.Email.ReplyTo, RootsFile: c.Email.RootsFile, AnswersSecret: c.Email.AnswersSecret.Reveal(),
	}
	if c.Origin("email.security").Source == config.SourceDefault {
		e.Security = ""
	}
	return e
}

// botAuth is how a bot in another process proves who it is. Without one, its defaults say nothing.
func botAuth(c config.Bot) server.BotAuth {
	a := server.BotAuth{AppID: c.AppID, Tenant: c.Tenant, Callers: c.Callers, Token: c.Token, EntraMetadataURL: c.EntraMetadataURL, RootsFile: c.RootsFile}
	if c.URL == "" && c.Token == "channel" {
		a.Token = ""
	}
	return a
}

// topicsOf is what topics say, for the engine.
func topicsOf(all map[string]config.Topic) map[string]proactive.Topic {
	topics := make(map[string]proactive.Topic, len(all))
	for name, t := range all {
		topics[name] = proactive.Topic{Urgent: t.Urgent, Off: t.Default == "off", Mandatory: t.Mandatory, Title: t.Title, Description: t.Description, Policy: headsup.Policy{
			Name: headsup.PolicyName(t.Policy), MaxWait: t.MaxWait, Then: headsup.PolicyName(t.Then), With: t.With, Quiet: t.Quiet,
			Priority: t.Priority, Release: headsup.Release(t.Release),
		}}
	}
	return topics
}

// fallbacksOf are the other ways of topics, for the server to read.
func fallbacksOf(all map[string]config.Topic) map[string]string {
	found := make(map[string]string)
	for name, t := range all {
		if t.Fallback != "" {
			found[name] = t.Fallback
		}
	}
	return found
}

// preferencesOf are the operator's preferences as the server reads them.
func preferencesOf(c config.Preferences) server.Preferences {
	return server.Preferences{
		Quiet: c.Quiet, TimeZone: c.TimeZone, CapPerDay: c.CapPerDay, CapPerTopic: c.CapPerTopic, CapDrops: c.CapThen == "drop", Digest: c.Digest,
		MandatoryWaits: c.MandatoryWaits, NoWords: c.Words == "off",
	}
}

// diskReserve is in bytes. The default is for the file; beside a database only a reserve that somebody has asked for is left, and
// the server refuses it.
func diskReserve(c config.Loaded) int64 {
	if c.Database != "" && c.Origin("disk_reserve").Source == config.SourceDefault {
		return 0
	}
	return c.DiskReserve << 20
}
