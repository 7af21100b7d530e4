package postgres_test

import (
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/postgres"
)

type partial struct {
	*postgres.Store
	proactive.JobStore
	proactive.Forgetter
}
