package config

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that is not shown: however it is printed, logged or encoded, it says "[redacted]", or nothing when it
// is empty. [Secret.Reveal] tells it.
type Secret struct {
	value string
}

const redacted = "[redacted]"

// NewSecret keeps a text.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the text, to be given to whoever checks it and to nobody else.
func (s Secret) Reveal() string { return s.value }

// Set reports whether there is one.
func (s Secret) Set() bool { return s.value != "" }

// String implements [fmt.Stringer].
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return redacted
}

// Format implements [fmt.Formatter], so that no verb prints more than String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler], which JSON and YAML encoders use.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
