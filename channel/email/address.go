package email

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
)

// The longest an address, and what stands before its @, may be (RFC 5321, section 4.5.3.1).
const (
	maxAddress = 254
	maxLocal   = 64
)

// Parse makes an e-mail address what it is known by: in lower case, as ASCII where the domain has other letters. Servers may tell
// mailboxes apart by case, and should not (RFC 5321, section 4.1.2); nobody does, and who has taken ann@example.com off what is
// sent means Ann@example.com as well. What stands before the @ must be ASCII. Addresses with quotes,
// comments or the number of a host in place of a domain are refused: nobody has one who did not mean to break something.
func Parse(address string) (string, error) {
	address, err := parse(address)
	return strings.ToLower(address), err
}

// parse is Parse with what stands before the @ as it is.
func parse(address string) (string, error) {
	local, domain, found := cutLast(address, "@")
	switch {
	case !found || local == "" || domain == "":
		return "", errors.New("is not an e-mail address such as ann@example.com")
	case len(local) > maxLocal:
		return "", fmt.Errorf("has more than %d bytes before the @", maxLocal)
	case strings.ContainsFunc(local, func(r rune) bool { return !atom(r) }) || strings.HasPrefix(local, ".") ||
		strings.HasSuffix(local, ".") || strings.Contains(local, ".."):
		return "", errors.New("has characters before the @ that are not taken: ASCII letters, digits, full stops and !#$%&'*+-/=?^_`{|}~ are")
	}
	domain, err := idna.Lookup.ToASCII(strings.ToLower(domain))
	switch {
	case err != nil:
		return "", fmt.Errorf("has no domain after the @: %w", err)
	case !strings.Contains(domain, ".") && domain != "localhost" || strings.HasSuffix(domain, ".") || allDigits(domain[strings.LastIndex(domain, ".")+1:]):
		return "", errors.New("has no domain after the @ such as example.com")
	case len(local)+1+len(domain) > maxAddress:
		return "", fmt.Errorf("is longer than %d bytes", maxAddress)
	}
	return local + "@" + domain, nil
}

// parseMailbox reads an address that may have a name: Ann Berg <ann@example.com>.
func parseMailbox(text string) (mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return mail.Address{}, fmt.Errorf("%q is not an e-mail address: %w", text, err)
	}
	if a.Address, err = parse(a.Address); err != nil {
		return mail.Address{}, fmt.Errorf("%q %w", text, err)
	}
	if strings.ContainsFunc(a.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return mail.Address{}, fmt.Errorf("%q has a control character in its name", text)
	}
	return *a, nil
}

// domainOf is what stands after the @.
func domainOf(address string) string {
	_, domain, _ := cutLast(address, "@")
	return domain
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// atom reports whether a character may stand before the @ without quotes (RFC 5322, section 3.2.3), with the full stop.
func atom(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".!#$%&'*+-/=?^_`{|}~", r)
}

func allDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
