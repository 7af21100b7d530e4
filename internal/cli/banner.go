package cli

import (
	"strings"

	"github.com/headsup-bot/headsup/server"
)

// banner says where things are, and who may use them. Its first line is for programs too.
func banner(s *server.Server) string {
	var b strings.Builder
	say := func(lines ...string) {
		for _, line := range lines {
			b.WriteString(line + "\n")
		}
	}
	url := s.URL()
	say("headsup: listening on " + url)
	if s.Exposed() {
		exposed(say, s)
		return b.String()
	}
	if s.KeysRequired() {
		say("headsup: DEVELOPMENT MODE: everybody on this machine may use it, with API keys for the API; nobody else can", "")
	} else {
		say("headsup: DEVELOPMENT MODE: no credentials; everybody on this machine may use it, nobody else can", "")
	}
	if s.Pages() {
		say("  Chat with the bot   " + url + "/playground")
	} else {
		say("  The pages have not been built; \"make run\" builds them.")
	}
	say("  Messaging endpoint  "+url+"/api/messages", "  API reference       "+url+"/docs")
	monitoring(say, s)
	if s.KeysRequired() {
		say("", "Once somebody has opened a chat, make the bot speak to everybody it knows:", "",
			"  headsup send --everyone \"Heads up!\"", "")
		firstKey(say)
		return b.String()
	}
	say("", "Once somebody has opened a chat, make the bot speak to everybody it knows:", "",
		"  curl -X POST "+url+"/v1/notifications -H 'Content-Type: application/json' \\",
		"    -d '{\"to\": {\"everyone\": true}, \"text\": \"Heads up!\"}'", "")
	return b.String()
}

// exposed is what the banner says where others can reach the server: what is on for whom, and what is off.
func exposed(say func(...string), s *server.Server) {
	url := s.URL()
	line := "on    embedded Direct Line  " + url + "/v3/directline, with its secret or tokens"
	doors := s.Doors()
	if !doors.DirectLine {
		line = "off   embedded Direct Line  " + url + "/v3/directline lets nobody in: directline_secret_file is not set"
	}
	messages := "off   messaging endpoint    " + url + "/api/messages lets nobody in: there are no channel credentials"
	if doors.Messages {
		messages = "on    messaging endpoint    " + url + "/api/messages, with a channel's token"
	}
	bots := "off   bots' side            " + url + "/v3/conversations lets nobody in"
	if doors.Bots {
		bots = "on    bots' side            " + url + "/v3/conversations, with the bot's token"
	}
	say("headsup: others can reach this server: API keys are required, and what is for development is off", "",
		"  on    API                   "+url+"/v1/, with an API key",
		"  on    API reference         "+url+"/docs",
		"  on    notify endpoint       POST "+url+"/api/notify, with an API key (scope broadcast)",
		"  "+line, "  "+messages, "  "+bots)
	if doors.Mails {
		say("  on    answers by e-mail     " + url + "/v1/channels/email/inbound, with email.answers_secret")
	}
	if doors.Texts {
		say("  on    answers by SMS        " + url + "/v1/channels/sms/inbound, with Twilio's signature")
	}
	say("  off   playground, GET /api/notify")
	monitoring(say, s)
	say("")
	firstKey(say)
}

func monitoring(say func(...string), s *server.Server) {
	if admin := s.AdminURL(); admin != "" {
		say("  Readiness, metrics  " + admin + "/readyz, " + admin + "/metrics")
	}
}

func firstKey(say func(...string)) {
	say("Commands on this machine by the same user need no key. Make one for others:", "",
		"  headsup key create NAME --scope send", "")
}
