package server_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
)

// TestRosterIsNoted: the server asks Teams with the bot's own token, and finds people by what it was told.
func TestRosterIsNoted(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	s, _ := start(t, o.config())
	p := page{t, s.URL()}
	p.do("POST", "/v1/notifications", `{"to":{"email":"Nadia@contoso.example"},"text":"hello"}`, http.StatusAccepted, nil)
	id := "a:" + azureTenant + ":" + nadia
	o.awaitsIn(t, id, "hello")
	roster := "/v1/conversations/" + url.PathEscape(id) + "/roster"
	var r api.Roster
	eventually(t, func() string { return "there is no " + id }, func() bool {
		var all api.Conversations
		p.do("GET", "/v1/conversations?reach=active", "", http.StatusOK, &all)
		return len(all.Conversations) == 1
	})
	p.do("POST", roster, "", http.StatusOK, &r)
	if r.Members != 1 || r.Conversation != id {
		t.Errorf("%+v", r)
	}
	var people api.People
	p.do("GET", "/v1/people", "", http.StatusOK, &people)
	found := false
	for _, one := range people.People {
		found = found || one.Name == "Member 0"
	}
	if report := o.channel.Report(); !found || report.Unauthorized != 0 || report.Ops[fakechannel.OpMembers] != 1 {
		t.Errorf("the book has %+v after %d questions", people.People, report.Ops[fakechannel.OpMembers])
	}
	if err := o.channel.SetRules(fakechannel.Rule{Op: fakechannel.OpMembers, Status: http.StatusForbidden, Code: "BotNotInConversationRoster"}); err != nil {
		t.Fatal(err)
	}
	var problem api.Problem
	p.do("POST", roster, "", http.StatusBadGateway, &problem)
	if problem.Code != api.CodeChannelRefused {
		t.Errorf("%+v", problem)
	}
}
