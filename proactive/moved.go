package proactive

import (
	"context"
	"fmt"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// Moved notes that a conversation was found at another service URL than the book has, namely that of ref, on a host
// that is allowed. How the URL was learnt stays as it was. It is meant for [headsup.ConnectorChannel.OnMoved].
func (e *Engine) Moved(ctx context.Context, ref activity.Reference) error {
	known, err := e.cfg.Store.Conversation(ctx, headsup.KeyOf(e.cfg.AppID, ref))
	if err != nil {
		return fmt.Errorf("proactive: moved: %w", err)
	}
	now := known.Reference
	now.ServiceURL = ref.ServiceURL
	_, err = e.cfg.Store.Sight(ctx, book.Sighting{
		Key: known.Key, Reference: now, Kind: known.Kind, Source: known.Source, VerifiedAt: known.VerifiedAt,
		TimeZone: known.TimeZone, At: e.cfg.Now(),
	})
	if err != nil {
		return fmt.Errorf("proactive: moved: %w", err)
	}
	return nil
}
