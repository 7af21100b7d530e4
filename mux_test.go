package headsup_test

import (
	"context"
	"testing"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

func TestMuxPicksTheMostSpecialRoute(t *testing.T) {
	t.Parallel()
	var got string
	to := func(name string) headsup.HandlerFunc {
		return func(context.Context, *headsup.Turn) error { got = name; return nil }
	}
	mux := headsup.NewMux()
	mux.Otherwise(to("otherwise"))
	mux.Type(activity.TypeMessage, to("never: a message goes to Message"))
	mux.Type(activity.TypeEvent, to("type"))
	mux.Message(to("message"))
	mux.MembersAdded(func(_ context.Context, _ *headsup.Turn, people []activity.ChannelAccount) error {
		got = "added"
		for _, p := range people {
			got += " " + string(p.ID)
		}
		return nil
	})
	mux.Event(to("event"), "one", "two")
	mux.Invoke(to("invoke"), "do")
	mux.Command("done", func(_ context.Context, _ *headsup.Turn, args string) error { got = "done <" + args + ">"; return nil })
	mux.Text(to("text"), "run", "run job")
	mux.Text(to("never: an earlier route takes it"), "run")

	message := func(text string) *activity.Activity { return activity.Message(text) }
	added := func(ids ...activity.AccountID) *activity.Activity {
		a := &activity.Activity{Type: activity.TypeConversationUpdate}
		for _, id := range ids {
			a.MembersAdded = append(a.MembersAdded, activity.ChannelAccount{ID: id})
		}
		return a
	}
	cases := []struct {
		a    *activity.Activity
		want string
	}{
		{message("run"), "text"},
		{message("  RUN Job\n"), "text"},
		{message("runner"), "message"},
		{message(""), "message"},
		{message("done 7"), "done <7>"},
		{message("DONE\t7 8 "), "done <7 8>"},
		{message("done\n7"), "done <7>"},
		{message("done"), "done <>"},
		{message("done7"), "message"},
		{&activity.Activity{Type: activity.TypeEvent, Name: "two"}, "event"},
		{&activity.Activity{Type: activity.TypeEvent, Name: "Two"}, "type"},
		{&activity.Activity{Type: activity.TypeInvoke, Name: "do"}, "invoke"},
		{&activity.Activity{Type: activity.TypeInvoke, Name: "undo"}, "otherwise"},
		{added("b", "u", "v"), "added u v"},
		{added("b"), "otherwise"},
		{&activity.Activity{Type: "futureType"}, "otherwise"},
	}
	f := newBot(t, mux.HandleTurn)
	for i, c := range cases {
		got = ""
		a := inbound("", "c", c.a.Text)
		a.Type, a.Name, a.MembersAdded = c.a.Type, c.a.Name, c.a.MembersAdded
		if _, err := f.bot.Process(t.Context(), developer, a); err != nil || got != c.want {
			t.Errorf("case %d, %s %q %q: got %q, %v; want %q", i, a.Type, a.Name, a.Text, got, err, c.want)
		}
	}
}
