package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Topic says what goes for the notifications of one topic. Topics are set in the file only: they have names of their own.
type Topic struct {
	Policy      string        `enum:"adhoc,wait,interrupt,cancel,drop" help:"What to do with a notification that does not say so itself, where something goes on in its conversation: adhoc says it at once; wait holds it; interrupt puts aside what goes on; cancel ends it; drop says nothing."`
	MaxWait     time.Duration `name:"max-wait" help:"With wait: how long at most. 24h, if not given."`
	Then        string        `enum:"adhoc,interrupt,cancel,drop" help:"With wait: what to do when it has waited that long. adhoc, if not given."`
	With        string        `help:"With interrupt: the dialog or the handler of the bot that interrupts."`
	Quiet       time.Duration `help:"A conversation also counts as busy until nobody has said anything in it for so long. Not with adhoc."`
	Priority    int           `help:"How pressing it is, from -100 to 100: what goes on with a smaller priority does not hold it. Not with adhoc."`
	Release     string        `enum:"each,digest" help:"With wait: how those are said that have waited together: each by itself, or digest for one message, a list of their texts."`
	Default     string        `enum:"on,off" help:"Whether those get it who have said nothing of it: off is only for those who have asked for it. on, if not given."`
	Mandatory   bool          `help:"Nobody can mute it, or opt out of it, and it passes quiet hours, digests and caps."`
	Title       string        `help:"What it is called, for people who choose among topics. Its name, if not given."`
	Description string        `help:"What it is about, for people who choose among topics."`
	Fallback    string        `placeholder:"WAYS" help:"Other ways of what goes to one person or place, for when those before did not do, one after the other and separated by commas: a channel or an address, perhaps how long the way before has, and what makes it needless, as in: email after 10m unless read, sms:+15551234567 after 1h unless answered."`
	Urgent      bool          `help:"Nothing of the topic is held or left unsaid: all of it goes in the urgent lane, and a notification that asks to wait or to be dropped is said as the topic has it."`
}

// topicsPath is where topics stand in the file.
const topicsPath = "topics"

// topicSettings lists the settings of a topic, with places to set them.
func topicSettings(name string, t *Topic) []setting {
	return walk(reflect.ValueOf(t).Elem(), topicsPath+"."+name+".")
}

// fileTopic is a topic as the file has it.
type fileTopic struct {
	name    string
	line    int
	entries []entry
}

// readTopics takes the topics out of a mapping of their names.
func (f *file) readTopics(node ast.Node) {
	for _, m := range f.members(node, topicsPath) {
		key := m.Key.GetToken()
		path := topicsPath + "." + key.Value
		switch {
		case slices.ContainsFunc(f.topics, func(t fileTopic) bool { return t.name == key.Value }):
			f.complain(path, key.Position.Line, "is given twice")
			continue
		case key.Value == "" || len(key.Value) > maxTopic:
			f.complain(path, key.Position.Line, "is no name of a topic")
			continue
		}
		t := fileTopic{name: key.Value, line: key.Position.Line}
		for _, s := range f.members(m.Value, path) {
			below := path + "." + s.Key.GetToken().Value
			text, ok := scalar(s.Value)
			switch line := s.Key.GetToken().Position.Line; {
			case !ok:
				f.complain(below, line, "must be a single value")
			case slices.ContainsFunc(t.entries, func(e entry) bool { return e.path == below }):
				f.complain(below, line, "is given twice")
			default:
				t.entries = append(t.entries, entry{below, text, line})
			}
		}
		f.topics = append(f.topics, t)
	}
}

// maxTopic bounds the name of a topic, in bytes.
const maxTopic = 255

// setTopics sets the topics that the file has.
func (l *Loaded) setTopics(f *file) (problems Problems) {
	for _, ft := range f.topics {
		var t Topic
		all := topicSettings(ft.name, &t)
		l.origins[topicsPath+"."+ft.name] = Origin{SourceFile, f.name, ft.line}
		for _, e := range ft.entries {
			origin := Origin{SourceFile, f.name, e.line}
			i := slices.IndexFunc(all, func(s setting) bool { return s.path == e.path })
			if i < 0 {
				problems = append(problems, Problem{e.path, origin, unknownSetting(e.path, all)})
				continue
			}
			l.origins[e.path] = origin
			if err := all[i].set(e.text); err != nil {
				problems = append(problems, Problem{e.path, origin, err.Error()})
			}
		}
		if l.Topics == nil {
			l.Topics = make(map[string]Topic)
		}
		l.Topics[ft.name] = t
	}
	return problems
}

// topicValues lists what is set of topics.
func (l Loaded) topicValues() (values []Value) {
	for _, name := range slices.Sorted(maps.Keys(l.Topics)) {
		t := l.Topics[name]
		for _, s := range topicSettings(name, &t) {
			if origin := l.Origin(s.path); origin.Source != SourceDefault {
				values = append(values, Value{s.path, s.text(), origin})
			}
		}
	}
	return values
}

// topicsSample shows topics in the sample file.
func topicsSample() string {
	var b strings.Builder
	b.WriteString("\n# What goes for the notifications of a topic that do not say so themselves, by its name, such as:\n#\n" +
		"#     topics:\n#       news:\n#         policy: wait\n#         max_wait: 30m\n#         then: drop\n#       incidents:\n#         urgent: true\n#       security:\n#         mandatory: true\n#\n")
	for _, s := range topicSettings("", new(Topic)) {
		name := s.path[strings.LastIndex(s.path, ".")+1:]
		for i, line := range wrap(name+": "+s.sentence(), 108) {
			indent := "#   "
			if i > 0 {
				indent = "#     "
			}
			b.WriteString(indent + line + "\n")
		}
	}
	b.WriteString("#topics: {}\n")
	return b.String()
}

// topicsReference documents topics.
func topicsReference() string {
	var b strings.Builder
	b.WriteString("## topics\n\nWhat goes for the notifications of a topic that do not say so themselves, by the topic's name: see\n" +
		"[policies](policies.md). Topics are set in the file only, and have no flags and no variables.\n\n" +
		"```yaml\ntopics:\n  news:\n    policy: wait\n    max_wait: 30m\n    then: drop\n  incidents:\n    urgent: true\n  security:\n    mandatory: true\n```\n\n")
	for _, s := range topicSettings("NAME", new(Topic)) {
		b.WriteString("### `" + s.path + "`\n\n" + s.sentence() + "\n\n")
	}
	return b.String()
}
