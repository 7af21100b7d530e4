package api

// Topic is what the server's configuration says of a topic.
type Topic struct {
	Topic string `json:"topic" doc:"The topic's name." example:"news"`
	Manners
	Urgent bool `json:"urgent,omitempty" doc:"Nothing of it is held or left unsaid: all of it goes in the urgent lane, and a notification that asks to wait or to be dropped is said as the topic has it."`

	Fallback []Fallback `json:"fallback,omitempty" doc:"Other ways of what goes to one person or place and has none of its own. One that leads nowhere is left out."`

	Default     string `json:"default" enum:"on,off" doc:"Whether those get it who have said nothing of it."`
	Mandatory   bool   `json:"mandatory,omitempty" doc:"Nobody can mute it, or opt out of it."`
	Title       string `json:"title,omitempty" doc:"What it is called, for people who choose among topics."`
	Description string `json:"description,omitempty" doc:"What it is about, for people who choose among topics."`
}

// Topics are all that were configured, by name.
type Topics struct {
	Topics []Topic `json:"topics" doc:"By name. Notifications may have any topic; these are those that the configuration says something of."`
}
