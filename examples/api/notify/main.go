// Command notify says something to somebody, waits until it is delivered, and prints what became of it.
//
//	go run ./examples/api/notify dl_ann "Your build is done."
//
// HEADSUP_SERVER is where the server is, HEADSUP_KEY an API key if it wants one. KEY names what is said: with the same one it
// is said once, however often this runs.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: notify USER TEXT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(user, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.New(client.Config{BaseURL: os.Getenv("HEADSUP_SERVER"), Key: os.Getenv("HEADSUP_KEY")})
	if err != nil {
		return err
	}
	said, err := c.CreateNotification(ctx, api.NotificationRequest{
		To: api.Target{User: user}, Text: text,
	}, client.IdempotencyKey(os.Getenv("KEY")))
	if err != nil {
		return err
	}
	if said, err = c.Wait(ctx, said.ID); err != nil {
		return err
	}
	fmt.Println(said.ID, said.State)
	if said.State != "delivered" {
		return fmt.Errorf("it was not delivered")
	}
	return nil
}
