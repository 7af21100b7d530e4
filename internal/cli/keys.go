package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/api"
)

type keys struct {
	Create createKey `cmd:"" help:"Make an API key."`
	List   listKeys  `cmd:"" help:"List the API keys."`
	Revoke revokeKey `cmd:"" help:"End an API key for good."`
}

type createKey struct {
	Name    string   `arg:"" help:"What the key is for."`
	Scope   []string `name:"scope" default:"send" placeholder:"SCOPE" help:"What its holder may do: send, read, broadcast (send to many at once), manage (read, cancel, edit, delete), admin (everything). Several with commas, or given again (${default})."`
	Tenant  string   `placeholder:"ID" help:"Bind it to a tenant of a channel: of others it sees and does nothing."`
	Expires lifetime `placeholder:"DURATION" help:"End it after a while, such as 12h or 90d. Never, if not given."`
	Rate    int      `placeholder:"N" help:"Let it make at most N requests in a minute."`
	Out     string   `placeholder:"FILE" help:"Write the key into a new file that only you can read, for --key-file, in place of printing it."`
	remote
}

// Help shows examples.
func (createKey) Help() string {
	return `Examples:

    headsup key create "nightly builds" --out builds.key
    headsup key create dashboard --scope read --expires 90d
    headsup key create contoso --scope broadcast,manage --tenant 72f988bf-86f1-41af-91ab-2d7cd011db47
    HEADSUP_KEY=$(headsup key create ops --scope broadcast,manage) headsup send --everyone "Heads up!"

The key is told this once: the server keeps only a hash of it. It is the only line on standard output.

On the machine of the server, the user who runs it needs no key for this and all other commands: the running server leaves a
secret in admin.key in its data directory, which --data names, and makes a new one at each start. Anybody else needs a key with
the scope admin, by --key-file or HEADSUP_KEY. No flag takes a key itself, since other users see a program's flags.

The exit code is 0 when it was made, 1 when something failed, 2 when the call is wrong.`
}

// Run makes a key and prints it.
func (c createKey) Run(ctx context.Context, s streams) error {
	r := api.KeyRequest{Name: c.Name, Scopes: c.Scope, Tenant: c.Tenant, RatePerMinute: c.Rate}
	if c.Expires != 0 {
		at := time.Now().Add(time.Duration(c.Expires)).UTC().Truncate(time.Second)
		r.ExpiresAt = &at
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	if c.Out != "" {
		return c.into(c.Out, s, func() (api.CreatedKey, error) { return server.CreateKey(ctx, r) })
	}
	made, err := server.CreateKey(ctx, r)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, made)
	}
	if _, err := fmt.Fprintln(s.out, made.Secret); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.err, "headsup: "+keyText(made.Key)+"; the key is not shown again")
	return err
}

// into makes a key after the file for it, so that it is not made in vain.
func (c createKey) into(path string, s streams, create func() (api.CreatedKey, error)) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return usageError{fmt.Errorf("--out: %w", err)}
	}
	made, err := create()
	if err != nil {
		return errors.Join(c.explain(err), f.Close(), os.Remove(path))
	}
	_, err = fmt.Fprintln(f, made.Secret)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("key %s was made, but then: %w", made.ID, err)
	}
	if c.JSON {
		return printJSON(s.out, made.Key)
	}
	_, err = fmt.Fprintln(s.out, keyText(made.Key)+", in "+path)
	return err
}

type listKeys struct {
	All bool `help:"Show revoked and expired ones too."`
	listing
	remote
}

// Help shows examples.
func (listKeys) Help() string {
	return `Examples:

    headsup key list
    headsup key list --all --limit 0 --json | jq -r .id

With --json, every key is one line. Secrets are not shown: the server does not have them.`
}

// Run lists keys, oldest first.
func (c listKeys) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	return lister[api.Key]{
		head: []any{"ID", "NAME", "SCOPES", "TENANT", "STATE", "RATE", "CREATED", "EXPIRES", "LAST USED"},
		page: func(cursor string, limit int) ([]api.Key, string, error) {
			p, err := server.KeysPage(ctx, cursor, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return slices.DeleteFunc(p.Keys, func(k api.Key) bool { return !c.All && k.State != "active" }), p.NextCursor, nil
		},
		cells: func(k api.Key) []any {
			rate := ""
			if k.RatePerMinute > 0 {
				rate = strconv.Itoa(k.RatePerMinute) + "/min"
			}
			return []any{k.ID, k.Name, strings.Join(k.Scopes, ","), k.Tenant, k.State, rate, instant(k.CreatedAt),
				optionalInstant(k.ExpiresAt), optionalInstant(k.LastUsedAt)}
		},
	}.print(s, c.listing, c.JSON)
}

type revokeKey struct {
	ID string `arg:"" help:"The key's id: its middle part, as headsup key list shows it."`
	remote
}

// Help shows examples.
func (revokeKey) Help() string {
	return `Examples:

    headsup key revoke 3v9q2m7r4xab

It takes effect at once, and may be repeated.`
}

// Run revokes the key.
func (c revokeKey) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	k, err := server.RevokeKey(ctx, c.ID)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, k)
	}
	_, err = fmt.Fprintln(s.out, keyText(k))
	return err
}

// keyText says what a key is in a line.
func keyText(k api.Key) string {
	text := fmt.Sprintf("key %s (%s): %s, %s", k.ID, k.Name, strings.Join(k.Scopes, ", "), k.State)
	if k.ExpiresAt != nil && k.State == "active" {
		text += " until " + k.ExpiresAt.UTC().Format(time.RFC3339)
	}
	if k.Tenant != "" {
		text += ", bound to the tenant " + k.Tenant
	}
	return printable(text)
}

// lifetime is a duration that may be in days.
type lifetime time.Duration

// UnmarshalText reads 90d as well as what [time.ParseDuration] reads.
func (l *lifetime) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is not a number of days", s)
		}
		*l = lifetime(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second {
		return fmt.Errorf("%q is not a duration such as 12h or 90d", s)
	}
	*l = lifetime(d)
	return nil
}
