package memory_test

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/store/memory"
	"github.com/headsup-bot/headsup/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Options{
		Open:      func(*testing.T) storetest.Store { return memory.New() },
		OpenLease: func(_ *testing.T, leaseTime time.Duration) storetest.Store { return memory.NewLease(leaseTime) },
		OpenPaced: func(_ *testing.T, l *pace.Limiter) storetest.Store { return memory.NewPaced(l) },
		Bubble:    true,
	})
}
