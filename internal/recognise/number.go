package recognise

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// vocabulary is how a language writes numbers in words.
type vocabulary struct {
	small    map[string]int // what is added: units, tens; in Spanish hundreds too
	hundred  []string
	scales   map[string]float64
	and      []string
	articles []string       // words for one that mostly are articles
	parts    []string       // fractions and the like, which are not read
	ordinals map[string]int // -1 is the last
}

var vocabularies = map[Language]vocabulary{
	English: {
		small: with(numbered(0, "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "+
			"fifteen sixteen seventeen eighteen nineteen"), "twenty thirty forty fifty sixty seventy eighty ninety"),
		hundred: words("hundred"), scales: map[string]float64{"thousand": 1e3, "k": 1e3, "million": 1e6, "billion": 1e9},
		and: words("and"), articles: words("a an"), parts: words("half quarter third quarters thirds dozen point minus"),
		ordinals: last(numbered(1, "first|1st second|2nd third|3rd fourth|4th fifth|5th sixth|6th seventh|7th eighth|8th "+
			"ninth|9th tenth|10th"), "last"),
	},
	German: {
		small: with(numbered(0, "null eins|ein|eine|einen|einem|einer zwei|zwo drei vier funf|fuenf sechs sieben acht neun zehn elf "+
			"zwolf|zwoelf dreizehn vierzehn funfzehn sechzehn siebzehn achtzehn neunzehn"),
			"zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig"),
		hundred: words("hundert"), scales: map[string]float64{"tausend": 1e3, "million": 1e6, "millionen": 1e6, "milliarde": 1e9, "milliarden": 1e9},
		articles: words("ein eine einen einem einer"),
		parts:    words("halb halbe halben einhalb anderthalb viertel drittel dutzend komma minus"),
		ordinals: last(numbered(1, "erste|ersten|erster|erstes zweite|zweiten|zweiter|zweites dritte|dritten|dritter|drittes "+
			"vierte|vierten|vierter funfte|funften|funfter sechste|sechsten siebte|siebten achte|achten neunte|neunten "+
			"zehnte|zehnten"), "letzte letzten letzter letztes"),
	},
	French: {
		small: with(numbered(0, "zero un|une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"),
			"vingt|vingts trente quarante cinquante soixante septante huitante|octante nonante"),
		hundred: words("cent cents"), scales: map[string]float64{"mille": 1e3, "million": 1e6, "millions": 1e6, "milliard": 1e9, "milliards": 1e9},
		and: words("et"), articles: words("un une"), parts: words("demi demie quart tiers douzaine virgule moins"),
		ordinals: last(numbered(1, "premier|premiere|1er deuxieme|second|seconde troisieme quatrieme cinquieme sixieme septieme "+
			"huitieme neuvieme dixieme"), "dernier derniere"),
	},
	Spanish: {
		small: spanish(), scales: map[string]float64{"mil": 1e3, "millon": 1e6, "millones": 1e6},
		and: words("y"), articles: words("un una"), parts: words("medio media cuarto tercio docena coma menos"),
		ordinals: last(numbered(1, "primero|primer|primera segundo|segunda tercero|tercer|tercera cuarto|cuarta quinto|quinta "+
			"sexto|sexta septimo|septima octavo|octava noveno|novena decimo|decima"), "ultimo ultima"),
	},
}

// with adds the tens from 20 on.
func with(small map[string]int, tens string) map[string]int {
	for word, n := range numbered(2, tens) {
		small[word] = n * 10
	}
	return small
}

func last(ordinals map[string]int, list string) map[string]int {
	for _, word := range words(list) {
		ordinals[word] = -1
	}
	return ordinals
}

func spanish() map[string]int {
	m := with(numbered(0, "cero uno|un|una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis "+
		"diecisiete dieciocho diecinueve"), "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa")
	maps.Copy(m, numbered(21, "veintiuno|veintiun|veintiuna veintidos veintitres veinticuatro veinticinco veintiseis "+
		"veintisiete veintiocho veintinueve"))
	for word, n := range numbered(1, "cien|ciento doscientos|doscientas trescientos|trescientas cuatrocientos|cuatrocientas "+
		"quinientos|quinientas seiscientos|seiscientas setecientos|setecientas ochocientos|ochocientas novecientos|novecientas") {
		m[word] = n * 100
	}
	return m
}

// Number reads a text that has exactly one number in it, in digits or words.
func Number(locale, text string) (float64, bool) {
	v := vocabularies[LanguageOf(locale)]
	tokens := numerals(locale, plain(text))
	var found []float64
	or, article := WordOr(locale), false
	for i := 0; i < len(tokens); {
		n, used, ok := v.at(tokens[i:])
		switch {
		case !ok && tokens[i].bad, tokens[i].word == or, slices.Contains(v.parts, tokens[i].word): // "one or two" is neither
			return 0, false
		case !ok:
			article = article || slices.Contains(v.articles, tokens[i].word)
			i++
			continue
		case used == 1 && slices.Contains(v.articles, tokens[i].word):
			article = true
		default:
			found = append(found, n)
		}
		i += used
	}
	if len(found) == 0 && article && len(tokens) == 1 {
		return 1, true
	}
	if len(found) != 1 {
		return 0, false
	}
	return found[0], true
}

// Ordinal reads which of several is meant: "the second one", "2", "two"; the last is -1.
func Ordinal(locale, text string) (int, bool) {
	v, found := vocabularies[LanguageOf(locale)], 0
	for _, word := range strings.Fields(Fold(text)) {
		if n, ok := v.ordinals[word]; ok {
			if found != 0 && found != n {
				return 0, false
			}
			found = n
		}
	}
	if found != 0 {
		return found, true
	}
	n, ok := Number(locale, text)
	return int(n), ok && n == math.Trunc(n) && math.Abs(n) < 1e6
}

// numeral is a word, or a number in digits.
type numeral struct {
	word  string
	value float64
	digit bool
	bad   bool // digits that are no number here
}

// numerals splits a text that is plain already.
func numerals(locale, text string) []numeral {
	var out []numeral
	thousands, _ := separators(locale)
	text = strings.NewReplacer("\u00a0", " ", "\u202f", " ", "’", "'", "−", "-").Replace(text)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r >= '0' && r <= '9':
			end := i + 1
			for end < len(text) && (isDigit(text[end]) || inNumber(text[end:], thousands)) {
				end++
			}
			value, ok := digits(locale, text[i:end])
			if strings.HasSuffix(strings.TrimRight(text[:i], " "), "-") && minus(text[:i]) {
				value = -value
			}
			out = append(out, numeral{value: value, digit: true, bad: !ok})
			i = end
		case unicode.IsLetter(r):
			end := i
			for end < len(text) && (text[end] >= 0x80 || text[end] >= 'a' && text[end] <= 'z') {
				end++
			}
			if end == i {
				end++
			}
			out = append(out, numeral{word: text[i:end]})
			i = end
		default:
			i += size
		}
	}
	return out
}

// inNumber reports whether a text goes on a number, with what stands between its digits. A space does before three digits
// only, where it stands between thousands.
func inNumber(text, thousands string) bool {
	if len(text) < 2 || !isDigit(text[1]) {
		return false
	}
	if text[0] == ' ' {
		return thousands == " " && len(text) >= 4 && isDigit(text[2]) && isDigit(text[3]) && (len(text) == 4 || !isDigit(text[4]))
	}
	return strings.IndexByte(".,'", text[0]) >= 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// minus reports whether the dash at the end of a text is a sign: nothing or a space stands before it, and none after.
func minus(before string) bool {
	rest, ok := strings.CutSuffix(before, "-")
	return ok && (rest == "" || strings.HasSuffix(rest, " "))
}

// separators are what stands between thousands and before a fraction.
func separators(locale string) (thousands, point string) {
	lang, region := split(locale)
	dot := region == "CH" || region == "LI" || lang == "es" &&
		slices.Contains(words("MX US PR GT HN NI PA DO SV PE"), region)
	switch {
	case region == "CH" || region == "LI":
		return "'", "."
	case dot || LanguageOf(locale) == English:
		return ",", "."
	case lang == "fr":
		return " ", ","
	default:
		return ".", ","
	}
}

// digits reads a number in digits. Thousands have to be whole, so "1,5" is no number where the comma stands between them.
func digits(locale, text string) (float64, bool) {
	thousands, point := separators(locale)
	whole, fraction, has := strings.Cut(text, point)
	groups := strings.Split(whole, thousands)
	for i, g := range groups {
		if i > 0 && len(g) != 3 || i == 0 && len(groups) > 1 && len(g) > 3 || g == "" || strings.Trim(g, "0123456789") != "" {
			return 0, false
		}
	}
	number := strings.Join(groups, "")
	if has {
		number += "." + fraction
	}
	v, err := strconv.ParseFloat(number, 64)
	return v, err == nil
}

// at reads the number with which a list of words begins, and how many of them it takes.
func (v vocabulary) at(tokens []numeral) (value float64, used int, ok bool) {
	if tokens[0].digit {
		return v.scaled(tokens)
	}
	var total, current float64
	limit := math.Inf(1) // of the next scale
	for i := 0; i < len(tokens); i++ {
		word := tokens[i].word
		if tokens[i].digit {
			break
		}
		if used > 0 && slices.Contains(v.and, word) {
			continue // it counts if something comes after it
		}
		if n, known := v.value(word); known {
			next, fits := join(current, n)
			if !fits && used > 0 {
				break
			}
			current, used = next, i+1
			continue
		}
		if slices.Contains(v.hundred, word) && current < 10 {
			current, used = max(1, current)*100, i+1
			continue
		}
		if scale, known := v.scales[word]; known && scale < limit && (used > 0 || scale == 1e3 && word != "k") {
			total, current, limit, used = total+max(1, current)*scale, 0, scale, i+1
			continue
		}
		break
	}
	return total + current, used, used > 0
}

// scaled reads digits, and a word for thousands or more after them.
func (v vocabulary) scaled(tokens []numeral) (value float64, used int, ok bool) {
	if tokens[0].bad {
		return 0, 0, false
	}
	value, used = tokens[0].value, 1
	if len(tokens) > 1 {
		if scale, known := v.scales[tokens[1].word]; known {
			return value * scale, 2, true
		}
	}
	return value, used, true
}

// join adds a smaller number to one that has been read, if a language would: "twenty" and "one", not "one" and "two".
func join(current, n float64) (float64, bool) {
	tail := math.Mod(current, 100)
	switch {
	case current == 0:
		return n, true
	case tail == 4 && n == 20: // quatre-vingts
		return current + 76, true
	case tail == 0 && n > 0 && n < 100:
		return current + n, true
	case tail >= 20 && math.Mod(tail, 10) == 0 && n > 0 && n < 10:
		return current + n, true
	case (tail == 60 || tail == 80) && n >= 10 && n < 20: // soixante-dix, quatre-vingt-onze
		return current + n, true
	case tail == 10 && n >= 7 && n < 10: // dix-sept
		return current + n, true
	case (tail == 70 || tail == 90) && n >= 7 && n < 10: // soixante-dix-sept
		return current + n, true
	default:
		return current, false
	}
}

// value is what a word adds. German writes numbers as one word.
func (v vocabulary) value(word string) (float64, bool) {
	if n, ok := v.small[word]; ok {
		return float64(n), true
	}
	if !slices.Contains(v.hundred, "hundert") || len(word) > 80 {
		return 0, false
	}
	return v.compound(word)
}

// compound reads a German number: [thousands]tausend[hundreds]hundert[unit und]ten.
func (v vocabulary) compound(word string) (float64, bool) {
	for _, part := range []struct {
		name  string
		scale float64
	}{{"tausend", 1000}, {"hundert", 100}} {
		before, after, found := strings.Cut(word, part.name)
		if !found || before == "" && after == "" {
			continue
		}
		n, rest := 1.0, 0.0
		ok := true
		if before != "" {
			n, ok = v.value(before)
		}
		if ok && after != "" {
			rest, ok = v.value(strings.TrimPrefix(after, "und"))
		}
		if !ok || rest >= part.scale || n >= 1000 {
			return 0, false
		}
		return n*part.scale + rest, true
	}
	unit, ten, found := strings.Cut(word, "und")
	u, knownUnit := v.small[unit]
	t, knownTen := v.small[ten]
	return float64(u + t), found && knownUnit && knownTen && u > 0 && u < 10 && t >= 20 && t%10 == 0
}
