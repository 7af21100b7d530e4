package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/secretfile"
)

type auditCommands struct {
	List   listAudit   `cmd:"" help:"List who did what, when and from where."`
	Verify verifyAudit `cmd:"" help:"Check that nothing in the audit log was changed, removed or put in."`
	Head   auditHead   `cmd:"" help:"Print the newest entry's number and hash, to be kept elsewhere."`
	Export exportAudit `cmd:"" help:"Write the audit log into a file that can be checked without the server."`
}

// auditFilter are the flags that say which entries are wanted.
type auditFilter struct {
	Action       string    `placeholder:"WORD" help:"Those that are this, such as key.create; with a dot at its end, all that begin with it: refused."`
	Actor        string    `placeholder:"WHO" help:"Those by key:ID, local, development or server."`
	Object       string    `placeholder:"ID" help:"Those that were done to this."`
	Conversation string    `placeholder:"ID" help:"Those that were done to this conversation."`
	Since        time.Time `placeholder:"TIME" help:"Those from this time or later, such as 2026-11-20T00:00:00Z."`
	Until        time.Time `placeholder:"TIME" help:"Those from before this time."`
}

func (f auditFilter) filter() client.AuditFilter {
	return client.AuditFilter{
		Action: f.Action, Actor: f.Actor, Object: f.Object, Conversation: f.Conversation, Since: f.Since, Until: f.Until,
	}
}

type listAudit struct {
	auditFilter
	listing
	remote
}

// Help shows examples.
func (listAudit) Help() string {
	return `Examples:

    headsup audit list
    headsup audit list --action key. --limit 0
    headsup audit list --action refused. --since 2026-11-20T00:00:00Z --json

The newest come first. With --json, every entry is one line. docs/audit.md lists what is written.`
}

// Run lists entries.
func (c listAudit) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	return lister[api.AuditEntry]{
		head: []any{"NUMBER", "TIME", "ACTION", "WHO", "FROM", "OBJECT", "DETAIL"},
		page: func(cursor string, limit int) ([]api.AuditEntry, string, error) {
			p, err := server.AuditPage(ctx, c.filter(), cursor, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return p.Entries, p.NextCursor, nil
		},
		cells: func(e api.AuditEntry) []any {
			return []any{e.Number, instant(e.At), e.Action, e.Actor, e.From, e.Object, string(e.Detail)}
		},
	}.print(s, c.listing, c.JSON)
}

type auditHead struct {
	remote
}

// Help shows examples.
func (auditHead) Help() string {
	return `Examples:

    headsup audit head
    headsup audit head >> /mnt/elsewhere/headsup-heads.txt
    headsup audit verify --head 6f1c…

One line: the number of the newest entry, its hash, and its time. Kept where those who can write the database cannot, it vouches
for every entry up to that one: whoever changes or removes one of them cannot make the log end in that hash again.`
}

// Run prints the head.
func (c auditHead) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	ends, err := server.AuditEnds(ctx)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, ends)
	}
	_, err = fmt.Fprintln(s.out, ends.Head.Number, ends.Head.Hash, dash(optionalInstant(ends.HeadAt)))
	return err
}

type exportAudit struct {
	File string `arg:"" optional:"" help:"The file to make, one entry a line; standard output, if not given."`
	remote
}

// Help shows examples.
func (exportAudit) Help() string {
	return `Examples:

    headsup audit export audit-2026-11.ndjson
    headsup audit verify --file audit-2026-11.ndjson

Every entry is one line of JSON, oldest first, with the hash over it and the one before. The last line says how many there are and
with which hash they end. The exit code is 0 when all are written
and on disk, 1 when something failed, 2 when the call is wrong.`
}

// Run writes the whole log.
func (c exportAudit) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	write := func(to io.Writer) error {
		return audit.WriteExport(to, func(yield func(api.AuditEntry, error) bool) {
			for e, err := range server.Audit(ctx, client.AuditFilter{Oldest: true}) {
				if err != nil {
					err = c.explain(err)
				}
				if !yield(e, err) {
					return
				}
			}
		})
	}
	if c.File == "" {
		return write(s.out)
	}
	return newFile(c.File, func(f *os.File) error { return write(f) })
}

type verifyAudit struct {
	File    string   `placeholder:"FILE" help:"Check what \"headsup audit export\" has written, without a server."`
	Head    string   `placeholder:"HASH" help:"Have an entry with this hash in the log: what \"headsup audit head\" has printed some time."`
	SealKey []string `name:"seal-key-file" env:"HEADSUP_AUDIT_KEY_FILE" placeholder:"FILE" help:"File with the key that entries are sealed with (audit.key); again for each key that was used."`
	Plain   int64    `name:"plain-through" placeholder:"NUMBER" help:"The last entry from before the log had a key. Without it, a key must have sealed every entry."`
	remote
}

// Help shows examples.
func (verifyAudit) Help() string {
	return `Examples:

    headsup audit verify
    headsup audit verify --head 6f1c… --seal-key-file /etc/headsup/audit.key
    headsup audit verify --seal-key-file audit.key --plain-through 4711
    headsup audit verify --file audit-2026-11.ndjson

Every entry is read and checked here: that none is missing, that each follows the one before, and that each is as it was written.
Without a key that proves only that the log is whole in itself: somebody who can write the database could have made all of it anew.
What proves more is a key that the database does not hold, and a hash that was kept elsewhere; docs/audit.md tells what each is
worth. With a key given, every entry must be sealed with it; of a log that began without one, --plain-through names the last entry
from before. The first entry that is wrong is named.

The exit code is 0 when the log is whole, 1 when it is not or could not be read, 2 when the call is wrong.`
}

// verified is what is told of a log that is whole.
type verified struct {
	Entries int64         `json:"entries"`
	First   int64         `json:"first,omitzero"`
	Head    api.AuditMark `json:"head"`
	// Sealed tells how entries are sealed, one after another.
	Sealed []sealedRange `json:"sealed,omitzero"`
}

// sealedRange is entries that follow each other and are sealed alike.
type sealedRange struct {
	First int64  `json:"first"`
	Last  int64  `json:"last"`
	With  string `json:"with"`
}

func (r sealedRange) String() string {
	return fmt.Sprintf("%d to %d, sealed with %s", r.First, r.Last, r.With)
}

// Run checks the log.
func (c verifyAudit) Run(ctx context.Context, s streams) error {
	keys, err := c.keys()
	if err != nil {
		return err
	}
	var anchor *audit.Hash
	if c.Head != "" {
		h, err := audit.ParseHash(c.Head)
		if err != nil {
			return usageError{fmt.Errorf("--head: %w", err)}
		}
		anchor = &h
	}
	if c.Plain < 0 || c.Plain > 0 && len(keys) == 0 {
		return usageError{errors.New("--plain-through is the number of an entry, and goes together with --seal-key-file")}
	}
	check := &auditCheck{keys: keys, anchor: anchor, plain: c.Plain}
	if c.File != "" {
		err = check.file(c.File)
	} else {
		err = c.live(ctx, check)
	}
	if err != nil {
		return err
	}
	found := verified{Entries: check.v.Entries(), First: check.first, Sealed: check.sealed, Head: api.AuditMark{
		Number: check.v.Last().Number, Hash: check.v.Last().Hash.String(),
	}}
	if c.JSON {
		return printJSON(s.out, found)
	}
	if found.Entries == 0 {
		_, err = fmt.Fprintln(s.out, "there are no entries")
		return err
	}
	ranges := make([]string, len(found.Sealed))
	for i, r := range found.Sealed {
		ranges[i] = r.String()
	}
	if _, err = fmt.Fprintf(s.out, "whole: entries %s\nhead: %s\n", strings.Join(ranges, "; "), found.Head.Hash); err != nil || found.First == 1 || c.File == "" {
		return err
	}
	_, err = fmt.Fprintf(s.out, "begins at entry %d: nothing is said of those before it\n", found.First)
	return err
}

func (c verifyAudit) keys() (keys []*audit.Key, err error) {
	for _, path := range c.SealKey {
		text, err := secretfile.Read(path)
		if err != nil {
			return nil, usageError{fmt.Errorf("--seal-key-file: %w", err)}
		}
		key, err := audit.NewKey(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("--seal-key-file: %s %w", path, err)}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// auditCheck is a verification under way.
type auditCheck struct {
	keys   []*audit.Key
	anchor *audit.Hash
	plain  int64

	v      *audit.Verifier
	first  int64
	sealed []sealedRange
}

func (a *auditCheck) begin(v *audit.Verifier) {
	a.v, a.first, a.sealed = v, 0, nil
	v.PlainThrough(a.plain)
	if a.anchor != nil {
		v.Expect(*a.anchor)
	}
}

func (a *auditCheck) add(e api.AuditEntry) error {
	entry, err := audit.FromAPI(e)
	if err != nil {
		return err
	}
	if err := a.v.Add(entry); err != nil {
		return err
	}
	a.first = cmp.Or(a.first, e.Number)
	if n := len(a.sealed); n > 0 && a.sealed[n-1].With == e.Sealed {
		a.sealed[n-1].Last = e.Number
	} else {
		a.sealed = append(a.sealed, sealedRange{First: e.Number, Last: e.Number, With: e.Sealed})
	}
	return nil
}

// errCut: the log's ends have moved while it was read.
var errCut = errors.New("the log was cut off or begun while it was read; try again")

// live checks the log of a running server.
func (c *verifyAudit) live(ctx context.Context, a *auditCheck) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		if err := c.pass(ctx, server, a); !errors.Is(err, errCut) || try == 3 {
			return err
		}
	}
}

func (c *verifyAudit) pass(ctx context.Context, server *client.Client, a *auditCheck) error {
	ends, foot, head, err := c.ends(ctx, server)
	if err != nil {
		return err
	}
	a.begin(audit.NewVerifier(foot, a.keys...))
	wrong := func(err error) error { // unless the log was cut meanwhile
		if err == nil {
			return nil
		}
		if now, _, _, again := c.ends(ctx, server); again == nil && now.Foot != ends.Foot {
			return errCut
		}
		return err
	}
	for e, err := range server.Audit(ctx, client.AuditFilter{Oldest: true}) {
		switch {
		case err != nil:
			return c.explain(err)
		case head.Number == 0:
			if now, _, _, again := c.ends(ctx, server); again == nil && now.Head.Number > 0 {
				return errCut // its first entries were written meanwhile
			}
			return &audit.Broken{Number: e.Number, Reason: "is there, and the store has lost where the log ends"}
		case e.Number > head.Number && a.v.Last().Number >= head.Number: // written since
			return wrong(a.v.End(head))
		}
		if err := wrong(a.add(e)); err != nil {
			return err
		}
	}
	return wrong(a.v.End(head))
}

func (c *verifyAudit) ends(ctx context.Context, server *client.Client) (ends api.AuditEnds, foot, head audit.Mark, err error) {
	switch ends, err = server.AuditEnds(ctx); {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ends, foot, head, fmt.Errorf("no server is running at %s, and the log is read through one: start \"headsup serve\" over its "+
			"data directory, or check with --file what \"headsup audit export\" has written", c.Server)
	case err != nil:
		return ends, foot, head, c.explain(err)
	}
	foot.Number, head.Number = ends.Foot.Number, ends.Head.Number
	if foot.Hash, err = audit.ParseHash(ends.Foot.Hash); err == nil {
		head.Hash, err = audit.ParseHash(ends.Head.Hash)
	}
	return ends, foot, head, err
}
