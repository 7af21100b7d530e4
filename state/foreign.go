package state

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// Writer says by whose marks a value was stored.
type Writer string

const (
	// WriterPlain leaves no marks: this library, and the SDK for JavaScript.
	WriterPlain Writer = ""
	// WriterDotNet is the SDK for .NET, which writes the name of each object's type into it ("$type") and wraps lists
	// ("$values").
	WriterDotNet Writer = "dotnet"
	// WriterPython is the SDK for Python, which writes names of classes ("py/object").
	WriterPython Writer = "python"
)

// maxDepth bounds how deep a stored value may be nested; nothing that a bot keeps comes near.
const maxDepth = 500

// Plain returns a value without the marks that another SDK has left in it, and whose they were. Types are never made from
// the names in the value; whatever they name is data. A value without marks is returned as it is.
func Plain(raw jsontext.Value) (jsontext.Value, Writer, error) {
	w := writerOf(raw)
	if w == WriterPlain {
		return raw, w, nil
	}
	clean, err := plain(raw, 0)
	return clean, w, err
}

// Decode decodes a stored value into v, whoever wrote it.
func Decode(raw jsontext.Value, v any) error {
	clean, w, err := Plain(raw)
	if err != nil {
		return err
	}
	// .NET writes the names of its own properties, in its letter case.
	return json.Unmarshal(clean, v, json.MatchCaseInsensitiveNames(w == WriterDotNet))
}

// writerOf looks for the mark that each SDK leaves in the outermost object.
func writerOf(raw jsontext.Value) Writer {
	dotNet, python := bytes.Contains(raw, []byte(`"$type"`)), bytes.Contains(raw, []byte(`"py/object"`))
	if !dotNet && !python {
		return WriterPlain
	}
	var members map[string]jsontext.Value
	if json.Unmarshal(raw, &members) != nil {
		return WriterPlain
	}
	if _, marked := members["$type"]; marked {
		return WriterDotNet
	}
	if _, marked := members["py/object"]; marked {
		return WriterPython
	}
	return WriterPlain
}

// plain copies a value without marks.
func plain(raw jsontext.Value, depth int) (jsontext.Value, error) {
	if depth > maxDepth {
		return nil, errors.New("state: the value is nested too deeply")
	}
	switch raw.Kind() {
	case jsontext.KindBeginObject:
		return plainObject(raw, depth)
	case jsontext.KindBeginArray:
		var items []jsontext.Value
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, err
		}
		for i := range items {
			var err error
			if items[i], err = plain(items[i], depth+1); err != nil {
				return nil, err
			}
		}
		return json.Marshal(items)
	default:
		return raw, nil
	}
}

func plainObject(raw jsontext.Value, depth int) (jsontext.Value, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	for _, list := range []string{"$values", "py/tuple", "py/set"} {
		if items, ok := members[list]; ok {
			return plain(items, depth+1)
		}
	}
	for name, value := range members {
		if name == "$type" || strings.HasPrefix(name, "py/") {
			delete(members, name)
			continue
		}
		var err error
		if members[name], err = plain(value, depth+1); err != nil {
			return nil, err
		}
	}
	return json.Marshal(members, json.Deterministic(true))
}

// Foreign is a document as the storage of another SDK keeps it.
type Foreign struct {
	// Key is the storage key ("msteams/conversations/19:…/"), or the name of the blob, in which it is percent-encoded.
	// Ignored for a Cosmos DB item that has it inside.
	Key string
	// Body is the document, or the Cosmos DB item that wraps it.
	Body jsontext.Value
}

// Import makes of a document that another SDK has stored the write that keeps it here; whatever is there is replaced. The
// tenant is the one that the person's conversation names; other SDKs do not keep it.
//
// Members stay as they are: [Property] reads them whoever wrote them. What belongs to the storage (eTag, the Cosmos DB item
// around the document) is left out.
func Import(appID string, tenant activity.TenantID, f Foreign) (Write, error) {
	var item struct {
		RealID   string         `json:"realId"`
		ID       string         `json:"id"`
		Document jsontext.Value `json:"document"`
	}
	path, body := f.Key, f.Body
	if json.Unmarshal(f.Body, &item) == nil && item.Document.Kind() == jsontext.KindBeginObject && item.ID != "" {
		body = item.Document
		if path = item.RealID; path == "" {
			path = unescapeCosmos(item.ID)
		}
	}
	if !strings.Contains(path, "/") && strings.Contains(path, "%2") {
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return Write{}, fmt.Errorf("state: import: the key %q: %w", path, err)
		}
		path = decoded
	}
	if path == "" {
		return Write{}, errors.New("state: import: the document has no key")
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(body, &members); err != nil {
		return Write{}, fmt.Errorf("state: import %s: it is not a JSON object: %w", path, err)
	}
	for _, name := range []string{"eTag", "ETag", "$type"} {
		delete(members, name)
	}
	raw, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return Write{}, fmt.Errorf("state: import %s: %w", path, err)
	}
	if len(raw) > MaxDocument {
		return Write{}, &SizeError{Path: path, Size: len(raw), Largest: (&document{members: members}).largest()}
	}
	return Write{Key: Key{AppID: appID, Tenant: tenant, Path: path}, Value: raw, ETag: "*"}, nil
}

// unescapeCosmos undoes what the SDKs do to characters that Cosmos DB does not allow in an id: an asterisk and the
// character's number in hexadecimal (botbuilder-js, CosmosDbKeyEscape).
func unescapeCosmos(id string) string {
	var b strings.Builder
	for i := 0; i < len(id); i++ {
		if id[i] == '*' {
			if c, n := escaped(id[i+1:]); n > 0 {
				b.WriteByte(c)
				i += n
				continue
			}
		}
		b.WriteByte(id[i])
	}
	return b.String()
}

// escaped reads one of the numbers that CosmosDbKeyEscape writes: of TAB, LF and CR with one digit, of the others with two.
func escaped(s string) (c byte, digits int) {
	for n := 2; n >= 1; n-- {
		if len(s) < n {
			continue
		}
		v, err := strconv.ParseUint(s[:n], 16, 8)
		if err == nil && strings.IndexByte("\\?/#*\t\n\r", byte(v)) >= 0 {
			return byte(v), n
		}
	}
	return 0, 0
}
