package activity

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ReadReference reads a reference as the SDKs of the fourth generation and their successors store it: a
// ConversationReference of any of them, with or without the "$type" members of Newtonsoft, names that begin with a
// capital, "agent" instead of "bot" and "_channelId" instead of "channelId" (Agents SDK for JavaScript); the record
// {Reference, Claims} of the Agents SDK; or an activity that the bot received. It is as strict as [DecodeReference]
// about the rest, and as a reference from outside it must not be trusted with a token. The error is a *DecodeError.
func ReadReference(data []byte) (Reference, error) {
	o, err := foreign(data)
	if err != nil {
		return Reference{}, err
	}
	if inner := o.object("Reference", "reference"); inner != nil && o["conversation"] == nil {
		o = inner
	}
	if o["conversation"] == nil && o["Conversation"] != nil {
		o = o.uncapitalized(2)
	}
	o.rename("_channelId", "channelId")
	o.rename("agent", "bot")
	if o["from"] != nil && o["recipient"] != nil {
		return ofActivity(o)
	}
	return o.reference()
}

// ReadAddress reads an address as bots of the third generation stored it: the address of Bot Builder 3 for Node, the
// ResumptionCookie of Bot Builder 3 for C# in its JSON form, or a row of the ConversationStarter sample. Otherwise it is
// as [ReadReference].
func ReadAddress(data []byte) (Reference, error) {
	if packed(data) {
		return Reference{}, errPacked()
	}
	o, err := foreign(data)
	if err != nil {
		return Reference{}, err
	}
	switch low := o.lower(); {
	case low.object("address")["conversationid"] != nil || low.object("address")["botid"] != nil:
		return low.cookie().reference()
	case low["toid"] != nil && low["fromid"] != nil:
		return low.starter().reference()
	}
	if o["activityId"] == nil {
		o.rename("id", "activityId")
	}
	delete(o, "useAuth")
	return o.reference()
}

// packed recognises a compressed .NET object by how base64 of gzip begins.
func packed(data []byte) bool {
	var text string
	return json.Unmarshal(data, &text) == nil && strings.HasPrefix(text, "H4sI")
}

// errPacked is why a compressed .NET object is not read: to unpack one runs what its writer chose.
func errPacked() error {
	return &DecodeError{Reason: "is a compressed .NET object, which nobody should unpack; give the cookie as JSON"}
}

// foreignObject is a JSON object that somebody else's program wrote, on its way to ours.
type foreignObject map[string]jsontext.Value

// foreign reads an object within the limits of everything that comes from outside, without its "$type" members.
func foreign(data []byte) (foreignObject, error) {
	var v any
	if err := decode(data, new(jsontext.Value), shapeOther, Limits{}.withDefaults()); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &v, json.WithUnmarshalers(json.UnmarshalFromFunc(exactNumber))); err != nil {
		return nil, decodeError(err)
	}
	clean, err := json.Marshal(withoutTypes(v))
	if err != nil {
		return nil, &DecodeError{Reason: err.Error(), Err: err}
	}
	var o foreignObject
	if err := json.Unmarshal(clean, &o); err != nil {
		return nil, decodeError(err)
	}
	return o, nil
}

// exactNumber keeps numbers as they are written: some are ids beyond what a float holds.
func exactNumber(dec *jsontext.Decoder, v *any) error {
	if dec.PeekKind() != jsontext.KindNumber {
		return errors.ErrUnsupported
	}
	raw, err := dec.ReadValue()
	*v = raw.Clone()
	return err
}

// withoutTypes drops the names of .NET types, which are never followed.
func withoutTypes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "$type")
		for name := range v {
			v[name] = withoutTypes(v[name])
		}
	case []any:
		for i := range v {
			v[i] = withoutTypes(v[i])
		}
	}
	return v
}

// object returns the first member with one of the names that is an object.
func (o foreignObject) object(names ...string) foreignObject {
	for _, name := range names {
		var inner foreignObject
		if o[name].Kind() == jsontext.KindBeginObject && json.Unmarshal(o[name], &inner) == nil {
			return inner
		}
	}
	return nil
}

// rename moves a member unless there is one with the new name.
func (o foreignObject) rename(from, to string) {
	if v := o[from]; v != nil && o[to] == nil {
		o[to] = v
		delete(o, from)
	}
}

// uncapitalized has names that begin with a small letter, down to a depth: what .NET writes without attributes. Of two
// that become the same, the one that was right before stays.
func (o foreignObject) uncapitalized(depth int) foreignObject {
	out := make(foreignObject, len(o))
	for name, v := range o {
		small := name
		if name != "" && name[0] >= 'A' && name[0] <= 'Z' {
			small = string(name[0]+'a'-'A') + name[1:]
		}
		if small != name && o[small] != nil {
			continue
		}
		if inner := o.object(name); inner != nil && depth > 1 {
			v = inner.uncapitalized(depth - 1).raw()
		}
		out[small] = v
	}
	return out
}

// lower has all names in lower case, down to the objects in it.
func (o foreignObject) lower() foreignObject {
	out := make(foreignObject, len(o))
	for name, v := range o {
		if inner := o.object(name); inner != nil {
			v = inner.lower().raw()
		}
		out[strings.ToLower(name)] = v
	}
	return out
}

func (o foreignObject) raw() jsontext.Value {
	raw, err := json.Marshal(o)
	if err != nil {
		return nil // it was read from JSON; the reference will lack it
	}
	return raw
}

// part makes an object of those members that are there: new name, old value, and so on.
func part(pairs ...any) foreignObject {
	o := make(foreignObject)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		switch v := pairs[i+1].(type) {
		case jsontext.Value:
			if v != nil && v.Kind() != jsontext.KindNull {
				o[name] = v
			}
		case foreignObject:
			if len(v) > 0 {
				o[name] = v.raw()
			}
		}
	}
	return o
}

// cookie is the reference of a ResumptionCookie whose names are in lower case.
func (o foreignObject) cookie() foreignObject {
	at := o.object("address")
	return part(
		"user", part("id", at["userid"], "name", o["username"]),
		"bot", part("id", at["botid"]),
		"conversation", part("id", at["conversationid"], "isGroup", o["isgroup"]),
		"channelId", at["channelid"], "serviceUrl", at["serviceurl"], "locale", o["locale"],
	)
}

// starter is the reference of a ConversationStarter row whose names are in lower case. It is written from the view of
// what the bot says: to is the user.
func (o foreignObject) starter() foreignObject {
	return part(
		"user", part("id", o["toid"], "name", o["toname"]),
		"bot", part("id", o["fromid"], "name", o["fromname"]),
		"conversation", part("id", o["conversationid"]),
		"channelId", o["channelid"], "serviceUrl", o["serviceurl"],
	)
}

func (o foreignObject) reference() (Reference, error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return Reference{}, &DecodeError{Reason: err.Error(), Err: err}
	}
	return DecodeReference(raw)
}

func ofActivity(o foreignObject) (Reference, error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return Reference{}, &DecodeError{Reason: err.Error(), Err: err}
	}
	a, err := Decode(raw)
	if err != nil {
		return Reference{}, err
	}
	ref := a.Reference()
	return ref, ref.Validate()
}
