package card

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/internal/markdown"
)

// Submitted is the member of what comes back from a button that holds its ticket: {"headsup": {"ticket": "…"}}.
const Submitted = "headsup"

// Verb is what an Action.Execute of ours is called.
const Verb = "headsup"

type object = map[string]any

// AdaptiveCard makes the notice an Adaptive Card of version 1.5. What is in it is in RichTextBlocks, which no host reads as
// Markdown (Adaptive Cards schema, "TextRun"), or escaped.
func (n *Notice) AdaptiveCard(v View) (jsontext.Value, error) {
	body := []object{n.head(v)}
	if n.Picture != nil {
		body = append(body, object{
			"type": "Image", "url": n.Picture.URL, "altText": n.Picture.Alt, "size": "Stretch", "spacing": "Medium",
		})
	}
	if strings.TrimSpace(n.Text) != "" {
		gap := true
		for _, l := range lines(n.Text) {
			if strings.TrimSpace(l) == "" {
				gap = true
				continue
			}
			block := rich(run(l))
			block["spacing"] = "Small"
			if gap {
				block["spacing"] = "Medium"
			}
			body, gap = append(body, block), false
		}
	}
	if len(n.Facts) > 0 {
		facts := make([]object, len(n.Facts))
		for i, f := range n.Facts {
			facts[i] = object{"title": still(markdown.Escape(f.Title)), "value": still(markdown.Escape(f.Value))}
		}
		body = append(body, object{"type": "FactSet", "facts": facts, "spacing": "Medium"})
	}
	own, out := n.Ways(v)
	for i, actions := range [][]Action{own, out} {
		set, err := v.actionSet(actions)
		if err != nil {
			return nil, err
		}
		if len(set) > 0 {
			spacing := []string{"Medium", "Default"}[i]
			body = append(body, object{"type": "ActionSet", "actions": set, "spacing": spacing})
		}
	}
	if v.Done != "" {
		said := rich(run("✓ " + v.Done))
		said["spacing"], said["separator"] = "Medium", true
		body = append(body, said)
	}
	return json.Marshal(object{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.5",
		"lang": primary(v.Locale), "fallbackText": n.fallback(v), "body": body,
	}, json.Deterministic(true))
}

// head is what happened, to what, who did it and when.
func (n *Notice) head(v View) object {
	w := wordsFor(v.Locale)
	var items []object
	if icon, word := w.severity(n.Severity); word != "" {
		r := run(icon + " " + word)
		r[0]["size"], r[0]["weight"] = "Small", "Bolder"
		items = append(items, rich(r))
	}
	what := run(n.What)
	for i := range what {
		what[i]["size"], what[i]["weight"] = "Medium", "Bolder"
	}
	title := rich(what)
	if len(items) > 0 {
		title["spacing"] = "Small"
	}
	items = append(items, title)
	if n.Item != nil {
		items = append(items, small(linked(n.itemTitle(), n.Item.URL)))
	}
	if n.Actor != nil {
		by := run(w.by + " ")
		by[0]["isSubtle"] = true
		items = append(items, small(append(by, linked(n.Actor.Name, n.Actor.URL)...)))
	}
	if !n.When.IsZero() { // the host writes it for its reader; nothing of the sender's is in it
		at := n.When.UTC().Format(time.RFC3339)
		items = append(items, object{
			"type": "TextBlock", "text": "{{DATE(" + at + ",SHORT)}} {{TIME(" + at + ")}}", "isSubtle": true, "size": "Small", "spacing": "Small",
			"wrap": true,
		})
	}
	head := object{"type": "Container", "items": items}
	if style := n.Severity.style(); style != "" {
		head["style"], head["bleed"] = style, true
	}
	return head
}

// style is a severity's in a Container.
func (s Severity) style() string {
	switch s {
	case Info:
		return "accent"
	case Good:
		return "good"
	case Warning:
		return "warning"
	case Critical:
		return "attention"
	case Default:
	}
	return ""
}

// run is a text as TextRuns. Hosts put dates in place of {{DATE(…)}} there too (Adaptive Cards, "Text features"), so no run
// has two braces beside each other.
func run(text string) []object {
	var runs []object
	for {
		i := strings.Index(text, "{{")
		if i < 0 {
			return append(runs, object{"type": "TextRun", "text": text})
		}
		runs = append(runs, object{"type": "TextRun", "text": text[:i+1]})
		text = text[i+1:]
	}
}

func linked(text, url string) []object {
	runs := run(text)
	if url != "" {
		for i := range runs {
			runs[i]["selectAction"] = object{"type": "Action.OpenUrl", "url": url}
		}
	}
	return runs
}

func rich(runs []object) object { return object{"type": "RichTextBlock", "inlines": runs} }

func small(runs []object) object {
	r := rich(runs)
	r["spacing"] = "Small"
	return r
}

// still keeps hosts from putting a date in place of {{DATE(…)}} where Markdown is read.
func still(markdown string) string { return strings.ReplaceAll(markdown, "{{", `{\{`) }

// actionSet are the buttons, without those that could not come back.
func (v View) actionSet(actions []Action) ([]object, error) {
	var set []object
	for _, a := range actions {
		if a.Do == Open {
			set = append(set, object{"type": "Action.OpenUrl", "title": v.Label(a), "url": a.URL})
			continue
		}
		if v.Ticket == nil {
			continue
		}
		ticket, err := v.Ticket(a)
		if err != nil {
			return nil, err
		}
		if ticket == "" {
			continue
		}
		b := object{"type": "Action.Submit", "title": v.Label(a), "data": object{Submitted: object{"ticket": ticket}}}
		if v.Execute { // clients that do not know it show the fallback ("Universal Actions for Adaptive Cards", backward compatibility)
			b = object{"type": "Action.Execute", "title": b["title"], "verb": Verb, "data": b["data"], "fallback": b}
		}
		set = append(set, b)
	}
	return set, nil
}

// fallback is for hosts that do not know version 1.5. It may be read as Markdown.
func (n *Notice) fallback(v View) string {
	v.Ticket, v.OptOut = nil, nil
	text, err := n.Markdown(v)
	if err != nil { // there are no tickets, which is all that could fail
		return markdown.Escape(n.What)
	}
	return still(text)
}

// primary is the language of a card, as hosts know it.
func primary(locale string) string {
	tag, _, _ := strings.Cut(strings.ReplaceAll(locale, "_", "-"), "-")
	if len(tag) < 2 || len(tag) > 3 {
		return "en"
	}
	return strings.ToLower(tag)
}
