package book

import "cmp"

// Place is where in Microsoft Teams a conversation is. Other channels have none.
type Place struct {
	// Team is the id of the team, which is that of its General channel; TeamName what it is called, and Group the id of
	// its group in Microsoft 365, by which Graph knows it.
	Team, TeamName, Group string
	// Room is the id of the team's channel, and RoomName what it is called.
	Room, RoomName string
	// Meeting is the id of the meeting whose chat it is.
	Meeting string
}

// Over is what is known of a place when p is told and earlier was.
func (p Place) Over(earlier Place) Place {
	return Place{
		Team: cmp.Or(p.Team, earlier.Team), TeamName: cmp.Or(p.TeamName, earlier.TeamName), Group: cmp.Or(p.Group, earlier.Group),
		Room: cmp.Or(p.Room, earlier.Room), RoomName: cmp.Or(p.RoomName, earlier.RoomName), Meeting: cmp.Or(p.Meeting, earlier.Meeting),
	}
}
