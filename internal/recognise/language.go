// Package recognise understands short answers of people: numbers, yes and no, dates and times of day, in English, German,
// French and Spanish. Whatever it does not understand wholly it does not guess.
//
// There is no well-kept Go library for this: those for dates know one or two languages, or read "on Friday at 9" as a
// September and lose the time of "morgen um 15 Uhr" without a word.
package recognise

import (
	"slices"
	"strings"
	"unicode"
)

// Language is one that is understood.
type Language string

const (
	English Language = "en"
	German  Language = "de"
	French  Language = "fr"
	Spanish Language = "es"
)

// LanguageOf is the language of a locale (BCP 47); English if it is another one.
func LanguageOf(locale string) Language {
	lang, _ := split(locale)
	switch l := Language(lang); l {
	case English, German, French, Spanish:
		return l
	default:
		return English
	}
}

// split returns language and region of a locale.
func split(locale string) (lang, region string) {
	parts := strings.FieldsFunc(locale, func(r rune) bool { return r == '-' || r == '_' })
	for i, p := range parts {
		switch {
		case i == 0:
			lang = strings.ToLower(p)
		case len(p) == 2:
			region = strings.ToUpper(p)
		}
	}
	return lang, region
}

// Fold writes a text as words without accents and in small letters, with one space between them, so that texts which
// people take for the same are the same.
func Fold(text string) string {
	return strings.Join(strings.FieldsFunc(plain(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ")
}

var accents = strings.NewReplacer(
	"à", "a", "á", "a", "â", "a", "ä", "a", "ç", "c", "è", "e", "é", "e", "ê", "e", "ë", "e", "ì", "i", "í", "i", "î", "i",
	"ï", "i", "ñ", "n", "ò", "o", "ó", "o", "ô", "o", "ö", "o", "ù", "u", "ú", "u", "û", "u", "ü", "u", "ÿ", "y", "ß", "ss",
	"œ", "oe", "æ", "ae", "\u0300", "", "\u0301", "", "\u0302", "", "\u0303", "", "\u0308", "", "\u0327", "",
)

func plain(text string) string { return accents.Replace(strings.ToLower(text)) }

// WordOr is the word between the last two of several.
func WordOr(locale string) string {
	return map[Language]string{English: "or", German: "oder", French: "ou", Spanish: "o"}[LanguageOf(locale)]
}

// WordsYesNo are the two words.
func WordsYesNo(locale string) (yes, no string) {
	switch LanguageOf(locale) {
	case German:
		return "Ja", "Nein"
	case French:
		return "Oui", "Non"
	case Spanish:
		return "Sí", "No"
	case English:
	}
	return "Yes", "No"
}

type consent struct{ yes, no, blocks []string }

var consents = map[Language]consent{
	English: {
		yes: words("yes yep yeah yup y sure ok okay correct right true absolutely definitely"),
		no:  words("no nope nah n never wrong false"), blocks: words("not maybe perhaps unsure problem"),
	},
	German: {
		yes: words("ja jawohl jo j klar sicher gern gerne genau richtig stimmt ok okay"),
		no:  words("nein nee ne n falsch niemals nie"), blocks: words("nicht vielleicht kein keine problem"),
	},
	French: {
		yes: words("oui ouais o ok okay accord exact vrai absolument volontiers"),
		no:  words("non nan n jamais faux"), blocks: words("pas peut probleme"),
	},
	Spanish: {
		yes: words("si s claro vale ok okay correcto cierto exacto supuesto"),
		no:  words("no n nunca nop falso"), blocks: words("quizas quiza talvez vez problema se"),
	},
}

// longestConsent is how many words a yes or no may have; longer answers say something else too.
const longestConsent = 5

// YesNo reads consent or refusal. What says both, or leaves it open, is neither.
func YesNo(locale, text string) (yes, ok bool) {
	switch strings.TrimSpace(text) {
	case "👍", "✅", "✔️":
		return true, true
	case "👎", "❌":
		return false, true
	}
	tokens := strings.Fields(Fold(text))
	if len(tokens) > longestConsent {
		return false, false
	}
	lang := LanguageOf(locale)
	yes, no, open := consents[lang].read(tokens)
	if !yes && !no && !open {
		yes, no, open = consents[English].read(tokens)
	}
	return yes, yes != no && !open
}

// read reports which words there are: of consent, of refusal, and such as leave it open.
func (c consent) read(tokens []string) (yes, no, open bool) {
	has := func(list []string) bool {
		return slices.ContainsFunc(tokens, func(t string) bool { return slices.Contains(list, t) })
	}
	return has(c.yes), has(c.no), has(c.blocks)
}

func words(list string) []string { return strings.Fields(list) }

// numbered makes a map of words that stand for 0, 1, 2 and so on from start; several words for one are joined by "|".
func numbered(start int, list string) map[string]int {
	m := make(map[string]int)
	for i, alternatives := range strings.Fields(list) {
		for _, word := range strings.Split(alternatives, "|") {
			m[word] = start + i
		}
	}
	return m
}
