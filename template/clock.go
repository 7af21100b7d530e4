package template

import (
	"time"

	"github.com/go-playground/locales"
	"github.com/go-playground/locales/ar"
	"github.com/go-playground/locales/bg"
	"github.com/go-playground/locales/ca"
	"github.com/go-playground/locales/cs"
	"github.com/go-playground/locales/da"
	"github.com/go-playground/locales/de"
	"github.com/go-playground/locales/de_AT"
	"github.com/go-playground/locales/el"
	"github.com/go-playground/locales/en"
	"github.com/go-playground/locales/en_AU"
	"github.com/go-playground/locales/en_CA"
	"github.com/go-playground/locales/en_GB"
	"github.com/go-playground/locales/en_IN"
	"github.com/go-playground/locales/es"
	"github.com/go-playground/locales/es_MX"
	"github.com/go-playground/locales/et"
	"github.com/go-playground/locales/fi"
	"github.com/go-playground/locales/fr"
	"github.com/go-playground/locales/fr_CA"
	"github.com/go-playground/locales/he"
	"github.com/go-playground/locales/hi"
	"github.com/go-playground/locales/hr"
	"github.com/go-playground/locales/hu"
	"github.com/go-playground/locales/id"
	"github.com/go-playground/locales/it"
	"github.com/go-playground/locales/ja"
	"github.com/go-playground/locales/ko"
	"github.com/go-playground/locales/lt"
	"github.com/go-playground/locales/lv"
	"github.com/go-playground/locales/nb"
	"github.com/go-playground/locales/nl"
	"github.com/go-playground/locales/pl"
	"github.com/go-playground/locales/pt"
	"github.com/go-playground/locales/pt_PT"
	"github.com/go-playground/locales/ro"
	"github.com/go-playground/locales/ru"
	"github.com/go-playground/locales/sk"
	"github.com/go-playground/locales/sl"
	"github.com/go-playground/locales/sr"
	"github.com/go-playground/locales/sv"
	"github.com/go-playground/locales/th"
	"github.com/go-playground/locales/tr"
	"github.com/go-playground/locales/uk"
	"github.com/go-playground/locales/vi"
	"github.com/go-playground/locales/zh"
	"github.com/go-playground/locales/zh_Hant"
	"golang.org/x/text/language"
)

// calendars are the languages that dates are written in; in others they are as in ISO 8601.
var calendars = map[string]locales.Translator{
	"ar": ar.New(), "bg": bg.New(), "ca": ca.New(), "cs": cs.New(), "da": da.New(), "de": de.New(), "de-AT": de_AT.New(),
	"el": el.New(), "en": en.New(), "en-AU": en_AU.New(), "en-CA": en_CA.New(), "en-001": en_GB.New(), "en-IN": en_IN.New(),
	"es": es.New(), "es-419": es_MX.New(), "et": et.New(), "fi": fi.New(), "fr": fr.New(), "fr-CA": fr_CA.New(), "he": he.New(),
	"hi": hi.New(), "hr": hr.New(), "hu": hu.New(), "id": id.New(), "it": it.New(), "ja": ja.New(), "ko": ko.New(), "lt": lt.New(),
	"lv": lv.New(), "nb": nb.New(), "nl": nl.New(), "no": nb.New(), "pl": pl.New(), "pt": pt.New(), "pt-PT": pt_PT.New(), "ro": ro.New(),
	"ru": ru.New(), "sk": sk.New(), "sl": sl.New(), "sr": sr.New(), "sv": sv.New(), "th": th.New(), "tr": tr.New(), "uk": uk.New(),
	"vi": vi.New(), "zh": zh.New(), "zh-Hant": zh_Hant.New(),
}

// styles are how a date can be written.
var styles = map[string]bool{"short": true, "medium": true, "long": true, "full": true}

// clock writes times in a zone and a language.
type clock struct {
	words locales.Translator // nil for none
	zone  *time.Location
	known bool // whose zone it is
}

func newClock(tag language.Tag, zone string) *clock {
	c := &clock{zone: time.UTC}
	if at, err := time.LoadLocation(zone); err == nil && zone != "" && zone != "Local" {
		c.zone, c.known = at, true
	}
	for ; tag != language.Und && c.words == nil; tag = tag.Parent() {
		c.words = calendars[tag.String()]
	}
	return c
}

// date writes a day. One that is no moment is the same everywhere.
func (c *clock) date(at time.Time, day bool, style string) string {
	if !day {
		at = at.In(c.zone)
	}
	if c.words == nil {
		return at.Format(time.DateOnly)
	}
	switch style {
	case "short":
		return c.words.FmtDateShort(at)
	case "medium":
		return c.words.FmtDateMedium(at)
	case "full":
		return c.words.FmtDateFull(at)
	}
	return c.words.FmtDateLong(at)
}

// time writes a time of day, with the zone where it may not be the recipient's.
func (c *clock) time(at time.Time) string {
	at = at.In(c.zone)
	text := at.Format("15:04")
	if c.words != nil {
		text = c.words.FmtTimeShort(at)
	}
	if !c.known {
		text += " UTC"
	}
	return text
}
