package recognise_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup/internal/recognise"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	for locale, cases := range map[string]map[string]float64{
		"en": {
			"5": 5, "-3": -3, "1,234.5": 1234.5, "4 people please": 4, "twenty-one": 21, "a hundred and five": 105,
			"two thousand and six": 2006, "three hundred thousand": 300000, "1.5 million": 1.5e6, "zero": 0, "nineteen": 19,
			"we are four": 4, "a": 1, "an": 1, "five thousand three hundred and twelve": 5312, "$20": 20, "2k": 2000,
		},
		"de-DE": {
			"1.234,5": 1234.5, "3,5": 3.5, "einundzwanzig": 21, "zweihundertfünfzig": 250, "dreitausend": 3000, "eins": 1,
			"tausendzweihundertvierunddreißig": 1234, "zwölf Leute": 12, "ein Tisch für vier": 4, "2 Millionen": 2e6,
			"zwei Millionen dreihunderttausend": 2.3e6, "hunderteins": 101,
		},
		"fr": {
			"1 234,5": 1234.5, "vingt et un": 21, "soixante-dix-sept": 77, "quatre-vingts": 80, "quatre-vingt-dix-neuf": 99,
			"deux cents": 200, "mille deux cent trente-quatre": 1234, "une table pour quatre": 4, "un": 1, "soixante et onze": 71,
			"1\u202f500": 1500, "dix-sept": 17,
		},
		"es": {
			"1.234,5": 1234.5, "veintiuno": 21, "treinta y cinco": 35, "ciento uno": 101, "quinientos": 500, "mil doscientos": 1200,
			"una mesa para cuatro": 4, "dos millones": 2e6,
		},
		"es-MX": {"1,234.5": 1234.5}, "de-CH": {"1'234.5": 1234.5}, "pt": {"seven": 7},
	} {
		for text, want := range cases {
			if got, ok := recognise.Number(locale, text); !ok || got != want {
				t.Errorf("%s %q is %v (%t), want %v", locale, text, got, ok, want)
			}
		}
	}
}

func TestWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	for locale, texts := range map[string][]string{
		"en": {"", "hello", "1 or 2", "15:30", "1,5", "one two", "5-6", "12,34", "a table", "half", "1/2", "twenty and a half", "three quarters", "minus five"},
		"de": {"1.5", "eins zwei", "zweiundzwei", "einhunderthundert", "ein Tisch", "1,2,3"}, "fr": {"1.5", "un ou deux"}, "es": {"1.5", "uno dos"},
	} {
		for _, text := range texts {
			if got, ok := recognise.Number(locale, text); ok {
				t.Errorf("%s %q was taken for %v", locale, text, got)
			}
		}
	}
}

func TestOrdinals(t *testing.T) {
	t.Parallel()
	for locale, cases := range map[string]map[string]int{
		"en": {"the second one": 2, "2": 2, "last": -1, "number 3": 3, "1st": 1, "two": 2}, "de": {"die zweite bitte": 2, "das letzte": -1},
		"fr": {"le premier": 1, "la dernière": -1}, "es": {"el tercero": 3, "la última": -1},
	} {
		for text, want := range cases {
			if got, ok := recognise.Ordinal(locale, text); !ok || got != want {
				t.Errorf("%s %q is %d (%t), want %d", locale, text, got, ok, want)
			}
		}
	}
	for _, text := range []string{"first or second", "none", "1.5"} {
		if got, ok := recognise.Ordinal("en", text); ok {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
}

func TestYesAndNo(t *testing.T) {
	t.Parallel()
	for locale, cases := range map[string]string{
		"en": "yes:y Yep!:y ok:y no:n nope:n not-sure:? why-not:? yes-no:? maybe:? hello:? I-am-right-here-in-the-middle:? 👍:y 👎:n",
		"de": "ja:y Ja,-gerne!:y nein:n nicht-sicher:? kein-Problem:? yes:y", "fr": "oui:y d'accord:y non:n pas-d'accord:? peut-être:?",
		"es": "sí:y Si,-claro:y no:n no-se:? por-supuesto:y",
	} {
		for _, one := range strings.Fields(cases) {
			text, want, _ := strings.Cut(strings.ReplaceAll(one, "-", " "), ":")
			yes, ok := recognise.YesNo(locale, text)
			if got := map[bool]string{true: map[bool]string{true: "y", false: "n"}[yes], false: "?"}[ok]; got != want {
				t.Errorf("%s %q is %s, want %s", locale, text, got, want)
			}
		}
	}
}

// now is a Wednesday in November, 10:30 in Berlin.
func now(t *testing.T) time.Time {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return time.Date(2026, 11, 18, 10, 30, 0, 0, zone)
}

func TestMoments(t *testing.T) {
	t.Parallel()
	for locale, cases := range map[string]map[string]string{
		"en-US": {
			"tomorrow": "2026-11-19", "Tomorrow at 3pm": "2026-11-19 15:00", "friday": "2026-11-20", "on Friday at 9": "2026-11-20 09:00",
			"next friday": "2026-11-27", "next monday": "2026-11-23", "wednesday": "2026-11-25", "this wednesday": "2026-11-18",
			"in two weeks": "2026-12-02", "in 2 hours": "2026-11-18 12:30", "in half an hour": "", "3 days ago": "2026-11-15",
			"5 January": "2027-01-05", "January 5th": "2027-01-05", "the 5th of January, 2028": "2028-01-05", "1/5/2027": "2027-01-05",
			"1/5/27": "2027-01-05", "13/5/2027": "2027-05-13", "5/1/85": "1985-05-01", "half past three": "03:30", "3pm": "15:00",
			"15:30": "15:30", "9:15 a.m.": "09:15", "day after tomorrow": "2026-11-20", "noon": "12:00", "tomorrow at noon": "2026-11-19 12:00",
			"quarter to five in the afternoon": "16:45", "Friday, 20 November": "2026-11-20", "Friday, 5 January 2027": "",
			"2026-12-01": "2026-12-01", "2026-12-01T10:00": "2026-12-01 10:00", "2026-12-01T10:00:00Z": "2026-12-01 11:00",
			"12am": "00:00", "12 pm": "12:00", "February 29": "2028-02-29", "in a month": "2026-12-18", "11 o'clock": "11:00",
			"November 18": "2026-11-18", "in the morning at 9": "09:00",
			"": "", "hello": "", "may": "", "5": "", "31 february": "", "2/30/2027": "", "tomorrow friday": "2026-11-19x", "at 25": "",
			"13pm": "13:00", "not tomorrow": "", "3pm 4pm": "", "1-5": "", "I would like to go tomorrow": "", "99999999999999999999": "",
		},
		"en-GB": {"1/5/2027": "2027-05-01", "5/13/2027": "2027-05-13"},
		"de": {
			"morgen": "2026-11-19", "morgen um 15 Uhr": "2026-11-19 15:00", "nächsten Freitag": "2026-11-27", "Freitag": "2026-11-20",
			"am Freitag um halb vier": "2026-11-20 03:30", "in zwei Wochen": "2026-12-02", "5. Januar": "2027-01-05", "5.1.2027": "2027-01-05",
			"5.1.": "2027-01-05", "übermorgen": "2026-11-20", "in 3 Tagen": "2026-11-21", "15 Uhr 30": "15:30", "um 15.30 Uhr": "15:30",
			"heute Abend um 8": "2026-11-18 20:00", "vor einer Woche": "2026-11-11", "viertel nach drei nachmittags": "15:15",
			"am 3. März 2027 um 9:05": "2027-03-03 09:05", "in einer Stunde": "2026-11-18 11:30", "31.2.2027": "", "15.30": "",
		},
		"fr": {
			"demain": "2026-11-19", "demain à 15h": "2026-11-19 15:00", "vendredi prochain": "2026-11-27", "vendredi": "2026-11-20",
			"dans deux semaines": "2026-12-02", "le 5 janvier": "2027-01-05", "1er mai 2027": "2027-05-01", "05/01/2027": "2027-01-05",
			"après-demain": "2026-11-20", "15h30": "15:30", "à trois heures et demie de l'après-midi": "15:30",
			"aujourd'hui à midi": "2026-11-18 12:00", "il y a 3 jours": "2026-11-15", "cinq heures moins le quart": "04:45",
		},
		"es": {
			"mañana": "2026-11-19", "mañana a las 3 de la tarde": "2026-11-19 15:00", "el próximo viernes": "2026-11-27",
			"viernes": "2026-11-20", "en dos semanas": "2026-12-02", "5 de enero de 2027": "2027-01-05", "05/01/2027": "2027-01-05",
			"pasado mañana": "2026-11-20", "a las 15:30": "15:30", "a las tres y media de la tarde": "15:30", "hace dos días": "2026-11-16",
			"el 5 de enero a las 9 de la mañana": "2027-01-05 09:00", "a la una de la tarde": "13:00", "dentro de una hora": "2026-11-18 11:30",
		},
	} {
		for text, want := range cases {
			if strings.HasSuffix(want, "x") { // the weekday contradicts the date
				want = ""
			}
			if got := shown(recognise.Moment(locale, text, now(t))); got != want {
				t.Errorf("%s %q is %q, want %q", locale, text, got, want)
			}
		}
	}
}

// shown writes what was said of a moment: a date, a time of day or both.
func shown(m recognise.Instant, ok bool) string {
	layout := ""
	switch {
	case !ok:
		return ""
	case m.HasDate && m.HasClock:
		layout = "2006-01-02 15:04"
	case m.HasDate:
		layout = time.DateOnly
	default:
		layout = "15:04"
	}
	return m.Time.Format(layout)
}

func TestTimeOfDayIsTheNextOne(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"10:31": 18, "10:30": 19, "9 am": 19, "11pm": 18} {
		m, ok := recognise.Moment("en", text, now(t))
		if !ok || m.Time.Day() != want || m.HasDate {
			t.Errorf("%q is %v (%t), want the %dth", text, m.Time, ok, want)
		}
	}
}

// TestWrittenDatesAreRead: what a program writes in the ways of a language is read as what it was.
func TestWrittenDatesAreRead(t *testing.T) {
	t.Parallel()
	start := now(t)
	rapid.Check(t, func(t *rapid.T) {
		at := time.Date(rapid.IntRange(1980, 2060).Draw(t, "year"), 1, rapid.IntRange(1, 365).Draw(t, "day"),
			rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), 0, 0, start.Location())
		way := rapid.SampledFrom([][2]string{
			{"en-US", "January 2, 2006 at 3:04 pm"}, {"en-US", "1/2/2006 15:04"}, {"en-GB", "2 January 2006, 15:04"},
			{"en-GB", "Monday 02/01/2006 at 3:04pm"}, {"de", "2.1.2006 um 15:04 Uhr"}, {"fr", "le 02/01/2006 à 15h04"},
			{"es", "2/1/2006 a las 15:04"}, {"en", time.RFC3339}, {"de", "2006-01-02 15:04"},
		}).Draw(t, "way")
		text := at.Format(way[1])
		m, ok := recognise.Moment(way[0], text, start)
		if !ok || !m.Time.Equal(time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, start.Location())) {
			t.Fatalf("%s %q is %v (%t), want %v", way[0], text, m.Time, ok, at)
		}
	})
}

func FuzzEverything(f *testing.F) {
	for _, text := range []string{"tomorrow at 3pm", "zweihundertfünfzig", "1.234,5", "5 de enero", "quatre-vingt-dix", "\xff5", "٣"} {
		f.Add("de", text)
	}
	start := time.Date(2026, 11, 18, 10, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, locale, text string) {
		if v, ok := recognise.Number(locale, text); ok && (math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Errorf("%q is %v", text, v)
		}
		if m, ok := recognise.Moment(locale, text, start); ok && (m.Time.Year() < 900 || m.Time.Year() > 13000) {
			t.Errorf("%q is %v", text, m.Time)
		}
		recognise.YesNo(locale, text)
		recognise.Ordinal(locale, text)
		recognise.Fold(text)
	})
}
