package connector_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
)

// Send a message to a conversation, and decide what to do when that fails.
func ExampleClient_SendToConversation() {
	throttled := true
	channel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if throttled {
			throttled = false
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"error":{"code":"Throttled","message":"slow down"}}`)
			return
		}
		fmt.Fprint(w, `{"id":"1700000000000"}`)
	}))
	defer channel.Close()

	client, err := connector.New(connector.Config{AllowLoopback: true}) // a channel on this machine, for development
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()

	for range 2 {
		sent, err := client.SendToConversation(context.Background(), channel.URL, "a:1", activity.Message("Your build is green."))
		if failed, ok := errors.AsType[*connector.Error](err); ok {
			fmt.Println(failed)
			fmt.Println(failed.Class, failed.RetryAfter, failed.MaybeDelivered)
			continue
		}
		fmt.Println("sent", sent.ID)
	}
	// Output:
	// connector: send to conversation: status 429: Throttled: slow down
	// retry 2s false
	// sent 1700000000000
}
