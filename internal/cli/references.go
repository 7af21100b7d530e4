package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
)

// reference is one that was found, and where.
type reference struct {
	place   string // within the file, such as "/jobs/7/reference" or " line 3"
	item    api.ImportItem
	refused string // why it is not even asked for
}

// references are those of a file, in their order. It ends with the first error, which is about the file.
type references = iter.Seq2[reference, error]

// deepest is how deep objects are looked into.
const deepest = 30

// jsonReferences finds references in JSON values, wherever they stand. Only a list's items and a file's values are read one by
// one; anything else is in memory as a whole.
func jsonReferences(from io.Reader) references {
	return func(yield func(reference, error) bool) {
		dec := jsontext.NewDecoder(from)
		for n := 0; ; n++ {
			switch kind := dec.PeekKind(); {
			case dec.StackDepth() == 0 && kind == jsontext.KindBeginArray, dec.StackDepth() == 1 && kind == jsontext.KindEndArray:
				if _, err := dec.ReadToken(); err != nil {
					yield(reference{}, err)
					return
				}
				n = -1
				continue
			}
			value, err := dec.ReadValue()
			switch {
			case errors.Is(err, io.EOF) && dec.StackDepth() == 0:
				return
			case err != nil:
				yield(reference{}, fmt.Errorf("is not JSON: %w", err))
				return
			}
			place := ""
			if n > 0 || dec.StackDepth() > 0 {
				place = fmt.Sprintf("/%d", n)
			}
			if !search(value.Clone(), place, deepest, yield) {
				return
			}
		}
	}
}

// search yields the references in a value, and reports whether there is to be more.
func search(value jsontext.Value, place string, depth int, yield func(reference, error) bool) bool {
	if depth == 0 {
		return true
	}
	switch value.Kind() {
	case jsontext.KindBeginObject:
		return searchObject(value, place, depth, yield)
	case jsontext.KindBeginArray:
		var items []jsontext.Value
		if json.Unmarshal(value, &items) != nil {
			return true
		}
		for i, item := range items {
			if !search(item, fmt.Sprintf("%s/%d", place, i), depth-1, yield) {
				return false
			}
		}
	case jsontext.KindString:
		var text string
		if json.Unmarshal(value, &text) != nil {
			return true
		}
		if strings.HasPrefix(text, "H4sI") { // how base64 of gzip begins
			return yield(reference{place: place, refused: "is a compressed .NET object, which nobody should unpack; store the reference as JSON"}, nil)
		}
		inner := jsontext.Value(strings.TrimSpace(text))
		if kind := inner.Kind(); (kind == jsontext.KindBeginObject || kind == jsontext.KindBeginArray) && inner.IsValid() {
			return search(inner, place, depth-1, yield)
		}
	case jsontext.KindNull, jsontext.KindTrue, jsontext.KindFalse, jsontext.KindNumber:
	}
	return true
}

func searchObject(value jsontext.Value, place string, depth int, yield func(reference, error) bool) bool {
	var members map[string]jsontext.Value
	if json.Unmarshal(value, &members) != nil {
		return true
	}
	if activity.Recognisable(members) {
		return yield(reference{place: place, item: itemOf(value, members)}, nil)
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !search(members[name], place+"/"+name, depth-1, yield) {
			return false
		}
	}
	return true
}

// itemOf is a reference by itself, or one that the API's own members stand beside.
func itemOf(value jsontext.Value, members map[string]jsontext.Value) api.ImportItem {
	if members["reference"] != nil {
		var item api.ImportItem
		if json.Unmarshal(value, &item, json.RejectUnknownMembers(true)) == nil {
			return item
		}
	}
	return api.ImportItem{Reference: []byte(value)}
}

// isCSV tells by a file's name.
func isCSV(name string) bool { return strings.EqualFold(filepath.Ext(name), ".csv") }

// csvDefaults are for lines that do not tell.
type csvDefaults struct{ channel, bot string }

// columns are where a column's text belongs in a reference, by its name in lower case without underscores, hyphens and spaces.
var columns = map[string][]string{
	"conversationid": {"conversation", "id"}, "conversationname": {"conversation", "name"}, "conversationtype": {"conversation", "conversationType"},
	"isgroup": {"conversation", "isGroup"}, "tenantid": {"conversation", "tenantId"}, "tenant": {"conversation", "tenantId"},
	"channelid": {"channelId"}, "channel": {"channelId"}, "serviceurl": {"serviceUrl"}, "locale": {"locale"},
	"userid": {"user", "id"}, "toid": {"user", "id"}, "username": {"user", "name"}, "toname": {"user", "name"}, "name": {"user", "name"},
	"aadobjectid": {"user", "aadObjectId"}, "aadid": {"user", "aadObjectId"}, "objectid": {"user", "aadObjectId"},
	"upn": {"user", "userPrincipalName"}, "userprincipalname": {"user", "userPrincipalName"}, "email": {"user", "email"},
	"botid": {"bot", "id"}, "fromid": {"bot", "id"}, "botname": {"bot", "name"}, "fromname": {"bot", "name"},
}

// csvReferences makes a reference of each line of a file whose first has the names of columns.
func csvReferences(from io.Reader, defaults csvDefaults, unknown func(column string)) references {
	return func(yield func(reference, error) bool) {
		r := csv.NewReader(skipMark(from))
		header, err := r.Read()
		if err != nil {
			yield(reference{}, fmt.Errorf("has no line of names: %w", err))
			return
		}
		names := make([]string, len(header))
		for i, name := range header {
			names[i] = columnName(name)
			if columns[names[i]] == nil && !slices.Contains([]string{"externalid", "timezone", "tags"}, names[i]) {
				unknown(name)
			}
		}
		if !slices.Contains(names, "conversationid") {
			yield(reference{}, errors.New("has no column conversation_id"))
			return
		}
		for {
			line, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(reference{}, err)
				return
			}
			number, _ := r.FieldPos(0)
			if !yield(csvReference(number, names, line, defaults), nil) {
				return
			}
		}
	}
}

// csvReference is the reference of one line.
func csvReference(number int, names, line []string, defaults csvDefaults) reference {
	type part = map[string]any
	out := part{}
	set := func(value any, path ...string) {
		at := out
		for _, name := range path[:len(path)-1] {
			if at[name] == nil {
				at[name] = part{}
			}
			at, _ = at[name].(part)
		}
		at[path[len(path)-1]] = value
	}
	if defaults.channel != "" {
		set(defaults.channel, "channelId")
	}
	if defaults.bot != "" {
		set(defaults.bot, "bot", "id")
	}
	var item api.ImportItem
	for i, text := range line {
		switch {
		case text == "":
		case names[i] == "externalid":
			item.ExternalID = text
		case names[i] == "timezone":
			item.TimeZone = text
		case names[i] == "tags":
			item.Tags = strings.Fields(text)
		case names[i] == "isgroup":
			set(strings.EqualFold(text, "true") || text == "1", columns[names[i]]...)
		case columns[names[i]] != nil:
			set(text, columns[names[i]]...)
		}
	}
	raw, err := json.Marshal(out, json.Deterministic(true))
	if err != nil { // texts that are no UTF-8: the server refuses what has no members
		raw = []byte("{}")
	}
	item.Reference = raw
	return reference{place: fmt.Sprintf(" line %d", number), item: item}
}

func columnName(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.TrimSpace(name)))
}

// skipMark leaves out the byte order mark that spreadsheets write.
func skipMark(from io.Reader) io.Reader {
	head := make([]byte, 3)
	n, err := io.ReadFull(from, head)
	if err == nil && string(head) == "\ufeff" {
		return from
	}
	return io.MultiReader(strings.NewReader(string(head[:n])), from)
}
