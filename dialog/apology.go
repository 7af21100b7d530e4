package dialog

import (
	"context"
	"unicode/utf8"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/recognise"
)

// apologies is what people are told when a conversation cannot go on where it stood.
var apologies = map[recognise.Language]string{
	recognise.English: "Sorry, I have changed since we spoke and cannot go on where we were. Please start again.",
	recognise.German:  "Entschuldigung, ich habe mich seit vorhin verändert und kann hier nicht weitermachen. Bitte beginnen Sie noch einmal.",
	recognise.French:  "Désolé, j'ai changé depuis tout à l'heure et ne peux pas continuer. Veuillez recommencer.",
	recognise.Spanish: "Lo siento, he cambiado desde que hablamos y no puedo continuar. Por favor, empiece de nuevo.",
}

func apologise(ctx context.Context, t *headsup.Turn, _ *LostError) error {
	locale := t.Activity().Locale
	if locale == "" {
		locale = t.Reference().Locale
	}
	m := activity.Message(apologies[recognise.LanguageOf(locale)])
	_, err := t.Send(ctx, m)
	return err
}

// shorten cuts a text to at most n bytes, between letters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
