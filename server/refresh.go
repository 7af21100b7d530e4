package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/auth"
)

const (
	// refreshName is the setting that changes whenever somebody asks for fresh keys, so that all nodes see it.
	refreshName = "auth_refresh"
	// refreshLook is how often a node looks at it: with the time that a fetch takes, 5 s are kept.
	refreshLook = 2 * time.Second
)

// refreshes fetches anew, when an operator asks for it, the keys by which tokens are checked: on this node at once, on others
// over the same database a moment later.
type refreshes struct {
	server *Server
	sets   []keySets

	mu   sync.Mutex
	seen string // of the setting; guarded by mu
}

// keySets are those of a verifier.
type keySets struct {
	refresh func(context.Context) []auth.Published
	of      string // whose tokens they check, but for those of Entra beside those of channels
}

// add has the keys of a verifier fetched, too.
func (r *refreshes) add(refresh func(context.Context) []auth.Published, of string) {
	r.sets = append(r.sets, keySets{refresh, of})
}

// open notes what was asked for before this node had any keys.
func (r *refreshes) open(ctx context.Context) (err error) {
	r.seen, _, err = r.server.store.Setting(ctx, refreshName)
	if err != nil {
		return fmt.Errorf("refresh of keys: %w", err)
	}
	return nil
}

// now fetches all keys, and has other nodes do so. The audit log has it before anything is fetched.
func (r *refreshes) now(ctx context.Context) ([]api.AuthKeys, error) {
	mark := rand.Text()
	r.mu.Lock()
	before := r.seen
	r.seen = mark
	r.mu.Unlock()
	if err := r.server.store.SetSetting(ctx, refreshName, mark); err != nil {
		r.mu.Lock()
		r.seen = before // if it has been stored all the same, this node fetches, too
		r.mu.Unlock()
		return nil, err
	}
	return r.fetch(ctx), nil
}

func (r *refreshes) fetch(ctx context.Context) []api.AuthKeys {
	found := make([][]auth.Published, len(r.sets))
	var fetching sync.WaitGroup
	for i, set := range r.sets {
		fetching.Go(func() { found[i] = set.refresh(ctx) })
	}
	fetching.Wait()
	all := []api.AuthKeys{}
	for i, set := range r.sets {
		for _, p := range found[i] {
			keys := api.AuthKeys{Of: set.of, Metadata: p.Metadata, Keys: p.Keys}
			if p.Entra && set.of == "channels" {
				keys.Of = "entra"
			}
			if p.Err != nil {
				keys.Error = p.Err.Error()
			}
			all = append(all, keys)
		}
	}
	return all
}

// run looks whether somebody has asked another node, until ctx ends.
func (r *refreshes) run(ctx context.Context) {
	if len(r.sets) == 0 || r.server.cfg.Database == "" {
		return
	}
	tick := time.NewTicker(refreshLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (r *refreshes) look(ctx context.Context) {
	mark, _, err := r.server.store.Setting(ctx, refreshName)
	if err != nil {
		return // a database that does not answer is told elsewhere
	}
	r.mu.Lock()
	asked := mark != r.seen
	r.seen = mark
	r.mu.Unlock()
	if !asked {
		return
	}
	for _, set := range r.fetch(ctx) {
		if set.Error == "" { // what fails is logged where it fails, and tried again
			r.server.log.InfoContext(ctx, "keys fetched anew, as another node was asked to", "of", set.Of, "keys", set.Keys)
		}
	}
}
