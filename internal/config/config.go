// Package config is the operator's configuration: one struct, [Serve], that is flags, environment and file. A flag goes
// before the environment, that before the file, and that before the default.
//
// A setting's path, such as tls.cert_file, gives its flag (--tls-cert-file), its variable (HEADSUP_TLS_CERT_FILE) and its
// place in the file. A [Loader] hooks into the command line, and [Loader.Load] returns the values, where each came from,
// and all [Problems] at once. The sample file and the reference in docs/ are written from the same struct.
package config

import "time"

//go:generate go test . -run TestDocsAreUpToDate -update

// Serve configures "headsup serve". Its fields' tags are kong's: name, default, enum, placeholder, help. A [Secret] has no
// flag, which every user of the machine could read; it comes from the environment, the file, or a file of its own, which
// the setting with _file after its name tells.
type Serve struct {
	Listen         string        `default:"127.0.0.1:3978" placeholder:"HOST:PORT" help:"Address to listen on; port 0 picks a free one. On others than loopback the server asks for API keys, needs public_url, and azure.app_id with a credential or directline_only, and has no playground."`
	Data           string        `default:"./headsup-data" placeholder:"DIR" help:"Directory that everything is kept in; created if missing. With a database, only what is this server's own: the secret for commands on this machine, and certificates."`
	Database       string        `placeholder:"URL" help:"PostgreSQL database to keep everything in, as postgres://user@host/name, in place of a file in the data directory. Any number of servers may share it. Several hosts may be named (host1,host2): the one that takes writes is used. A password goes into database_password."`
	PublicURL      string        `name:"public-url" placeholder:"URL" help:"Address by which others reach the server, scheme and host only. The listening address, if not given."`
	InsecureHTTP   bool          `name:"insecure-http" help:"Allow a public URL with http in a private network, where keys and messages can be read on their way. It is refused with a public address."`
	DirectLineOnly bool          `name:"directline-only" help:"Let others reach the server without a registration in Azure: people reach the bot over the embedded Direct Line channel, by e-mail and by SMS only, and /api/messages lets nobody in. Without email and sms it needs directline_secret_file there; on loopback the playground needs none. Without azure.app_id and without this the server does not start where others can reach it."`
	RequireKey     bool          `name:"require-key" help:"Ask for API keys on loopback too. Anywhere else they are always asked for."`
	TrustedProxies []string      `name:"trusted-proxies" placeholder:"CIDR" help:"Addresses or networks of reverse proxies whose X-Forwarded-For, -Proto and -Host, or Forwarded, are believed. Nobody else's are. A network that is everybody, such as 0.0.0.0/0, is refused."`
	DrainTimeout   time.Duration `name:"drain-timeout" default:"10s" placeholder:"DURATION" help:"How long requests and deliveries that run may go on when the server is asked to stop."`
	DrainDelay     time.Duration `name:"drain-delay" default:"0s" placeholder:"DURATION" help:"How long the server goes on taking requests after /readyz says that it stops, so that a load balancer sees it in time."`

	DatabasePassword     Secret `name:"database-password" kong:"-" help:"Password for the database."`
	DatabasePasswordFile string `name:"database-password-file" placeholder:"FILE" help:"File that holds the password for the database; only its owner may have access to it."`

	DirectLineSecret     Secret `name:"directline-secret" kong:"-" help:"Secret by which other servers ask the embedded Direct Line channel for tokens, of at least 32 random bytes."`
	DirectLineSecretFile string `name:"directline-secret-file" placeholder:"FILE" help:"File that holds the Direct Line secret; only its owner may have access to it."`

	DirectLineSecondSecret     Secret `name:"directline-second-secret" kong:"-" help:"Another secret that is as good as directline_secret, so that servers can change from one to the other without a token refused: set the new one here, have them use it, then make it directline_secret and take the old one away."`
	DirectLineSecondSecretFile string `name:"directline-second-secret-file" placeholder:"FILE" help:"File that holds the second Direct Line secret; only its owner may have access to it."`

	DirectLineOrigins []string `name:"directline-origins" placeholder:"ORIGIN" help:"Web origins, such as https://www.example.com, whose pages may be clients of the embedded Direct Line channel. They are compared exactly, without wildcards. None but the server's own, if not given."`

	WebhookPrivate   bool          `name:"webhook-private" help:"Let webhooks be on this machine and in private networks, with http too. In development mode they may."`
	WebhookRetention time.Duration `name:"webhook-retention" default:"72h" placeholder:"DURATION" help:"How long events are kept for webhooks that do not take them."`

	Pace []string `default:"published" placeholder:"WORDS" help:"Limits that channels are kept within: published for those that the channels tell, off for none, and after that changes such as slack=off, msteams.per_tenant=30/1s, msteams.per_conversation=7/1s+60/30s or msteams.reserve=5. docs/limits.md tells more."`

	DiskReserve int64 `name:"disk-reserve" default:"32" placeholder:"MIB" help:"Space on the disk, in MiB, that a file in the data directory keeps for the outcomes of what was accepted. While less than that is free beside it, notifications are refused and those that were accepted delivered. 0 keeps none. It cannot be set together with database: watch the disk of the database where it is."`

	WebDir    string `name:"web-dir" placeholder:"DIR" help:"Serve the pages from a folder instead of those built in."`
	Demo      string `default:"none" bare:"jobs" enum:"none,jobs,travel,survey" placeholder:"BOT" help:"Host a bot to try things with. Without a name it is the job bot."`
	LogLevel  string `name:"log-level" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"What to log, to standard error."`
	LogFormat string `name:"log-format" default:"text" enum:"text,json" placeholder:"FORMAT" help:"How to log."`

	Retention Retention `embed:"" prefix:"retention-" name:"retention"`
	Schedule  Schedule  `embed:"" prefix:"schedule-" name:"schedule"`
	Audit     Audit     `embed:"" prefix:"audit-" name:"audit"`

	Azure Azure `embed:"" prefix:"azure-" name:"azure"`
	Teams Teams `embed:"" prefix:"teams-" name:"teams"`
	Bot   Bot   `embed:"" prefix:"bot-" name:"bot"`
	Email Email `embed:"" prefix:"email-" name:"email"`
	SMS   SMS   `embed:"" prefix:"sms-" name:"sms"`
	TLS   TLS   `embed:"" prefix:"tls-" name:"tls"`
	Admin Admin `embed:"" prefix:"admin-" name:"admin"`
	Trace Trace `embed:"" prefix:"trace-" name:"trace"`

	Preferences Preferences `embed:"" prefix:"preferences-" name:"preferences"`

	// Topics are by their names.
	Topics map[string]Topic `kong:"-"`
}

// Teams says how people of Microsoft Teams are reached who have never written to the bot.
type Teams struct {
	FirstContact []string      `name:"first-contact" placeholder:"RUNG" help:"What is done for somebody whom the bot has not met: find asks Microsoft Graph who has that address, create asks Teams for the conversation, install has Microsoft Graph install the app for them; reinstall does that also for those who have taken it away. None leaves them alone. docs/teams.md tells what each needs."`
	AppID        string        `name:"app-id" placeholder:"GUID" help:"Id in the manifest of the bot's app in Teams. That of azure, if not given."`
	CatalogID    string        `name:"catalog-id" placeholder:"ID" help:"What the tenant's catalog calls the app. It is looked up, if not given."`
	Tenant       string        `placeholder:"GUID" help:"Tenant in which people are looked for. The one that the bot belongs to, if not given; whoever has a key of a tenant has them looked for there."`
	Cloud        string        `placeholder:"CLOUD" help:"Cloud of Microsoft 365: public, gcc, gcc-high or dod. If not given, that which goes with the cloud of azure."`
	ServiceURL   string        `name:"service-url" placeholder:"URL" help:"Where Teams is called for a tenant that was never heard from. That of the cloud, if not given."`
	GraphURL     string        `name:"graph-url" placeholder:"URL" help:"Where Microsoft Graph is. That of the cloud, if not given."`
	Wait         time.Duration `default:"3s" placeholder:"DURATION" help:"How long the bot waits to be told that its app was installed for somebody, before it asks."`
}

// Email is the mail server over which people are written to, whether or not they have ever written to the bot.
type Email struct {
	Server            string `placeholder:"HOST:PORT" help:"Mail server that takes what the bot sends by e-mail (SMTP). With it, the channel email is the server's own, and to.address takes mailto: addresses. The port is 587, or 465 with tls, if not given."`
	Security          string `default:"starttls" enum:"starttls,tls,none" placeholder:"KIND" help:"How the connection to the mail server is kept to itself: starttls, tls from the first byte, or none for a server on this machine."`
	Username          string `placeholder:"NAME" help:"User name that is shown to the mail server. None, if not given."`
	Password          Secret `kong:"-" help:"Password that goes with the user name. It is never shown without TLS, but on this machine."`
	PasswordFile      string `name:"password-file" placeholder:"FILE" help:"File that holds the password for the mail server; only its owner may have access to it."`
	OAuth             bool   `name:"oauth" help:"Show the mail server an access token of azure.app_id in place of a password (XOAUTH2), as Exchange Online wants. The user name is then the mailbox."`
	OAuthTenant       string `name:"oauth-tenant" placeholder:"ID" help:"Tenant that the mailbox is in. azure.tenant, if not given."`
	From              string `placeholder:"ADDRESS" help:"Who mails are from, with or without a name, such as Headsup <bot@example.com>. Bounces go there."`
	ReplyTo           string `name:"reply-to" placeholder:"ADDRESS" help:"Where answers go. To from, if not given."`
	RootsFile         string `name:"roots-file" placeholder:"FILE" help:"Certificates, as PEM, that vouch for the mail server, such as a company's own."`
	AnswersSecret     Secret `name:"answers-secret" kong:"-" help:"Secret that signs the mails which a mail server or provider posts to /v1/channels/email/inbound: whsec_ and the base64 of 24 to 64 random bytes (Standard Webhooks). Without it none are taken."`
	AnswersSecretFile string `name:"answers-secret-file" placeholder:"FILE" help:"File that holds the secret of mails that come in; only its owner may have access to it."`
}

// SMS is the account at Twilio over which people are written to by text message, whether or not they have ever written.
type SMS struct {
	AccountSID       string `name:"account-sid" placeholder:"SID" help:"Account at Twilio that sends text messages, AC and 32 hexadecimal digits. With it, the channel sms is the server's own, and to.address takes sms: numbers."`
	AuthToken        Secret `name:"auth-token" kong:"-" help:"Auth token of the account. Twilio signs with it what people write, so that without it nothing of that is heard; it is also shown to Twilio if there is no API key."`
	AuthTokenFile    string `name:"auth-token-file" placeholder:"FILE" help:"File that holds the auth token; only its owner may have access to it."`
	APIKey           string `name:"api-key" placeholder:"SID" help:"API key that is shown to Twilio in place of the auth token, SK and 32 hexadecimal digits."`
	APIKeySecret     Secret `name:"api-key-secret" kong:"-" help:"Secret of the API key."`
	APIKeySecretFile string `name:"api-key-secret-file" placeholder:"FILE" help:"File that holds the secret of the API key; only its owner may have access to it."`
	From             string `placeholder:"NUMBER" help:"Number that messages are from, such as +15551234567; or a short code, or a name of letters and digits, which nobody can answer."`
	MessagingService string `name:"messaging-service" placeholder:"SID" help:"Messaging service that chooses the number, MG and 32 hexadecimal digits, in place of from."`
	URL              string `name:"url" placeholder:"URL" help:"Where the API is. Twilio's own, if not given."`
}

// Preferences are what goes for people who have not said otherwise.
type Preferences struct {
	Quiet          []string `placeholder:"SPAN" help:"Quiet hours on each person's clock, in which nothing is said that can wait: spans such as 22:00-07:00, with days on which they begin after a space, such as 00:00-24:00 sat sun."`
	TimeZone       string   `name:"time-zone" placeholder:"ZONE" help:"Zone of people of whom none is known, an IANA name such as Europe/Berlin. UTC, if not given."`
	CapPerDay      int      `name:"cap-per-day" default:"0" placeholder:"N" help:"How many notifications somebody gets in a day on their clock. 0 is as many as there are."`
	CapPerTopic    int      `name:"cap-per-topic" default:"0" placeholder:"N" help:"How many of each topic. 0 is as many as there are."`
	CapThen        string   `name:"cap-then" default:"hold" enum:"hold,drop" placeholder:"WORD" help:"What becomes of those above a cap: hold keeps them until the next day, drop has them suppressed."`
	Digest         string   `default:"off" placeholder:"WHEN" help:"Have notifications said together: hourly, daily, or daily@09:00; off says each by itself."`
	MandatoryWaits bool     `name:"mandatory-waits" help:"Have mandatory topics wait for quiet hours and caps as all others do."`
	Words          string   `default:"on" enum:"on,off" placeholder:"WORD" help:"Let people say in a chat with the bot what they want: stop, start, mute and unmute with a topic, settings."`
}

// Retention says how long what is over is kept.
type Retention struct {
	Content time.Duration `default:"720h" placeholder:"DURATION" help:"How long what notifications say is kept after they were accepted, and what was said on the embedded channel with its files; what is under way keeps it. 0s keeps it for ever."`
	Records time.Duration `default:"2160h" placeholder:"DURATION" help:"How long notifications are kept after their end, with the history of their deliveries and their idempotency keys, and on the embedded channel that something was said; at least 24h. 0s keeps them for ever."`
}

// Audit says how the log of who did what is kept.
type Audit struct {
	Key       Secret        `kong:"-" help:"Key that seals the entries of the audit log, of at least 32 random bytes, so that whoever can write the database cannot make them up. All servers over a database have the same one."`
	KeyFile   string        `name:"key-file" placeholder:"FILE" help:"File that holds the key of the audit log; only its owner may have access to it."`
	Retention time.Duration `default:"9600h" placeholder:"DURATION" help:"How long entries of the audit log are kept, at least 24h. 0s keeps them for ever."`
}

// Schedule bounds what schedules may ask for.
type Schedule struct {
	MinInterval time.Duration `name:"min-interval" default:"10s" placeholder:"DURATION" help:"How near two occurrences of a schedule may be to each other; at least 1s."`
	Max         int64         `default:"1000000" placeholder:"N" help:"How many schedules there may be."`
}

// Azure is the bot's registration in Azure. Without an app id it is registered nowhere.
type Azure struct {
	AppID            string   `name:"app-id" placeholder:"GUID" help:"The bot's app id in Azure (\"Microsoft App ID\"). With it, channels have to prove who they are, and calls to them carry tokens."`
	Tenant           string   `placeholder:"GUID" help:"Tenant that the bot belongs to, by its id or one of its domains. Not given for a bot that was registered for all tenants."`
	Cloud            string   `default:"public" enum:"public,usgov,china" placeholder:"CLOUD" help:"Cloud in which the bot is registered."`
	Secret           Secret   `kong:"-" help:"Client secret of the app registration: its value, not its id."`
	SecretFile       string   `name:"secret-file" placeholder:"FILE" help:"File that holds the client secret; only its owner may have access to it."`
	SecretEnds       string   `name:"secret-ends" placeholder:"DATE" help:"Day on which the client secret expires, such as 2027-05-31, as Azure shows it. Only \"headsup doctor\" looks at it: it warns 30 days before."`
	CertificateFile  string   `name:"certificate-file" placeholder:"FILE" help:"Certificate of the app registration with its private key, as PEM, in place of a secret; only its owner may have access to it."`
	CertificateChain bool     `name:"certificate-chain" help:"Send the certificate's whole chain, for a registration that trusts its subject and issuer."`
	TokenFile        string   `name:"token-file" placeholder:"FILE" help:"File with a token that the app registration trusts (workload identity federation), in place of a secret; only its owner may have access to it. Read again for each token."`
	ManagedIdentity  bool     `name:"managed-identity" help:"The bot is a user-assigned managed identity, and this is a machine in Azure that has it."`
	Tenants          []string `placeholder:"GUID" help:"Tenants whose people are heard. All, if not given."`
	Callers          []string `placeholder:"GUID" help:"App ids of agents that may call with tokens of Microsoft Entra, from the tenant that the bot belongs to. None, if not given; * alone is any of them."`
	Emulator         bool     `help:"Let in the Bot Framework Emulator, which has the bot's own secret."`
	ServiceHosts     []string `name:"service-hosts" placeholder:"HOST" help:"Hosts, with their port if it is not 443, to which tokens are sent beside Microsoft's own."`
	LoginURL         string   `name:"login-url" placeholder:"URL" help:"Where tokens are fetched, for a cloud of one's own. That of the cloud, if not given."`
	MetadataURL      string   `name:"metadata-url" placeholder:"URL" help:"OpenID metadata of the channels' tokens, for a cloud of one's own. That of the cloud, if not given."`
	EntraMetadataURL string   `name:"entra-metadata-url" placeholder:"URL" help:"OpenID metadata of Entra's tokens, for a cloud of one's own. That of the cloud, if not given."`
	RootsFile        string   `name:"roots-file" placeholder:"FILE" help:"Certificates, as PEM, that vouch for these addresses and service hosts, such as a company's own."`
}

// Bot is a bot in another process, in place of the server's own, for which it is the embedded channel.
type Bot struct {
	URL              string   `name:"url" placeholder:"URL" help:"Messaging endpoint of a bot in another process, such as https://bot.example.com/api/messages, which then is who people talk to on the embedded Direct Line channel."`
	AppID            string   `name:"app-id" placeholder:"GUID" help:"That bot's app id. With it the bot has to show its token on /v3/conversations, and is shown one. It is only left out on loopback."`
	Tenant           string   `placeholder:"GUID" help:"Tenant that the bot belongs to. Not given for a bot that was registered for all tenants."`
	Callers          []string `placeholder:"GUID" help:"App ids that may speak as the bot beside its own."`
	Token            string   `default:"channel" enum:"channel,entra" placeholder:"KIND" help:"What the bot is shown: channel for a token as channels have it, whose key the server publishes at /v3/.well-known/openidconfiguration for the bot's SDK to be pointed at; entra for one that Microsoft Entra gives the app of azure for the bot."`
	EntraMetadataURL string   `name:"entra-metadata-url" placeholder:"URL" help:"OpenID metadata of Entra's tokens, for a cloud of one's own. That of azure, if not given."`
	RootsFile        string   `name:"roots-file" placeholder:"FILE" help:"Certificates, as PEM, that vouch for the bot's endpoint, such as a company's own."`
}

// TLS says how the server proves who it is. Without any of it, it speaks plain HTTP.
type TLS struct {
	CertFile      string `name:"cert-file" placeholder:"FILE" help:"Certificate chain, as PEM. Read again when it changes."`
	KeyFile       string `name:"key-file" placeholder:"FILE" help:"The certificate's private key, as PEM; only its owner may have access to it."`
	ACME          bool   `name:"acme" help:"Get certificates for the public URL's host from a certificate authority by ACME, such as Let's Encrypt, and accept its terms of service. They are kept in the data directory."`
	ACMEEmail     string `name:"acme-email" placeholder:"ADDRESS" help:"Where the authority may write to about the certificates."`
	ACMEDirectory string `name:"acme-directory" default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" help:"The authority."`
	ACMERoots     string `name:"acme-roots" placeholder:"FILE" help:"Certificates, as PEM, that vouch for an authority which the system does not know, such as a company's own."`
	HTTPListen    string `name:"http-listen" placeholder:"HOST:PORT" help:"Second address, usually :80, that answers the authority's questions and sends everybody else to the public URL. Not needed for certificates if port 443 is reached."`
}

// Admin is the listener for operators and their monitoring.
type Admin struct {
	Listen      string `default:"127.0.0.1:9978" placeholder:"HOST:PORT" help:"Address of /healthz, /readyz and /metrics; off for none. When it is left at its default and taken, the server does without."`
	AllowRemote bool   `name:"allow-remote" help:"Allow an address of the admin listener that others can reach: whoever does may read the metrics without a password."`
	Pprof       bool   `help:"Serve Go's profiles at /debug/pprof/ on the admin listener. They may show what is in memory."`
}

// Trace says where traces go.
type Trace struct {
	Endpoint string  `placeholder:"URL" help:"Send traces to an OpenTelemetry collector by OTLP over HTTP, such as http://localhost:4318/v1/traces."`
	Sample   float64 `default:"1" placeholder:"0…1" help:"The share of traces that are sent, of those that nobody else has decided on."`
}
