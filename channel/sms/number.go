package sms

import (
	"errors"
	"regexp"
	"strings"
)

// e164 is a number with its country, as the networks have it (ITU-T E.164).
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// Parse makes a telephone number what it is known by: + and its digits, those of the country first. Spaces, hyphens, full stops
// and parentheses between the digits are for people (RFC 3966, section 5.1.1).
func Parse(number string) (string, error) {
	bare := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -.()", r) {
			return -1
		}
		return r
	}, number)
	if !e164.MatchString(bare) {
		return "", errors.New("is not a telephone number with its country, such as +15551234567")
	}
	return bare, nil
}
