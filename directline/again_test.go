package directline_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// TestWhatABotHasNotHeardIsHeardWhenTheClientComesBack: a process has taken in what somebody said, and not lived to have the
// bot answer it.
func TestWhatABotHasNotHeardIsHeardWhenTheClientComesBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says, fails bool          // what the turn that was cut off has come to
		later       time.Duration // when the client comes back
		want        []string
	}{
		"not heard":      {false, true, time.Minute, []string{"hi", "echo: hi"}},
		"half heard":     {true, true, time.Minute, []string{"hi", "echo: hi"}},
		"heard":          {true, false, time.Minute, []string{"hi", "echo: hi"}},
		"long not heard": {false, true, 11 * time.Minute, []string{"hi"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(ctx context.Context, turn *headsup.Turn) (err error) {
				if c.says {
					err = echo(ctx, turn)
				}
				if c.fails && turn.Activity().Type == activity.TypeMessage {
					err = errors.Join(err, errors.New("it ends before it has committed"))
				}
				return err
			})
			o := r.join("dl_ann")
			r.do("POST", o.path()+"/activities", o.Token, message("hi"))
			r.stop()
			r.start(echo)
			r.clock.forward(c.later)
			first := r.connect(r.reconnect(o, "?watermark=").StreamURL)
			first.read(len(c.want))
			_ = first.conn.CloseNow()
			r.stop() // waits for what is being heard
			r.start(echo)
			r.say(o, "last", "")
			s := r.connect(r.reconnect(o, "?watermark=").StreamURL)
			if got, want := texts(s.read(len(c.want)+1)), append(c.want, "last"); !slices.Equal(got, want) {
				t.Errorf("the conversation is %q, want %q", got, want)
			}
		})
	}
}
