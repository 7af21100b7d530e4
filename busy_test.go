package headsup_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
)

// TestDialogIsNotForgottenForQuestions: of very much that goes on the oldest is forgotten, but no dialog, since nobody
// would say again that it goes on.
func TestDialogIsNotForgottenForQuestions(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	all := headsup.Mark{Busy: headsup.Busy{By: headsup.BusyDialog}, At: start}.Apply(nil)
	for i := range 2 * headsup.MaxBusy {
		by := fmt.Sprint(headsup.BusyQuestion, i)
		all = headsup.Mark{Busy: headsup.Busy{By: by}, At: start.Add(time.Duration(i+1) * time.Second)}.Apply(all)
	}
	if len(all) != headsup.MaxBusy || all[0].By != headsup.BusyDialog || all[1].By != fmt.Sprint(headsup.BusyQuestion, headsup.MaxBusy+1) {
		t.Errorf("%d go on: %+v", len(all), all)
	}
}
