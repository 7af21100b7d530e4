package config

// Playground configures "headsup playground".
type Playground struct {
	Bot       string `required:"" env:"HEADSUP_BOT" placeholder:"URL" help:"Messaging endpoint of the bot, such as http://localhost:3979/api/messages. The bot runs without credentials, or see --app-id."`
	AppID     string `name:"app-id" env:"HEADSUP_BOT_APP_ID" placeholder:"GUID" help:"The bot's app id, if it has credentials: then it has to show its token, and is shown one; its SDK is pointed at /v3/.well-known/openidconfiguration here."`
	Tenant    string `env:"HEADSUP_BOT_TENANT" placeholder:"GUID" help:"Tenant that the bot belongs to. Not given for a bot that was registered for all tenants."`
	Listen    string `default:"127.0.0.1:3978" env:"HEADSUP_LISTEN" placeholder:"HOST:PORT" help:"Address to listen on, on loopback; port 0 picks a free one (${default})."`
	Data      string `env:"HEADSUP_PLAYGROUND_DATA" placeholder:"DIR" help:"Directory that conversations are kept in. Without it they are forgotten when the program ends."`
	WebDir    string `name:"web-dir" env:"HEADSUP_WEB_DIR" placeholder:"DIR" help:"Serve the pages from a folder instead of those built in."`
	LogLevel  string `name:"log-level" default:"info" enum:"debug,info,warn,error" env:"HEADSUP_LOG_LEVEL" help:"What to log, to standard error: ${enum} (${default})."`
	LogFormat string `name:"log-format" default:"text" enum:"text,json" env:"HEADSUP_LOG_FORMAT" help:"How to log: ${enum} (${default})."`
}
