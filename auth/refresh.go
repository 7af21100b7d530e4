package auth

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Refresh fetches the keys of all issuers now, however fresh those that are known are and however recently it was tried. When it
// returns, a key that its issuer has withdrawn is refused. Where a fetch fails, which Err of its result tells, the keys that were
// known stay, and it is tried again by itself. What is returned is in the order of [Tokens.Inspect]. Calls go on meanwhile.
func (v *Tokens) Refresh(ctx context.Context) []Published {
	var sets []*keys
	for _, k := range []*keys{v.channel, v.entra} {
		if k != nil {
			sets = append(sets, k)
		}
	}
	all := make([]Published, len(sets))
	var fetching sync.WaitGroup
	for i, k := range sets {
		fetching.Go(func() {
			all[i] = k.published(k.refresh(ctx))
			all[i].Entra = k == v.entra
		})
	}
	fetching.Wait()
	return all
}

// Refresh is that of [Tokens.Refresh], for the keys that bots' tokens are signed with.
func (b *Bots) Refresh(ctx context.Context) []Published {
	p := b.tokens.entra.published(b.tokens.entra.refresh(ctx))
	p.Entra = true
	return []Published{p}
}

// refresh fetches the keys by a fetch that begins now: one that is under way may have read what was there before.
func (k *keys) refresh(ctx context.Context) error {
	k.mu.Lock()
	k.due = true
	before := k.flight
	k.mu.Unlock()
	if before != nil {
		if err := landed(ctx, before); err != nil {
			return err
		}
	}
	k.mu.Lock()
	k.retryAt = time.Time{}
	k.mu.Unlock()
	if err := landed(ctx, k.fetch()); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failure
}

// landed waits for a fetch.
func landed(ctx context.Context, flight <-chan struct{}) error {
	select {
	case <-flight:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// published says what is known, and why it is not what it should be.
func (k *keys) published(err error) Published {
	k.mu.Lock()
	defer k.mu.Unlock()
	return describe(k, k.known, err)
}

// describe says what an issuer publishes.
func describe(k *keys, known map[string]key, err error) Published {
	p := Published{Metadata: k.metadata.String(), Issuer: k.issuer, Keys: len(known), Err: err}
	for _, key := range known {
		p.Endorsements = append(p.Endorsements, key.endorsements...)
	}
	slices.Sort(p.Endorsements)
	p.Endorsements = slices.Compact(p.Endorsements)
	return p
}
