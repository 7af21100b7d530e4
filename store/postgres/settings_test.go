package postgres_test

import (
	"testing"

	"github.com/headsup-bot/headsup/store/postgres"
	"github.com/headsup-bot/headsup/store/storetest"
)

func TestSettingIsSwapped(t *testing.T) {
	t.Parallel()
	s, err := postgres.Open(t.Context(), postgres.Config{URL: database(t), Conns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	storetest.SettingsAreSwapped(t, s)
}
