package storetest

import (
	"context"
	"sync"
	"testing"
)

// Settings is what of a store keeps a few values that all nodes share.
type Settings interface {
	Setting(ctx context.Context, name string) (value string, found bool, err error)
	SetSettingOnce(ctx context.Context, name, value string) (stored string, err error)
	SwapSetting(ctx context.Context, name, was, value string) (swapped bool, err error)
}

// SettingsAreSwapped checks that a setting is replaced only while it is as somebody has read it, and by one of several who do so
// at once.
func SettingsAreSwapped(t *testing.T, s Settings) {
	t.Helper()
	ctx := t.Context()
	swap := func(was, value string, want bool) {
		t.Helper()
		if swapped, err := s.SwapSetting(ctx, "swapped", was, value); swapped != want || err != nil {
			t.Errorf("%q for %q: %v, %v, want %v", value, was, swapped, err, want)
		}
	}
	swap("", "a", false) // there is none
	if _, err := s.SetSettingOnce(ctx, "swapped", "a"); err != nil {
		t.Fatal(err)
	}
	swap("b", "c", false)
	swap("a", "b", true)
	swap("a", "c", false)
	var done sync.WaitGroup
	won := make(chan string, 8)
	for _, value := range []string{"c", "d", "e", "f"} {
		done.Go(func() {
			swapped, err := s.SwapSetting(ctx, "swapped", "b", value)
			if err != nil {
				t.Error(err)
			}
			if swapped {
				won <- value
			}
		})
	}
	done.Wait()
	close(won)
	value, found, err := s.Setting(ctx, "swapped")
	if len(won) != 1 || !found || err != nil {
		t.Fatalf("%d have replaced it; it is %q, %v, %v", len(won), value, found, err)
	}
	if winner := <-won; value != winner {
		t.Errorf("it is %q, and %q has replaced it", value, winner)
	}
}
