package jobs_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/examples/jobs"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// chat is the job bot with people who talk to it.
type chat struct {
	t       *testing.T
	bot     *headsup.Bot
	channel *bottest.Recorder
	seen    map[string]int
	said    int
}

func within(t *testing.T, ch *bottest.Recorder, test func(c *chat)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		engine, err := proactive.New(proactive.Config{Store: store, Channel: ch})
		if err != nil {
			t.Fatal(err)
		}
		bot, err := headsup.New(headsup.Config{
			Channel: ch, Turns: store, Notifier: engine, Middleware: []headsup.Middleware{engine.Middleware()},
		}, jobs.Bot(engine))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { _ = engine.Run(ctx) })
		synctest.Wait()
		test(&chat{t: t, bot: bot, channel: ch, seen: make(map[string]int)})
		stop()
		wg.Wait()
	})
}

// hear delivers an activity of a person, whose conversation has the person's name.
func (c *chat) hear(who string, a *activity.Activity) {
	c.t.Helper()
	c.said++
	a.ID, a.ChannelID, a.ServiceURL = activity.ID(fmt.Sprint(c.said)), "test", "https://c.example.net"
	a.From = &activity.ChannelAccount{ID: activity.AccountID(who)}
	a.Recipient = &activity.ChannelAccount{ID: "bot"}
	a.Conversation = &activity.ConversationAccount{ID: activity.ConversationID(who)}
	if _, err := c.bot.Process(c.t.Context(), auth.Identity{Kind: auth.KindDevelopment}, a); err != nil {
		c.t.Fatal(err)
	}
	synctest.Wait()
}

func (c *chat) say(who, text string) { c.t.Helper(); c.hear(who, activity.Message(text)) }

// expect checks what the bot has told a person since the last time.
func (c *chat) expect(who string, want ...string) {
	c.t.Helper()
	all := c.channel.Texts(activity.ConversationID(who))
	news := all[c.seen[who]:]
	c.seen[who] = len(all)
	if !slices.Equal(news, want) {
		c.t.Errorf("%s was told %q, want %q", who, news, want)
	}
}

const started = "Started job %d. I'll tell you here when it's done."

func TestOneStartsAnotherCompletes(t *testing.T) {
	within(t, &bottest.Recorder{}, func(c *chat) {
		c.say("ann", "run")
		c.expect("ann", fmt.Sprintf(started, 1))
		c.say("ben", " RUN JOB ")
		c.expect("ben", fmt.Sprintf(started, 2))
		c.say("ben", "show")
		c.expect("ben", "| Job | Conversation | Completed |\n| --- | --- | --- |\n| 1 | ann | false |\n| 2 | ben | false |\n")
		c.say("ben", "done 1")
		c.expect("ann", "Your queued job 1 just completed.")
		c.expect("ben", "Job completed. Notification sent.")
		c.say("ben", "show jobs")
		c.expect("ben", "| Job | Conversation | Completed |\n| --- | --- | --- |\n| 1 | ann | true |\n| 2 | ben | false |\n")
	})
}

func TestEventCompletesFromAnywhere(t *testing.T) {
	for name, value := range map[string]string{"jobCompleted": `1`, "jobComplete": `"1"`} {
		t.Run(name, func(t *testing.T) {
			within(t, &bottest.Recorder{}, func(c *chat) {
				c.say("ann", "run")
				c.expect("ann", fmt.Sprintf(started, 1))
				c.hear("system", &activity.Activity{Type: activity.TypeEvent, Name: name, Value: jsontext.Value(value)})
				c.expect("ann", "Your queued job 1 just completed.")
				c.expect("system", "Job completed. Notification sent.")
			})
		})
	}
}

func TestWrongInputsGetTheirAnswer(t *testing.T) {
	within(t, &bottest.Recorder{}, func(c *chat) {
		c.say("ann", "show")
		c.expect("ann", "The job log is empty.")
		c.say("ann", "done")
		c.expect("ann", `Enter the job ID number after "done".`)
		c.say("ann", "done 7")
		c.expect("ann", "Sorry, no job with ID 7.")
		c.hear("ann", &activity.Activity{Type: activity.TypeEvent, Name: "jobCompleted", Value: jsontext.Value(`9223372036854775807`)})
		c.expect("ann", "Sorry, no job with ID 9223372036854775807.")
		c.hear("ann", &activity.Activity{Type: activity.TypeEvent, Name: "jobComplete", Value: jsontext.Value(`"-9007199254740993"`)})
		c.expect("ann", "Sorry, no job with ID -9007199254740993.")
		c.hear("ann", &activity.Activity{Type: activity.TypeEvent, Name: "jobCompleted", Value: jsontext.Value(`1.5`)})
		c.expect("ann", "The event's value is not a job number.")
		c.hear("ann", &activity.Activity{Type: activity.TypeEvent, Name: "somethingElse"})
		c.expect("ann")
		c.say("ann", "run")
		c.expect("ann", fmt.Sprintf(started, 1))
		c.say("ben", "done 1")
		c.expect("ben", "Job completed. Notification sent.")
		c.say("ben", "done 1")
		c.expect("ben", "This job is already completed, please start a new job.")
		c.expect("ann", "Your queued job 1 just completed.")
		for _, text := range []string{"done x", "hello", "", "runner"} {
			c.say("ben", text)
			all := c.channel.Texts("ben")
			if last := all[len(all)-1]; !strings.HasPrefix(last, `Say "run" to start a job, or "done <job>" to complete one.`) {
				t.Errorf("%q is answered %q, want help", text, last)
			}
		}
	})
}

func TestSameActivityIDElsewhereIsNoRepeat(t *testing.T) {
	within(t, &bottest.Recorder{}, func(c *chat) {
		c.say("ann", "run")
		c.say("ben", "done 1")
		c.expect("ben", "Job completed. Notification sent.")
		c.said-- // ids are unique in their conversation only
		c.say("eve", "done 1")
		c.expect("eve", "This job is already completed, please start a new job.")
	})
}

func TestNewcomersAreWelcomed(t *testing.T) {
	within(t, &bottest.Recorder{}, func(c *chat) {
		c.hear("ann", &activity.Activity{Type: activity.TypeConversationUpdate, MembersAdded: []activity.ChannelAccount{{ID: "bot"}}})
		c.expect("ann")
		c.hear("ann", &activity.Activity{Type: activity.TypeConversationUpdate, MembersAdded: []activity.ChannelAccount{{ID: "ann"}}})
		all := c.channel.Texts("ann")
		if len(all) != 1 {
			t.Fatalf("told %q, want one welcome", all)
		}
		for _, part := range []string{"You get this because", "long jobs", `"run"`} {
			if !strings.Contains(all[0], part) {
				t.Errorf("the welcome %q does not say %q", all[0], part)
			}
		}
	})
}

func TestCompleterIsToldQueuedWhenDeliveryTakesLong(t *testing.T) {
	ch := &bottest.Recorder{Fail: func(_ context.Context, out headsup.Outgoing) error {
		if strings.HasPrefix(out.Activity.Text, "Your queued job") {
			return &headsup.SendError{Meaning: headsup.MeaningThrottled, Reason: "throttled", RetryAfter: time.Minute}
		}
		return nil
	}}
	within(t, ch, func(c *chat) {
		c.say("ann", "run")
		start := time.Now()
		c.say("ben", "done 1")
		c.expect("ben", "Job completed. Notification queued.")
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("answered after %v, want 2s", took)
		}
	})
}

func TestCompletingOnesOwnJobDoesNotWaitForItself(t *testing.T) {
	within(t, &bottest.Recorder{}, func(c *chat) {
		c.say("ann", "run")
		start := time.Now()
		c.say("ann", "done 1")
		c.expect("ann", fmt.Sprintf(started, 1), "Job completed. Notification queued.", "Your queued job 1 just completed.")
		if took := time.Since(start); took != 0 {
			t.Errorf("answered after %v", took)
		}
	})
}

func TestReminderComesOnTime(t *testing.T) {
	within(t, &bottest.Recorder{}, func(c *chat) {
		c.say("ann", "remind me in 10 seconds to stretch")
		c.expect("ann", "I'll remind you in 10 seconds.")
		time.Sleep(9 * time.Second)
		c.expect("ann")
		time.Sleep(1100 * time.Millisecond)
		c.expect("ann", "Reminder: stretch")
		c.say("ann", "Remind me in 1 hour to  go HOME")
		c.expect("ann", "I'll remind you in 1 hour.")
		for _, text := range []string{"remind", "remind me", "remind me in 0 seconds to x", "remind me in 999999999 days to x"} {
			c.say("ann", text)
		}
		form, far := `Say it like this: "remind me in 10 seconds to stretch".`, "I can remember things for a year at most, and from one second on."
		c.expect("ann", form, form, far, far)
		time.Sleep(time.Hour + time.Second)
		c.expect("ann", "Reminder: go HOME")
	})
}

func TestShowListsTheNewestHoweverManyThereAre(t *testing.T) {
	within(t, &bottest.Recorder{}, func(c *chat) {
		const jobs = 10_003
		for range jobs {
			c.say("ann", "run")
		}
		c.say("ben", "show")
		table := c.channel.Texts("ben")[0]
		for _, want := range []string{"| 10003 | ann |", "| 9954 | ann |", "The newest 50 of 10003 jobs."} {
			if !strings.Contains(table, want) {
				t.Errorf("the table lacks %q", want)
			}
		}
		if strings.Contains(table, "| 9953 | ann |") {
			t.Error("the table holds more than the newest")
		}
	})
}
