package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/outbox"
)

// stillWaiting is how many of the person's deliveries wait for their time; the others are over.
const stillWaiting = 1000

// erase measures what it takes to tell and to erase somebody who was told very much, and what others wait meanwhile.
func erase(ctx context.Context, o options) error {
	at, err := o.place(ctx)
	if err != nil {
		return err
	}
	defer at.remove()
	s, err := at.open(ctx)
	if err != nil {
		return err
	}
	people, ok := s.(privacy.Store)
	if !ok {
		return errors.Join(errors.New("the store keeps no people's data"), s.Close())
	}
	fmt.Printf("  %s\n", at.what)
	return errors.Join(erasePerson(ctx, s, people, o.person), s.Close())
}

func erasePerson(ctx context.Context, s store, people privacy.Store, n int) error {
	if err := tellMuch(ctx, s, n); err != nil {
		return err
	}
	other, err := s.Sight(ctx, someone("somebody else"))
	if err != nil {
		return err
	}
	service, err := privacy.New(privacy.Config{Store: people})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		service.Run(running)
	}()
	defer func() {
		stop()
		<-done
	}()
	if err := meanwhile(ctx, s, other.Key, "nothing, for 5 s", func() error {
		time.Sleep(5 * time.Second)
		return nil
	}); err != nil {
		return err
	}
	entries, err := service.People(ctx, privacy.Who{User: "person"})
	if err != nil {
		return err
	}
	records, bytes := 0, 0
	var tenths []time.Time // when each tenth of them was told, so that what grows faster than the data shows
	if err := meanwhile(ctx, s, other.Key, "export", func() error {
		tenths = append(tenths, time.Now())
		return service.Export(ctx, entries, func(r privacy.Record) error {
			if records++; records%max(1, n/10) == 0 {
				tenths = append(tenths, time.Now())
			}
			bytes += len(r.Data)
			return nil
		})
	}); err != nil {
		return err
	}
	if records < n {
		return fmt.Errorf("%d records are told of %d deliveries", records, n)
	}
	fmt.Printf("    %d records, %d MB%s\n", records, bytes>>20, parts(tenths))
	var x privacy.Erasure
	if err := meanwhile(ctx, s, other.Key, "erasure, until silent", func() (err error) {
		x, err = service.Erase(ctx, entries)
		return err
	}); err != nil {
		return err
	}
	if x.SilentAt.IsZero() {
		fmt.Println("    the request was answered before it was silent")
	}
	var gone []time.Time // as tenths
	if err := meanwhile(ctx, s, other.Key, "erasure, from there until done", func() error {
		gone = append(gone, time.Now())
		for x.DoneAt.IsZero() {
			time.Sleep(20 * time.Millisecond)
			if x, err = service.Erasure(ctx, x.ID); err != nil {
				return err
			}
			for len(gone) <= 10 && x.Counts["delivery"] >= int64(len(gone)*n/10) {
				gone = append(gone, time.Now())
			}
		}
		return nil
	}); err != nil {
		return err
	}
	fmt.Printf("    %d deliveries%s\n", x.Counts["delivery"], parts(gone))
	if gone := x.Counts["delivery"]; gone < int64(n) {
		return fmt.Errorf("%d deliveries were erased of %d", gone, n)
	}
	return nil
}

// parts tells how long each tenth took.
func parts(ends []time.Time) string {
	text := "; each tenth in"
	for i := range min(10, len(ends)-1) {
		text += fmt.Sprintf(" %.2f", ends[i+1].Sub(ends[i]).Seconds())
	}
	return text + " s"
}

// someone is a person met in a conversation of their own.
func someone(user activity.AccountID) book.Sighting {
	ref := activity.Reference{
		ChannelID: "test", ServiceURL: "https://channel.example/",
		Conversation: activity.ConversationAccount{ID: "with " + activity.ConversationID(user)},
		User:         &activity.ChannelAccount{ID: user}, Bot: &activity.ChannelAccount{ID: "bot"},
	}
	return book.Sighting{
		Key: headsup.KeyOf("", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceImport, At: time.Now(),
	}
}

// tellMuch has a person told n things, which are over but for the last. They were called off: that is the quickest way to
// have them, and a row that is over is like another.
func tellMuch(ctx context.Context, s store, n int) error {
	start := time.Now()
	person, err := s.Sight(ctx, someone("person"))
	if err != nil {
		return err
	}
	const atOnce = 500
	first := ident.New()
	if err := each(4, (n+atOnce-1)/atOnce, func(page int) error {
		now := time.Now()
		subs := make([]outbox.Submission, 0, atOnce)
		for i := page * atOnce; i < min(n, (page+1)*atOnce); i++ {
			id := first + int64(i)
			subs = append(subs, outbox.Submission{
				Message: outbox.Message{
					ID: outbox.MessageID(id), Lane: outbox.LaneNormal, OnUnknown: headsup.OnUnknownRetry, CreatedAt: now,
					Body: jsontext.Value(`{"type":"message","text":"` + text(i) + `"}`),
				},
				Deliveries: []outbox.NewDelivery{{ID: outbox.DeliveryID(id), Conversation: person.Row, DueAt: now.Add(24 * time.Hour)}},
				At:         now,
			})
		}
		_, err := s.SubmitMessages(ctx, subs)
		return err
	}); err != nil {
		return err
	}
	if err := each(accepters, n-min(n, stillWaiting), func(i int) error {
		return s.CancelMessage(ctx, outbox.MessageID(first+int64(i)), time.Now())
	}); err != nil {
		return err
	}
	fmt.Printf("  %d deliveries to one person, of which %d wait; made in %.0f s; memory %s\n",
		n, min(n, stillWaiting), time.Since(start).Seconds(), memory("VmRSS"))
	return nil
}

// meanwhile does something, while somebody else's write is made again and again, and tells how long it took and those had
// to wait.
func meanwhile(ctx context.Context, s store, other headsup.ConversationKey, what string, do func() error) error {
	var over atomic.Bool
	var waits []time.Duration
	failed := make(chan error, 1)
	go func() {
		var err error
		for i := 0; err == nil && (!over.Load() || i == 0); i++ {
			name := fmt.Sprint("name ", i)
			start := time.Now()
			err = s.Label(ctx, other, book.Labels{ExternalID: &name}, start)
			waits = append(waits, time.Since(start))
			time.Sleep(5 * time.Millisecond)
		}
		failed <- err
	}()
	start := time.Now()
	err := do()
	took := time.Since(start)
	over.Store(true)
	if err := errors.Join(err, <-failed); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	slices.Sort(waits)
	part := func(p float64) float64 { return waits[int(p*float64(len(waits)-1))].Seconds() * 1000 }
	fmt.Printf("  %-32s %8.2f s; another write waits %.1f ms in the middle, %.1f at 99 %%, %.0f at most (%d of them); memory %s, at most %s\n",
		what, took.Seconds(), part(.5), part(.99), part(1), len(waits), memory("VmRSS"), memory("VmHWM"))
	return nil
}
