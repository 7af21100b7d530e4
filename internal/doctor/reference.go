package doctor

import "strings"

// Reference is the documentation of all checks, as Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# headsup doctor

This page is written from the program's source by ` + "`make generate`" + `; change it there.

` + "`headsup doctor`" + ` looks at an installation and says what is wrong with it and what to do. It takes the flags, the environment and the
file of ` + "`headsup serve`" + `, so call it with those that the server is started with, as the user who runs the server:

` + "```console" + `
$ sudo -u headsup headsup doctor --config /etc/headsup/headsup.yaml
ok    config.settings        7 settings, from headsup.yaml
ok    database.open          /var/lib/headsup/headsup.db
ok    identity.registration  a single-tenant bot of 0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d, in the public cloud
FAIL  identity.token         Entra gives no token: AADSTS7000222
                             do: the client secret has expired: make a new one in the app registration
…
1 failed, 0 warnings, 14 ok, 9 skipped (--all shows why)
` + "```" + `

It changes nothing, and works while the server runs and while it does not. A file of SQLite that nobody has open is read as it is;
beside a server it is read as any reader does. To find out whether channels take the bot's token it asks, for one conversation of
each host, who takes part in it; nobody sees that. No mail or text message is sent. ` + "`--channel msteams`" + ` asks about conversations of one channel only, ` + "`--offline`" + ` about
nothing that needs the network, and ` + "`--timeout`" + ` bounds each check (10s).

**Exit codes.** 0: nothing failed, though there may be warnings. 1: something failed. 2: the call is wrong, or the configuration
cannot be read.

**For programs.** ` + "`--json`" + ` prints one object: ` + "`ok`, `version`, `at`, `summary`" + ` (how many are ` + "`ok`, `warn`, `fail`, `skipped`" + `) and ` + "`checks`" + `, each
with its ` + "`id`, `subject`" + ` (a setting, a host, where there may be several), ` + "`status`, `fault`, `found` and `do`" + `. Ids and faults are stable.

Secrets, tokens and keys are in neither: the doctor does not print them, and what others say is searched for them.

`)
	for _, c := range Checks() {
		b.WriteString("## `" + c.ID + "`\n\n" + c.About)
		if c.Network {
			b.WriteString(" Left out with `--offline`.")
		}
		b.WriteString("\n\n| fault | | what it means | what to do |\n| --- | --- | --- | --- |\n")
		for _, f := range c.Faults {
			b.WriteString("| `" + f.Code + "` | " + string(f.Status) + " | " + cell(f.Means) + " | " + cell(f.Do) + " |\n")
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
