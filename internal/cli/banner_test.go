package cli

import (
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/server"
)

// TestBannerSaysWhichDoorsAreOpen: where others can reach the server, it says of each way in whether anybody is let in.
func TestBannerSaysWhichDoorsAreOpen(t *testing.T) {
	t.Parallel()
	azure := server.Azure{AppID: "00001111-aaaa-2222-bbbb-3333cccc4444", Tenant: "aaaabbbb-0000-cccc-1111-dddd2222eeee", Secret: "not one"}
	for name, c := range map[string]struct {
		cfg  server.Config
		want []string
	}{
		"Direct Line only": {
			server.Config{DirectLineOnly: true, DirectLineSecret: strings.Repeat("s", 32)},
			[]string{"on    embedded Direct Line", "off   messaging endpoint", "off   bots' side"},
		},
		"Azure": {
			server.Config{Azure: azure},
			[]string{"off   embedded Direct Line", "on    messaging endpoint", "off   bots' side"},
		},
		"mails and texts": {
			server.Config{
				DirectLineOnly: true, Email: server.Email{Server: "mail.example.com", From: "bot@example.com", AnswersSecret: "whsec_" + strings.Repeat("c2Vj", 10)},
				SMS: server.SMS{AccountSID: "AC" + strings.Repeat("a", 32), AuthToken: strings.Repeat("b", 32), From: "+15551234567"},
			},
			[]string{"off   embedded Direct Line", "on    answers by e-mail", "on    answers by SMS"},
		},
		"a bot elsewhere": {
			server.Config{Azure: azure, BotURL: "https://bot.example.com/api/messages", BotAuth: server.BotAuth{AppID: azure.AppID}},
			[]string{"off   embedded Direct Line", "on    messaging endpoint", "on    bots' side"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.cfg.Listen, c.cfg.PublicURL, c.cfg.DataDir = "127.0.0.1:0", "https://bot.example.com", t.TempDir()
			s, err := server.New(t.Context(), c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			said := banner(s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			for _, want := range c.want {
				if !strings.Contains(said, "\n  "+want) {
					t.Errorf("no line with %q:\n%s", want, said)
				}
			}
		})
	}
}
