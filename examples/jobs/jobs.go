// Package jobs is the job bot: it starts jobs, and tells the person who started one when it is done, wherever and
// whoever completes it. It also keeps reminders.
//
//	run, run job                          start a job
//	show, show jobs                       list the jobs
//	done <number>                         complete one
//	remind me in 10 seconds to stretch    a timer
//
// An event named jobCompleted (or jobComplete) with a job's number as value completes it from anywhere.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/teams"
)

const help = `Say "run" to start a job, or "done <job>" to complete one. "show" lists the jobs. ` +
	`"remind me in 10 seconds to stretch" sets a reminder.`

const welcome = "Welcome! You get this because you opened a chat with the job bot. " +
	"It runs long jobs and speaks up by itself when one is done, so you need not wait. " + help

// patience is how long the one who completes a job waits to be told that the notification has arrived.
const patience = 2 * time.Second

// Bot makes the job bot's handler.
func Bot(engine *proactive.Engine) headsup.Handler {
	b := &bot{engine: engine}
	mux := headsup.NewMux()
	mux.MembersAdded(func(ctx context.Context, t *headsup.Turn, _ []activity.ChannelAccount) error {
		return say(ctx, t, welcome)
	})
	mux.Text(b.run, "run", "run job")
	mux.Text(b.show, "show", "show jobs")
	mux.Command("done", b.done)
	mux.Command("remind", b.remind)
	mux.Event(b.completed, "jobCompleted", "jobComplete")
	mux.Message(func(ctx context.Context, t *headsup.Turn) error { return say(ctx, t, help) })
	return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		if a := t.Activity(); a.Type == activity.TypeMessage { // in the channels of Teams, messages begin with the bot's name
			a.Text = teams.Said(a)
		}
		return mux.HandleTurn(ctx, t)
	})
}

type bot struct {
	engine *proactive.Engine
}

// say answers in plain text: clients read Markdown by default, in which "<job>" is a tag.
func say(ctx context.Context, t *headsup.Turn, text string) error {
	m := activity.Message(text)
	m.TextFormat = activity.TextPlain
	_, err := t.Send(ctx, m)
	return err
}

func (b *bot) run(ctx context.Context, t *headsup.Turn) error {
	job, err := b.engine.StartJob(ctx, t, "", nil)
	if err != nil {
		return err
	}
	return say(ctx, t, fmt.Sprintf("Started job %d. I'll tell you here when it's done.", job.Number))
}

// show lists the newest jobs that fit into a message.
func (b *bot) show(ctx context.Context, t *headsup.Turn) error {
	const most = 50
	jobs, all, err := b.newest(ctx, most)
	if err != nil {
		return err
	}
	if all == 0 {
		return say(ctx, t, "The job log is empty.")
	}
	var text strings.Builder
	text.WriteString("| Job | Conversation | Completed |\n| --- | --- | --- |\n")
	for _, job := range jobs {
		conversation, _, _ := strings.Cut(string(job.Key.Conversation), "|") // the Emulator's suffix says nothing
		fmt.Fprintf(&text, "| %d | %s | %t |\n", job.Number, conversation, job.Completed())
	}
	if all > most {
		fmt.Fprintf(&text, "\nThe newest %d of %d jobs.", most, all)
	}
	table := activity.Message(text.String())
	table.TextFormat = activity.TextMarkdown
	_, err = t.Send(ctx, table)
	return err
}

// newest returns the last n jobs, the newest at the end, and how many there are.
func (b *bot) newest(ctx context.Context, n int) (last []proactive.Job, all int, err error) {
	const page = 1000
	for before := proactive.JobNumber(0); ; {
		jobs, err := b.engine.Jobs(ctx, before, page)
		if err != nil {
			return nil, 0, err
		}
		all += len(jobs)
		last = append(last, jobs[:min(len(jobs), n-len(last))]...)
		if len(jobs) < page {
			slices.Reverse(last)
			return last, all, nil
		}
		before = jobs[len(jobs)-1].Number
	}
}

func (b *bot) done(ctx context.Context, t *headsup.Turn, args string) error {
	if args == "" {
		return say(ctx, t, `Enter the job ID number after "done".`)
	}
	number, err := strconv.ParseInt(args, 10, 64)
	if err != nil {
		return say(ctx, t, help)
	}
	return b.complete(ctx, t, proactive.JobNumber(number))
}

// completed handles the event by which another program completes a job. Its value is the number, as a number or as
// text; it is read as an integer, since numbers may exceed what a float holds exactly.
func (b *bot) completed(ctx context.Context, t *headsup.Turn) error {
	value := t.Activity().Value
	var number proactive.JobNumber
	var text string
	if json.Unmarshal(value, &number) != nil {
		if json.Unmarshal(value, &text) != nil {
			return say(ctx, t, "The event's value is not a job number.")
		}
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return say(ctx, t, "The event's value is not a job number.")
		}
		number = proactive.JobNumber(n)
	}
	return b.complete(ctx, t, number)
}

// once names what completes a job: the activity, whose id is unique in its conversation only. One without id is not
// repeated.
func once(t *headsup.Turn) string {
	if t.Activity().ID == "" {
		return ""
	}
	return t.Key().String() + " " + string(t.Activity().ID)
}

// complete ends a job, which tells its starter, and tells the one who asked what became of that.
func (b *bot) complete(ctx context.Context, t *headsup.Turn, number proactive.JobNumber) error {
	job, id, err := b.engine.CompleteJob(ctx, number, proactive.Completion{
		Tell: activity.Message(fmt.Sprintf("Your queued job %d just completed.", number)),
		Once: once(t),
	})
	switch {
	case errors.Is(err, proactive.ErrNoJob):
		return say(ctx, t, fmt.Sprintf("Sorry, no job with ID %d.", number))
	case errors.Is(err, proactive.ErrJobCompleted):
		return say(ctx, t, "This job is already completed, please start a new job.")
	case err != nil:
		return err
	}
	if job.Key == t.Key() { // what is told here is told after this turn
		return say(ctx, t, "Job completed. Notification queued.")
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	status, err := b.engine.Wait(wait, id)
	if err != nil {
		return err
	}
	if status.State() == outbox.StateDelivered {
		return say(ctx, t, "Job completed. Notification sent.")
	}
	return say(ctx, t, "Job completed. Notification queued.")
}
