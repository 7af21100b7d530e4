package server_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/bottest/faketeams"
	"github.com/headsup-bot/headsup/server"
)

// playedTeams is the playground's Teams.
type playedTeams struct {
	page
	faketeams.State
}

func (o *playedTeams) do(deed string) (id string) {
	o.Helper()
	var made struct{ ID string }
	o.page.do("POST", "/playground/api/teams/do", deed, 200, &made)
	o.State = faketeams.State{}
	o.page.do("GET", "/playground/api/teams/state", "", 200, &o.State)
	return made.ID
}

// sees waits until somebody in a conversation sees a text of the bot.
func (o *playedTeams) sees(conversation, text string) {
	o.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var got struct{ Posts []faketeams.Post }
		o.page.do("GET", "/playground/api/teams/posts?conversation="+url.QueryEscape(conversation), "", 200, &got)
		if slices.ContainsFunc(got.Posts, func(p faketeams.Post) bool { return p.Bot && strings.Contains(string(p.Activity), text) }) {
			return
		}
		if time.Now().After(deadline) {
			o.Fatalf("%q is not said in %s: %+v", text, conversation, got.Posts)
		}
	}
}

// TestPlaygroundHasTeams: its bot is installed, spoken to and speaks first in a chat, a group and a thread, over the Connector API.
func TestPlaygroundHasTeams(t *testing.T) {
	t.Parallel()
	o := &playedTeams{page: page{t, running(t, server.Config{Demo: true})}}
	var setup struct{ Teams bool }
	o.page.do("GET", "/playground/api/setup", "", 200, &setup)
	if !setup.Teams {
		t.Error("there is no Teams")
	}
	o.page.do("GET", "/playground/api/teams/state", "", 200, &o.State)
	ann, team, chat := o.People[0], o.Teams[0], o.Chats[0]
	for _, place := range []string{ann.ObjectID, team.ID, string(chat.ID)} {
		o.do(`{"do":"install","where":"` + place + `","who":"` + ann.ObjectID + `"}`)
	}
	mention := `<at>` + o.Bot.Name + `</at> run`
	places := []string{string(ann.Conversation)}
	for _, place := range []string{string(chat.ID), team.ID} {
		places = append(places, o.do(`{"do":"say","who":"`+ann.ObjectID+`","where":"`+place+`","text":"`+mention+`"}`))
	}
	o.do(`{"do":"say","who":"` + ann.ObjectID + `","where":"` + places[0] + `","text":"run"}`)
	for _, place := range places {
		o.sees(place, "I only bring notifications")
		r, answer := request(t, http.MethodPost, o.url+"/v1/notifications", `{"to":{"conversation":"`+place+`"},"text":"Build 7 is out."}`)
		if r.StatusCode/100 != 2 {
			t.Errorf("notify %s: %d %s", place, r.StatusCode, answer)
		}
		o.sees(place, "Build 7")
	}
	o.do(`{"do":"uninstall","where":"` + ann.ObjectID + `"}`)
	var book struct {
		Conversations []struct{ ID, Kind, Reach string }
	}
	o.page.do("GET", "/v1/conversations?channel=msteams", "", 200, &book)
	reach := map[string]string{}
	for _, c := range book.Conversations {
		reach[c.Kind] = c.Reach
	}
	if reach["personal"] != "uninstalled" || reach["group"] != "active" || reach["channel"] != "active" {
		t.Errorf("the book has %+v", book)
	}
}
