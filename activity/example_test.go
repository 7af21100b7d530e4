package activity_test

import (
	"fmt"

	"github.com/headsup-bot/headsup/activity"
)

const inbound = `{"type":"message","id":"1719","channelId":"msteams","serviceUrl":"https://smba.example/emea/",
	"from":{"id":"29:nadia"},"recipient":{"id":"28:bot"},"conversation":{"id":"a:1"},"text":"run","futureMember":{"kept":true}}`

// Remember where a conversation is, and say something there later.
func ExampleReference_Outgoing() {
	a, err := activity.Decode([]byte(inbound))
	if err != nil {
		fmt.Println(err)
		return
	}
	ref := a.Reference()
	ref.ActivityID = "" // a new message rather than an answer to that one

	m := activity.Message("Your build is green.")
	ref.Outgoing(m)
	body, err := activity.Encode(m)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(body))
	// Output:
	// {"type":"message","channelId":"msteams","serviceUrl":"https://smba.example/emea/","from":{"id":"28:bot"},"recipient":{"id":"29:nadia"},"conversation":{"id":"a:1"},"text":"Your build is green."}
}

// What the package does not know survives.
func ExampleDecode() {
	a, err := activity.Decode([]byte(inbound))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Type, a.Text, a.From.ID, a.Extra)
	// Output:
	// message run 29:nadia {"futureMember":{"kept":true}}
}

// A refused body names the member.
func ExampleDecodeError() {
	_, err := activity.Decode([]byte(`{"type":"message","serviceUrl":"https://good.example","ServiceURL":"https://evil.example"}`))
	fmt.Println(err)
	_, err = activity.Decode([]byte(`{"type":"message","from":{"id":7}}`))
	fmt.Println(err)
	// Output:
	// activity: /ServiceURL: another spelling of "serviceUrl"
	// activity: /from/id: unexpected JSON number
}

// A mention is an entity whose text also stands in the message.
func ExampleMention() {
	mention := activity.Mention{Mentioned: activity.ChannelAccount{ID: "29:nadia", Name: "Nadia"}, Text: "<at>Nadia</at>"}
	entity, err := mention.Entity()
	if err != nil {
		fmt.Println(err)
		return
	}
	m := activity.Message("Well done, " + mention.Text + "!")
	m.Entities = []activity.Entity{entity}
	body, err := activity.Encode(m)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(body))
	// Output:
	// {"type":"message","text":"Well done, <at>Nadia</at>!","entities":[{"type":"mention","mentioned":{"id":"29:nadia","name":"Nadia"},"text":"<at>Nadia</at>"}]}
}
