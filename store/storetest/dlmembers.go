package storetest

import (
	"sync/atomic"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

func account(id, name string) activity.ChannelAccount {
	return activity.ChannelAccount{ID: activity.AccountID(id), Name: name, Role: activity.RoleUser}
}

// group is a conversation of several people.
func (e *env) group(id string, members ...activity.ChannelAccount) directline.Conversation {
	c := e.line(id)
	c.Kind, c.Name, c.Members = directline.KindGroup, "Ops \"team\"", members
	return c
}

func membersComeAndGo(e *env) {
	ann, bob, cem := account("dl_ann", "Ann"), account("dl_bob", "Bob"), account("dl_cem", "Cem")
	g := e.opens(e.group("g", ann, bob))
	e.isLine(g)
	late := e.group("late", bob)
	late.CreatedAt, late.User, late.Kind = e.at(time.Minute), account("dl_dan", "Dan"), directline.KindChannel // who has left it
	late = e.opens(late)

	added, err := e.AddMembers(e.ctx, "g", []activity.ChannelAccount{bob, cem, cem})
	e.ok(err)
	equal(e.T, "added", added, []activity.ChannelAccount{cem})
	g.Members = []activity.ChannelAccount{ann, bob, cem}
	e.isLine(g)
	e.isLine(late)
	for user, want := range map[activity.AccountID][]directline.Conversation{
		"dl_ann": {g}, "dl_bob": {g, late}, "dl_cem": {g}, "dl_dan": nil, "": {g, late},
	} {
		got, err := e.DirectLineConversations(e.ctx, app, user, 10)
		e.ok(err)
		equal(e.T, "of "+string(user), got, want)
	}

	for _, want := range []bool{true, false} {
		removed, err := e.RemoveMember(e.ctx, "g", "dl_bob")
		e.ok(err)
		if removed != want {
			e.Errorf("removed: %t, want %t", removed, want)
		}
	}
	g.Members = []activity.ChannelAccount{ann, cem}
	e.isLine(g)
	e.isLine(late)
	added, err = e.AddMembers(e.ctx, "g", []activity.ChannelAccount{bob}) // who comes back is the last one
	e.ok(err)
	equal(e.T, "added again", added, []activity.ChannelAccount{bob})
	g.Members = append(g.Members, bob)
	e.isLine(g)

	var news atomic.Int32
	together(10, func(int) {
		added, err := e.AddMembers(e.ctx, "late", []activity.ChannelAccount{ann})
		if err != nil {
			e.Error(err)
		}
		news.Add(int32(len(added)))
	})
	if n := news.Load(); n != 1 {
		e.Errorf("somebody was new %d times", n)
	}
	e.ok(e.EndConversation(e.ctx, "g"))
	_, err = e.AddMembers(e.ctx, "g", []activity.ChannelAccount{account("dl_dan", "Dan")})
	e.is(err, directline.ErrEnded)
	_, err = e.AddMembers(e.ctx, "x", []activity.ChannelAccount{ann})
	e.is(err, directline.ErrNotFound)
	_, err = e.RemoveMember(e.ctx, "x", "dl_ann")
	e.is(err, directline.ErrNotFound)
}

func peopleAreRenamed(e *env) {
	ann, bob := account("dl_ann", "Ann"), account("dl_bob", "Bob")
	personal, g := e.opens(e.line("p")), e.opens(e.group("g", bob, ann))
	foreign := e.line("foreign")
	foreign.AppID = "other"
	foreign = e.opens(foreign)
	e.ok(e.RenameUser(e.ctx, app, "dl_ann", "Änne"))
	personal.User.Name, g.User.Name, g.Members[1].Name = "Änne", "Änne", "Änne"
	e.isLine(personal)
	e.isLine(g)
	e.isLine(foreign)
	e.ok(e.RenameUser(e.ctx, app, "dl_nobody", "X"))
}

func botIsInstalledOrNot(e *env) {
	c := e.opens(e.line("a"))
	for _, step := range []struct{ installed, changed bool }{
		{true, false}, {false, true}, {false, false}, {true, true},
	} {
		changed, err := e.SetInstalled(e.ctx, "a", step.installed)
		e.ok(err)
		if changed != step.changed {
			e.Errorf("installed %t: changed %t, want %t", step.installed, changed, step.changed)
		}
		c.Uninstalled = !step.installed
		e.isLine(c)
	}
	_, err := e.SetInstalled(e.ctx, "x", false)
	e.is(err, directline.ErrNotFound)
	e.ok(e.EndConversation(e.ctx, "a"))
	_, err = e.SetInstalled(e.ctx, "a", false)
	e.is(err, directline.ErrEnded)
}
