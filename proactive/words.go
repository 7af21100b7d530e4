package proactive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/language"
)

// Wish is what somebody can say to the bot to be told less, or more.
type Wish string

const (
	WishStop     Wish = "stop"
	WishStart    Wish = "start"
	WishMute     Wish = "mute"   // with a topic
	WishUnmute   Wish = "unmute" // with a topic
	WishSettings Wish = "settings"
)

// UsualWords are what is understood, in English, German, French and Spanish.
func UsualWords() map[Wish][]string {
	return map[Wish][]string{
		WishStop:     {"stop", "unsubscribe", "stopp", "abmelden", "arrêter", "désabonner", "alto", "parar", "baja"},
		WishStart:    {"start", "subscribe", "anmelden", "reprendre", "démarrer", "empezar", "reanudar"},
		WishMute:     {"mute", "stumm", "couper", "silenciar"},
		WishUnmute:   {"unmute", "laut", "rétablir", "activar"},
		WishSettings: {"settings", "einstellungen", "paramètres", "réglages", "ajustes", "configuración"},
	}
}

// Words has people say to the bot, in a chat with it alone, what they want to be told: all for stop, start, mute and unmute
// with a topic, and settings. Such a word is a whole message, by itself; nil understands [UsualWords]. While somebody
// is being asked something only stop is understood, and start only for who has said stop. Anything else goes to the bot. It belongs
// behind [Engine.Actions].
func (e *Engine) Words(words map[Wish][]string) headsup.Middleware {
	if words == nil {
		words = UsualWords()
	}
	known := make(map[string]Wish)
	for _, wish := range slices.Sorted(maps.Keys(words)) {
		for _, word := range words[wish] {
			known[folded(word)] = wish
		}
	}
	return func(next headsup.Handler) headsup.Handler {
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			wish, about := wishIn(t, known)
			if wish == "" {
				return next.HandleTurn(ctx, t)
			}
			done, err := e.wish(ctx, t, wish, about)
			if err != nil || done {
				return err
			}
			return next.HandleTurn(ctx, t)
		})
	}
}

// folded is a text as words are compared.
func folded(text string) string {
	return strings.ToLower(strings.TrimRight(strings.TrimSpace(text), ".!"))
}

// wishIn is the wish that a message is, and what it is about; empty for all other messages.
func wishIn(t *headsup.Turn, known map[string]Wish) (w Wish, about string) {
	a := t.Activity()
	if t.Proactive() || a.Type != activity.TypeMessage || hasValue(a) || slices.ContainsFunc(a.Attachments, beside) ||
		len(a.Text) > MaxTitle+book.MaxTopicName {
		return "", ""
	}
	word, about, _ := strings.Cut(folded(a.Text), " ")
	about = strings.TrimSpace(about)
	switch w = known[word]; w {
	case WishMute, WishUnmute:
		if about == "" {
			return "", ""
		}
	default:
		if about != "" {
			return "", ""
		}
	}
	return w, about
}

// hasValue reports whether a message brings back something else than a text. Some clients write null for nothing.
func hasValue(a *activity.Activity) bool {
	return len(a.Value) > 0 && a.Value.Kind() != jsontext.KindNull
}

// beside reports whether an attachment says something beside the text. Microsoft Teams has the same text once more as HTML with
// every message that is typed there (msteams-docs, issues 3960 and 6040).
func beside(at activity.Attachment) bool {
	return at.ContentType != contentHTML || at.ContentURL != ""
}

const contentHTML = "text/html"

// wish does what somebody wants, and reports whether it was for us.
func (e *Engine) wish(ctx context.Context, t *headsup.Turn, w Wish, about string) (bool, error) {
	c, err := e.cfg.Store.Conversation(ctx, t.Key())
	switch {
	case errors.Is(err, book.ErrNotFound) || err == nil && c.Kind != book.KindPersonal:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look in the book: %w", err)
	}
	if w != WishStop && asked(c, e) {
		return false, nil
	}
	said := wordsOf(cmp.Or(t.Activity().Locale, c.Reference.Locale))
	change := PreferenceChange{By: "word"}
	var answer string
	switch w {
	case WishStop:
		change.OptedOut, answer = new(true), said.stopped
	case WishStart:
		if !c.Preferences.OptedOut && !slices.Contains(c.Preferences.Stopped, c.Key.Channel) {
			return false, nil
		}
		change.OptedOut, answer = new(false), said.started
	case WishMute, WishUnmute:
		name, title, known := e.topicCalled(about, c.Preferences)
		if !known {
			return false, nil
		}
		change.Topics, answer = map[string]*bool{name: new(w == WishUnmute)}, fmt.Sprintf(said.muted, title)
		if w == WishUnmute {
			answer = fmt.Sprintf(said.unmuted, title)
		} else if e.topicOf(name).Mandatory {
			_, err := t.Say(ctx, fmt.Sprintf(said.mandatory, title))
			return true, err
		}
	case WishSettings:
		return true, e.showSettings(ctx, t, c)
	default:
		return false, nil
	}
	if _, err := e.Prefer(ctx, c.Key, change); err != nil {
		return true, err
	}
	_, err = t.Say(ctx, answer)
	return true, err
}

// asked reports whether somebody is in the middle of a dialog, or was asked something.
func asked(c book.Conversation, e *Engine) bool {
	return slices.ContainsFunc(headsup.StillBusy(c.Busy, e.cfg.Now()), func(b headsup.Busy) bool {
		return headsup.DialogBusy(b.By) || strings.HasPrefix(b.By, headsup.BusyQuestion)
	})
}

// topicCalled is the topic that somebody calls so: by its name or its title, of those that are configured or that they have said
// something of.
func (e *Engine) topicCalled(text string, p book.Preferences) (name, title string, known bool) {
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Topics)) {
		if title := e.titleOf(name); folded(name) == text || folded(title) == text {
			return name, title, true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Topics)) {
		if folded(name) == text {
			return name, name, true
		}
	}
	return "", "", false
}

// phrases are what we say of preferences, in a language.
type phrases struct {
	stopped, started, muted, unmuted, mandatory string
	settings, all, allDetail, save, saved       string
	quiet, digest                               string
	usual, none, atOnce, hourly, daily, asNow   string
	byWord                                      string
	one, more                                   string // of notifications
}

var languages = map[string]phrases{
	"en": {
		stopped: "You will get no more notifications, but those that must reach you. Say start to get them again.",
		started: "You will get notifications again.", muted: "You will hear no more of “%s”. Say unmute and its name to undo that.",
		unmuted: "You will hear of “%s” again.", mandatory: "“%s” cannot be muted.",
		settings: "Notifications", all: "Notify me", allDetail: "What must reach you is always sent.", save: "Save", saved: "Your settings are saved.",
		quiet: "Quiet hours", digest: "How often", usual: "As usual", none: "None", atOnce: "Each at once", hourly: "Together, every hour",
		daily: "Together, every day at %s", asNow: "As it is now", byWord: "Say mute or unmute and a topic, stop or start.",
		one: "1 notification", more: "%d notifications",
	},
	"de": {
		stopped: "Sie erhalten keine Benachrichtigungen mehr, außer denen, die Sie erreichen müssen. Mit „start“ erhalten Sie sie wieder.",
		started: "Sie erhalten wieder Benachrichtigungen.", muted: "Sie hören nichts mehr von „%s“. Mit „laut“ und dem Namen wieder.",
		unmuted: "Sie hören wieder von „%s“.", mandatory: "„%s“ lässt sich nicht stummschalten.",
		settings: "Benachrichtigungen", all: "Benachrichtigen", allDetail: "Was Sie erreichen muss, wird immer gesendet.", save: "Speichern", saved: "Ihre Einstellungen sind gespeichert.",
		quiet: "Ruhezeiten", digest: "Wie oft", usual: "Wie üblich", none: "Keine", atOnce: "Einzeln, sofort", hourly: "Zusammen, jede Stunde",
		daily: "Zusammen, täglich um %s", asNow: "Wie jetzt", byWord: "Sagen Sie „stumm“ oder „laut“ und ein Thema, „stopp“ oder „start“.",
		one: "1 Benachrichtigung", more: "%d Benachrichtigungen",
	},
	"fr": {
		stopped: "Vous ne recevrez plus de notifications, sauf celles qui doivent vous parvenir. Dites « reprendre » pour les recevoir à nouveau.",
		started: "Vous recevrez à nouveau des notifications.", muted: "Vous n’entendrez plus parler de « %s ». Dites « rétablir » et son nom pour annuler.",
		unmuted: "Vous entendrez à nouveau parler de « %s ».", mandatory: "« %s » ne peut pas être coupé.",
		settings: "Notifications", all: "Me notifier", allDetail: "Ce qui doit vous parvenir est toujours envoyé.", save: "Enregistrer", saved: "Vos réglages sont enregistrés.",
		quiet: "Heures calmes", digest: "Fréquence", usual: "Comme d’habitude", none: "Aucune", atOnce: "Chacune aussitôt", hourly: "Ensemble, chaque heure",
		daily: "Ensemble, chaque jour à %s", asNow: "Comme maintenant", byWord: "Dites « couper » ou « rétablir » et un sujet, « stop » ou « reprendre ».",
		one: "1 notification", more: "%d notifications",
	},
	"es": {
		stopped: "No recibirá más notificaciones, salvo las que deben llegarle. Diga «empezar» para recibirlas de nuevo.",
		started: "Recibirá notificaciones de nuevo.", muted: "No sabrá más de «%s». Diga «activar» y su nombre para deshacerlo.",
		unmuted: "Sabrá de «%s» de nuevo.", mandatory: "«%s» no se puede silenciar.",
		settings: "Notificaciones", all: "Notificarme", allDetail: "Lo que debe llegarle se envía siempre.", save: "Guardar", saved: "Sus ajustes están guardados.",
		quiet: "Horas de silencio", digest: "Frecuencia", usual: "Como siempre", none: "Ninguna", atOnce: "Cada una enseguida", hourly: "Juntas, cada hora",
		daily: "Juntas, cada día a las %s", asNow: "Como ahora", byWord: "Diga «silenciar» o «activar» y un tema, «parar» o «empezar».",
		one: "1 notificación", more: "%d notificaciones",
	},
}

// wordsOf are our words in a language, or in English.
func wordsOf(locale string) phrases { return language.Lookup(languages, locale) }
