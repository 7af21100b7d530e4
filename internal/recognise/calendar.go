package recognise

import "maps"

// calendar is how a language speaks of dates and times of day. All words are folded; those of several words have spaces.
type calendar struct {
	months   map[string]int
	days     map[string]int // Sunday is 0
	relative map[string]int // days from today
	units    map[string]unit
	in, ago  []string // before a span; ago of English stands after it
	agoAfter []string
	next     []string // before or after a weekday
	this     []string
	of       []string       // between day, month and year
	at       []string       // before a time of day
	fill     []string       // says nothing
	hour     []string       // after an hour
	noon     map[string]int // hours that have a name
	periods  map[string]period
	half     bool // "halb vier" is half an hour before four
	past     map[string]int
	after    map[string]int // minutes after the hour that was said
}

type unit int

const (
	minutes unit = iota
	hours
	days
	weeks
	months
	years
)

// period is a part of the day.
type period int

const (
	morning period = iota + 1
	afternoon
	night
)

func group[V any](pairs ...map[string]V) map[string]V {
	m := make(map[string]V)
	for _, p := range pairs {
		maps.Copy(m, p)
	}
	return m
}

func each[V any](v V, phrases ...string) map[string]V {
	m := make(map[string]V)
	for _, p := range phrases {
		m[p] = v
	}
	return m
}

var calendars = map[Language]calendar{
	English: {
		months: numbered(1, "january|jan february|feb march|mar april|apr may june|jun july|jul august|aug "+
			"september|sep|sept october|oct november|nov december|dec"),
		days: numbered(0, "sunday|sun monday|mon tuesday|tue|tues wednesday|wed thursday|thu|thur|thurs friday|fri saturday|sat"),
		relative: group(each(0, "today"), each(1, "tomorrow"), each(2, "day after tomorrow"), each(-1, "yesterday"),
			each(-2, "day before yesterday")),
		units: group(each(minutes, "minute", "minutes", "min", "mins"), each(hours, "hour", "hours", "hrs"), each(days, "day", "days"),
			each(weeks, "week", "weeks"), each(months, "month", "months"), each(years, "year", "years")),
		in: []string{"in"}, agoAfter: []string{"ago"}, next: words("next"), this: words("this coming"), of: words("of"), at: words("at"),
		fill: words("on the for by please from"), hour: []string{"o clock", "oclock"},
		noon: group(each(12, "noon", "midday"), each(0, "midnight")),
		periods: group(each(morning, "am", "a m", "in the morning"), each(afternoon, "pm", "p m", "in the afternoon", "in the evening"),
			each(night, "at night")),
		past: group(each(30, "half past"), each(15, "quarter past", "a quarter past"), each(-15, "quarter to", "a quarter to")),
	},
	German: {
		months: numbered(1, "januar|janner|jan februar|feb marz|maerz|mar april|apr mai juni|jun juli|jul august|aug "+
			"september|sep|sept oktober|okt november|nov dezember|dez"),
		days: numbered(0, "sonntag|so montag|mo dienstag|di mittwoch|mi donnerstag|do freitag|fr samstag|sonnabend|sa"),
		relative: group(each(0, "heute"), each(1, "morgen"), each(2, "ubermorgen", "uebermorgen"), each(-1, "gestern"),
			each(-2, "vorgestern")),
		units: group(each(minutes, "minute", "minuten", "min"), each(hours, "stunde", "stunden", "std"), each(days, "tag", "tage", "tagen"),
			each(weeks, "woche", "wochen"), each(months, "monat", "monate", "monaten"), each(years, "jahr", "jahre", "jahren")),
		in: []string{"in"}, ago: []string{"vor"}, next: words("nachsten nachster nachste nachstes kommenden"),
		this: words("diesen dieser diese dieses"), at: words("um gegen"), fill: words("am den der dem ab bitte"), hour: []string{"uhr"},
		noon: group(each(12, "mittag", "mittags"), each(0, "mitternacht")),
		periods: group(each(morning, "morgens", "fruh", "vormittags", "vormittag", "am vormittag"),
			each(afternoon, "nachmittags", "nachmittag", "abends", "abend", "am nachmittag", "am abend"), each(night, "nachts")),
		half: true, past: group(each(15, "viertel nach"), each(-15, "viertel vor")),
	},
	French: {
		months: numbered(1, "janvier|janv fevrier|fev|fevr mars avril|avr mai juin juillet|juil aout septembre|sept octobre|oct "+
			"novembre|nov decembre|dec"),
		days:     numbered(0, "dimanche|dim lundi|lun mardi|mar mercredi|mer jeudi|jeu vendredi|ven samedi|sam"),
		relative: group(each(0, "aujourd hui"), each(1, "demain"), each(2, "apres demain"), each(-1, "hier"), each(-2, "avant hier")),
		units: group(each(minutes, "minute", "minutes", "min"), each(hours, "heure", "heures", "h"), each(days, "jour", "jours"),
			each(weeks, "semaine", "semaines"), each(months, "mois"), each(years, "an", "ans", "annee", "annees")),
		in: []string{"dans", "d ici"}, ago: []string{"il y a"}, next: words("prochain prochaine"), this: words("ce cette"), of: words("de"),
		at: []string{"a", "vers", "pour"}, fill: []string{"le", "la", "du", "pour le", "s il vous plait", "s il te plait", "svp"},
		hour: []string{"h", "heure", "heures"}, noon: group(each(12, "midi"), each(0, "minuit")),
		periods: group(each(morning, "du matin", "matin"),
			each(afternoon, "de l apres midi", "apres midi", "du soir", "soir"), each(night, "de la nuit")),
		after: group(each(30, "et demie", "et demi"), each(15, "et quart"), each(-15, "moins le quart", "moins quart")),
	},
	Spanish: {
		months: numbered(1, "enero|ene febrero|feb marzo|mar abril|abr mayo|may junio|jun julio|jul agosto|ago "+
			"septiembre|setiembre|sep|sept octubre|oct noviembre|nov diciembre|dic"),
		days:     numbered(0, "domingo|dom lunes|lun martes miercoles|mie jueves|jue viernes|vie sabado|sab"),
		relative: group(each(0, "hoy"), each(1, "manana"), each(2, "pasado manana"), each(-1, "ayer"), each(-2, "anteayer", "antes de ayer")),
		units: group(each(minutes, "minuto", "minutos", "min"), each(hours, "hora", "horas"), each(days, "dia", "dias"),
			each(weeks, "semana", "semanas"), each(months, "mes", "meses"), each(years, "ano", "anos")),
		in: []string{"en", "dentro de"}, ago: []string{"hace"}, next: words("proximo proxima"), this: words("este esta"),
		of: words("de del"), at: []string{"a las", "a la", "sobre las", "las"}, fill: []string{"el", "la", "para", "para el", "por favor"},
		hour: []string{"h", "horas", "hs"}, noon: group(each(12, "mediodia", "al mediodia"), each(0, "medianoche", "a medianoche")),
		periods: group(each(morning, "de la manana", "por la manana"), each(afternoon, "de la tarde", "por la tarde"),
			each(night, "de la noche", "por la noche")),
		after: group(each(30, "y media"), each(15, "y cuarto"), each(-15, "menos cuarto")),
	},
}
