package activity

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Types of entities.
const (
	EntityMention           = "mention"
	EntityClientInfo        = "clientInfo"
	EntityPlace             = "Place"
	EntityGeoCoordinates    = "GeoCoordinates"
	EntityThing             = "Thing"
	EntityStreamInfo        = "streaminfo"
	EntityContext           = "context"
	EntityActivityTreatment = "activityTreatment"
	EntityProductInfo       = "ProductInfo"
	EntityMessage           = "https://schema.org/Message"
)

// Entity is a fact about an activity: a mention, the client's time zone, a place on a stream. All members but the type
// are in Extra; [Entity.Members] reads them into a struct and [NewEntity] makes an entity from one.
type Entity struct {
	Type string `json:"type,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// UnmarshalJSONFrom reads an entity. It never fails on valid JSON, since malformed entities are ignored (A2105): one
// that is no object leaves e empty, a type that is no string stays in Extra.
func (e *Entity) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*e = Entity{}
	if dec.PeekKind() != jsontext.KindBeginObject {
		return dec.SkipValue()
	}
	var object struct {
		Type  jsontext.Value `json:"type"`
		Extra jsontext.Value `json:",embed"`
	}
	if err := json.UnmarshalDecode(dec, &object); err != nil {
		return err
	}
	e.Extra = object.Extra
	switch object.Type.Kind() {
	case jsontext.KindString:
		return json.Unmarshal(object.Type, &e.Type)
	case jsontext.KindInvalid, jsontext.KindNull: // absent
	default:
		e.Extra = withMember("type", object.Type, object.Extra)
	}
	return nil
}

// withMember returns object, which does not have the member yet, with the member in front.
func withMember(name string, value, object jsontext.Value) jsontext.Value {
	rest := bytes.TrimSpace(bytes.TrimPrefix(object, []byte("{")))
	out := fmt.Appendf(nil, `{%q:%s`, name, value)
	switch {
	case len(rest) == 0:
		return append(out, '}')
	case rest[0] != '}':
		out = append(out, ',')
	}
	return append(out, rest...)
}

// NewEntity returns an entity of type typ whose members are those of v, which must encode as a JSON object without a
// member "type".
func NewEntity(typ string, v any) (Entity, error) {
	members, err := json.Marshal(v)
	if err != nil {
		return Entity{}, fmt.Errorf("entity %s: %w", typ, err)
	}
	if jsontext.Value(members).Kind() != jsontext.KindBeginObject {
		return Entity{}, fmt.Errorf("entity %s: members are no JSON object", typ)
	}
	if _, ok := Member(members, "type"); ok {
		return Entity{}, fmt.Errorf("entity %s: members hold a second type", typ)
	}
	return Entity{Type: typ, Extra: members}, nil
}

// Members reads the entity's members, without its type, into v.
func (e Entity) Members(v any) error {
	if len(e.Extra) == 0 {
		return nil
	}
	if err := json.Unmarshal(e.Extra, v); err != nil {
		return fmt.Errorf("entity %s: %w", e.Type, err)
	}
	return nil
}

// Mention is the entity "mention": a party named in the text. Text is the part of the activity's text that names it; in
// Teams that is <at>Name</at>.
type Mention struct {
	Mentioned ChannelAccount `json:"mentioned,omitzero"`
	Text      string         `json:"text,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// StreamInfo is the entity "streaminfo": where an activity stands in a streamed answer.
type StreamInfo struct {
	StreamID       string       `json:"streamId,omitzero"`
	StreamSequence int64        `json:"streamSequence,omitzero"`
	StreamType     StreamType   `json:"streamType,omitzero"`
	StreamResult   StreamResult `json:"streamResult,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// StreamType is the kind of one streamed activity. Absent means StreamStreaming.
type StreamType string

// The stream types.
const (
	StreamInformative StreamType = "informative"
	StreamStreaming   StreamType = "streaming"
	StreamFinal       StreamType = "final"
)

// StreamResult is how a stream ended.
type StreamResult string

// The stream results.
const (
	StreamSuccess StreamResult = "success"
	StreamTimeout StreamResult = "timeout"
	StreamError   StreamResult = "error"
)

// ClientInfo is the entity "clientInfo": what the channel knows of the user's device. Bots do not send it (A9201).
type ClientInfo struct {
	Locale   string `json:"locale,omitzero"` // deprecated in favour of the activity's
	Country  string `json:"country,omitzero"`
	Platform string `json:"platform,omitzero"`
	Timezone string `json:"timezone,omitzero"` // an IANA name

	Extra jsontext.Value `json:",embed"`
}

// Entity returns the mention as an entity.
func (m Mention) Entity() (Entity, error) { return NewEntity(EntityMention, m) }

// Entity returns the stream information as an entity.
func (s StreamInfo) Entity() (Entity, error) { return NewEntity(EntityStreamInfo, s) }

// Entity returns the client information as an entity.
func (c ClientInfo) Entity() (Entity, error) { return NewEntity(EntityClientInfo, c) }

// Mention reads the entity as a mention. It reports false when the entity is of another type or malformed.
func (e Entity) Mention() (Mention, bool) { return entityAs[Mention](e, EntityMention) }

// StreamInfo reads the entity as stream information. It reports false when the entity is of another type or malformed.
func (e Entity) StreamInfo() (StreamInfo, bool) { return entityAs[StreamInfo](e, EntityStreamInfo) }

// ClientInfo reads the entity as client information. It reports false when the entity is of another type or malformed.
func (e Entity) ClientInfo() (ClientInfo, bool) { return entityAs[ClientInfo](e, EntityClientInfo) }

func entityAs[T any](e Entity, typ string) (T, bool) {
	var v T
	if e.Type != typ || e.Members(&v) != nil {
		var zero T
		return zero, false
	}
	return v, true
}

func (e Entity) clone() Entity {
	e.Extra = slices.Clone(e.Extra)
	return e
}
