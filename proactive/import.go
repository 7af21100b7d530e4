package proactive

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// MaxImport is how many references may be imported at once.
const MaxImport = 1000

// importsAtOnce is how many of them are on their way into the book: as many as a commit takes together.
const importsAtOnce = 64

// Import is a reference that another program has kept, and what the operator knows of its conversation.
type Import struct {
	Reference activity.Reference
	// AppID is of the bot whose reference it is, where the program has told; see [activity.Found].
	AppID string
	// TimeZone is an IANA name. Tags are added, and ExternalID is set where it is not empty.
	TimeZone   string
	Tags       []string
	ExternalID string
}

// Imported is what became of an [Import].
type Imported struct {
	// Conversation is the book's entry; where nothing was to be changed, the one that would have been made, without a row.
	Conversation book.Conversation
	// Known: the book had it. Its reference stayed as it was, since whoever wrote from there has told a newer one.
	Known bool
	// Err is why it was refused: a [*FieldError], whose field is within the import. Nothing of it is in the book then.
	Err error
}

// Import puts references of other programs into the book, so that the bot can speak there without having been spoken to
// here. A refused one does not hinder the others. With check, nothing is changed, and what would become of each is told. It
// may be repeated. The error is for more than [MaxImport], a [*FieldError], and for a store that fails: some may be in the
// book then.
func (e *Engine) Import(ctx context.Context, all []Import, check bool) ([]Imported, error) {
	if len(all) > MaxImport {
		return nil, &FieldError{"references", fmt.Sprintf("are more than %d", MaxImport)}
	}
	results, failed := make([]Imported, len(all)), make([]error, len(all))
	var wait sync.WaitGroup
	slots := make(chan struct{}, importsAtOnce)
	for i, one := range all {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			results[i], failed[i] = e.importOne(ctx, one, check)
		})
	}
	wait.Wait()
	return results, errors.Join(failed...)
}

func (e *Engine) importOne(ctx context.Context, one Import, check bool) (out Imported, err error) {
	if out.Err = e.checkImport(one); out.Err != nil {
		return out, nil
	}
	ref := one.Reference
	ref.ActivityID = ""
	key := headsup.KeyOf(e.cfg.AppID, ref)
	sight := book.Sighting{
		Key: key, Reference: ref, Kind: book.KindOf(ref.Conversation), Source: book.SourceImport, TimeZone: one.TimeZone, At: e.cfg.Now(),
	}
	labels := book.Labels{AddTags: one.Tags}
	if one.ExternalID != "" {
		labels.ExternalID = &one.ExternalID
	}
	out.Conversation, err = e.cfg.Store.Conversation(ctx, key)
	out.Known = err == nil
	switch {
	case err != nil && !errors.Is(err, book.ErrNotFound):
		return out, fmt.Errorf("proactive: import: %w", err)
	case !out.Known:
		out.Conversation = book.Conversation{Key: key, Reference: ref, Kind: sight.Kind, Source: sight.Source}
	}
	if one.ExternalID != "" && !out.Known && out.Conversation.Kind != "" && out.Conversation.Kind != book.KindPersonal {
		out.Err = &FieldError{"external_id", "is for conversations with one person"}
		return out, nil
	}
	if check {
		return out, nil
	}
	if !out.Known {
		if out.Conversation, err = e.cfg.Store.Sight(ctx, sight); err != nil {
			return out, fmt.Errorf("proactive: import: %w", err)
		}
	}
	if len(labels.AddTags) == 0 && labels.ExternalID == nil {
		return out, nil
	}
	err = e.cfg.Store.Label(ctx, key, labels, sight.At)
	switch {
	case errors.Is(err, book.ErrNoPerson):
		out.Err = &FieldError{"external_id", "is for conversations with one person"}
	case errors.Is(err, book.ErrTooManyTags):
		out.Err = &FieldError{"tags", fmt.Sprintf("would be more than %d", book.MaxTags)}
	case err != nil:
		return out, fmt.Errorf("proactive: import: %w", err)
	}
	return out, nil
}

// checkImport says what is wrong with an import.
func (e *Engine) checkImport(one Import) error {
	ref := &one.Reference
	if err := ref.Validate(); err != nil {
		return &FieldError{"reference", err.Error()}
	}
	if one.AppID != "" && e.cfg.Proven && one.AppID != e.cfg.AppID {
		return &FieldError{"reference", fmt.Sprintf("is of another bot, the app %q: its ids mean nothing to this one", one.AppID)}
	}
	if ref.ChannelID == activity.ChannelTeams {
		if ref.Conversation.TenantID == "" {
			return &FieldError{"reference.conversation.tenantId", "is missing, and everything that Teams says has it"}
		}
		if id := teamsBot(ref); id != "" && e.cfg.Proven && id != e.cfg.AppID {
			return &FieldError{"reference.bot.id", fmt.Sprintf("is another bot's, the app %q: people have other ids there", id)}
		}
	}
	switch {
	case ref.Bot == nil || ref.Bot.ID == "":
		return &FieldError{"reference.bot.id", "is missing: it tells conversations of several bots apart"}
	case ref.ServiceURL == "":
		return &FieldError{"reference.serviceUrl", "is needed"}
	case e.cfg.MayCall != nil && !e.cfg.MayCall(ref.ServiceURL):
		return &FieldError{"reference.serviceUrl", "is on a host that is never called; the setting azure.service_hosts can add one"}
	}
	if err := checkTags("tags", one.Tags); err != nil {
		return err
	}
	if one.ExternalID != "" {
		return checkName("external_id", one.ExternalID)
	}
	return nil
}

// teamsBot is the app id in a bot's id on Teams; empty where there is none.
func teamsBot(ref *activity.Reference) string {
	const prefix = "28:"
	if ref.Bot == nil || len(ref.Bot.ID) <= len(prefix) || ref.Bot.ID[:len(prefix)] != prefix {
		return ""
	}
	return string(ref.Bot.ID[len(prefix):])
}
