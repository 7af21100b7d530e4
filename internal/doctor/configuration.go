package doctor

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/headsup-bot/headsup/internal/config"
	"github.com/headsup-bot/headsup/internal/netguard"
	"github.com/headsup-bot/headsup/internal/secretfile"
)

var configurationChecks = []Check{
	{
		ID:    "config.settings",
		About: "The configuration from flags, environment and file: unknown settings, values that cannot be right. The server does not start with any of these.",
		Faults: []Fault{
			{"invalid", Fail, "A setting is unknown, or cannot be what it is. The place is told with it.", "change it, and try again with: headsup config check"},
		},
		run: checkSettings,
	},
	{
		ID:    "config.secrets",
		About: "Files with secrets: the configuration file if it has one, and those that settings name. Nobody but their owner may have access to them; see [deploying](deploying.md#what-it-refuses-to-start-with).",
		Faults: []Fault{
			{"open_to_others", Fail, "Others can read a secret. The server does not start with it.", "chmod 600 {path}, and replace the secret if anybody may have read it"},
			{"unreadable", Fail, "A file that a setting names cannot be read by this user.", "look at the path, and at who may read it: run this command as the user who runs the server"},
		},
		run: checkSecrets,
	},
	{
		ID:    "config.address",
		About: "Where the server listens, its public URL, and whether it would be open.",
		Faults: []Fault{
			{"refused", Fail, "The server does not start with this address.", "change {setting}; docs/deploying.md has examples"},
			{"nobody", Fail, "Nobody could talk with the bot: Direct Line is the only way to it (directline_only, without email or sms), and there is no secret for it, with which tokens are had. The server does not start.", "make a secret (openssl rand -hex 32) in a file that only its owner may read, and set directline_secret_file; or azure.app_id in place of directline_only"},
			{"clear", Warn, "It listens where others may reach it, and says that it is reached on this machine only, by http. That is for a container whose port is published on this machine: whoever else reaches the port reads keys and messages on their way.", "publish the port on loopback only (podman run -p 127.0.0.1:3978:3978); without a container, listen on 127.0.0.1; for others, set public_url to an https address"},
			{"local_only", Warn, "The bot has an app id, and the server says that it is reached on this machine only: Azure's channels need an https address that leads here.", "set public_url to the address that a reverse proxy or a tunnel leads from, and the messaging endpoint of the bot in Azure to that with /api/messages"},
		},
		run: checkAddress,
	},
}

// secretFiles are the files with secrets that settings name, by the settings.
func secretFiles(c config.Loaded) map[string]string {
	files := c.SecretFiles()
	for path, file := range map[string]string{
		"azure.certificate_file": c.Azure.CertificateFile, "azure.token_file": c.Azure.TokenFile, "tls.key_file": c.TLS.KeyFile,
	} {
		if file != "" {
			files[path] = file
		}
	}
	return files
}

// addressSettings are those that config.address tells of.
var addressSettings = []string{"listen", "public_url", "insecure_http", "directline_only", "admin.listen", "admin.pprof"}

// identitySettings are those that the checks of the registration tell of.
var identitySettings = []string{"azure", "azure.app_id", "azure.tenant", "azure.secret", "azure.secret_ends", "azure.cloud"}

func checkSettings(_ context.Context, p *patient) (all []Result) {
	elsewhere := slices.Concat(addressSettings, p.secretless(), identitySettings, []string{"database"}, slices.Collect(maps.Keys(secretFiles(p.Loaded))))
	for _, problem := range p.Problems {
		unknown := strings.HasPrefix(problem.Message, "unknown setting")
		if !unknown && slices.Contains(elsewhere, problem.Path) || opened(problem) != "" {
			continue
		}
		all = append(all, about(problem.Path, p.fault("invalid", problem.Error()))...)
	}
	if len(all) > 0 {
		return all
	}
	set := 0
	for _, v := range p.Loaded.Values() {
		if v.Origin.Source != config.SourceDefault {
			set++
		}
	}
	return p.ok("%s, from %s", many(int64(set), "setting"), p.sources())
}

// sources are the places that settings have come from.
func (p *patient) sources() string {
	var names []string
	for _, v := range p.Loaded.Values() {
		name := string(v.Origin.Source)
		if v.Origin.Source == config.SourceFile {
			name = v.Origin.Name
		}
		if v.Origin.Source == config.SourceFlag || v.Origin.Source == config.SourceEnvironment {
			name = "the " + map[config.Source]string{config.SourceFlag: "command line", config.SourceEnvironment: "environment"}[v.Origin.Source]
		}
		if v.Origin.Source != config.SourceDefault && !slices.Contains(names, name) && !strings.HasSuffix(v.Path, "_file") && v.Value != "[redacted]" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "nowhere: all is at its default"
	}
	return strings.Join(names, ", ")
}

// opened is the path of a file that a problem is with, since others can read it; empty if it is another problem.
func opened(problem config.Problem) string {
	_, rest, found := strings.Cut(problem.Message, "(chmod 600 ")
	if !found {
		return ""
	}
	return strings.TrimSuffix(rest, ")")
}

func checkSecrets(_ context.Context, p *patient) (all []Result) {
	looked := 0
	for _, problem := range p.Problems {
		if path := opened(problem); path != "" {
			all = append(all, about(problem.Path, p.fault("open_to_others", problem.Message, "path", path))...)
		}
	}
	files := secretFiles(p.Loaded)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if slices.ContainsFunc(all, func(r Result) bool { return r.Subject == path }) {
			continue
		}
		looked++
		problem, wrong := p.problem(path)
		if !wrong {
			if err := readable(files[path]); err != nil {
				problem, wrong = config.Problem{Message: err.Error()}, true
			}
		}
		if wrong {
			all = append(all, about(path, p.fault("unreadable", problem.Message))...)
		}
	}
	switch {
	case len(all) > 0:
		return all
	case looked == 0:
		return p.skip("no setting names a file with a secret")
	}
	return p.ok("%s, closed to others", many(int64(looked), "file"))
}

// readable opens a file for a moment, if nobody else can.
func readable(path string) error {
	if err := secretfile.Check(path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// inTheClear finds a server that others may reach by http, though it says that only this machine does.
func (p *patient) inTheClear(at string) []Result {
	u, err := url.Parse(at)
	host, _, unreadable := net.SplitHostPort(p.Loaded.Listen)
	if err != nil || unreadable != nil || u.Scheme != "http" || !netguard.Loopback(u.Hostname()) || netguard.Loopback(host) {
		return nil
	}
	return p.fault("clear", fmt.Sprintf("listens on %s, and is reached at %s", p.Loaded.Listen, at))
}

// secretless is the setting that is missing where Direct Line is the only way to the bot, and nobody could take it.
func (p *patient) secretless() []string {
	const path = "directline_secret"
	if _, wrong := p.problem(path); !wrong || p.Loaded.DirectLineSecret.Set() || !p.Loaded.DirectLineOnly {
		return nil
	}
	return []string{path}
}

func checkAddress(_ context.Context, p *patient) (all []Result) {
	for _, path := range addressSettings {
		if problem, wrong := p.problem(path); wrong && !strings.HasPrefix(problem.Message, "unknown setting") {
			all = append(all, about(path, p.fault("refused", problem.Message, "setting", path))...)
		}
	}
	for _, path := range p.secretless() {
		problem, _ := p.problem(path)
		all = append(all, about(path, p.fault("nobody", problem.Message))...)
	}
	if len(all) > 0 {
		return all
	}
	at := p.Loaded.PublicURL
	if at == "" {
		at = "http://" + p.Loaded.Listen
	}
	if all = p.inTheClear(at); len(all) > 0 {
		return all
	}
	if p.Loaded.Azure.AppID != "" && !p.Server.Exposed() {
		return p.fault("local_only", fmt.Sprintf("reached at %s, on this machine only", at))
	}
	if !p.Server.Exposed() {
		return p.ok("reached at %s, on this machine only", at)
	}
	return p.ok("reached at %s", at)
}
