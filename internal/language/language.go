// Package language finds the words that there are for whom something is said to.
package language

import "strings"

// English is what there are words in for all whose language there are none in.
const English = "en"

// Lookup is what there is for a language, whose tags are in lower case: for what is asked for, without one subtag after the
// other from the end (RFC 4647, "Lookup"), and else for English. Channels write de-AT and de_AT.
func Lookup[T any](all map[string]T, locale string) T {
	tag := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(locale), "_", "-"))
	for tag != "" {
		if found, ok := all[tag]; ok {
			return found
		}
		tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
	}
	return all[English]
}
