package activity

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Form is how another program has written a reference down.
type Form string

const (
	// FormReference is a ConversationReference as SDKs of the fourth generation and their successors write it.
	FormReference Form = "reference"
	// FormRecord is the record {Reference, Claims} of the Agents SDK.
	FormRecord Form = "record"
	// FormActivity is an activity that the bot received.
	FormActivity Form = "activity"
	// FormAddress is the address of Bot Builder 3 for Node.
	FormAddress Form = "address"
	// FormCookie is the ResumptionCookie of Bot Builder 3 for C#, as JSON.
	FormCookie Form = "cookie"
	// FormStarter is a row of the ConversationStarter sample.
	FormStarter Form = "starter"
)

// Found is a reference that another program has stored, and what it told beside it. Nobody vouches for any of it.
type Found struct {
	Reference Reference
	Form      Form
	// AppID is of the bot that stored it, as it said; mostly empty. It is the audience among the claims of a record.
	AppID string
}

// Recognise reads a reference in whatever form it was stored: all that [ReadReference] and [ReadAddress] read, told from each
// other by their members, and what the SDK for Python writes with as_dict or jsonpickle. The error is a *DecodeError.
func Recognise(data []byte) (Found, error) {
	if packed(data) {
		return Found{}, errPacked()
	}
	o, err := foreign(data)
	if err != nil {
		return Found{}, err
	}
	form := o.form()
	found := Found{Form: form}
	switch form {
	case FormCookie, FormStarter, FormAddress:
		found.Reference, err = ReadAddress(data)
		return found, err
	case FormRecord:
		found.AppID = o.object("Claims", "claims").text("aud")
	case FormReference, FormActivity:
	}
	if o.pickled() {
		plain := o.unpickled(3)
		if inner := plain.object("reference"); inner != nil && plain["conversation"] == nil {
			plain = inner
		}
		data = plain.raw()
	}
	found.Reference, err = ReadReference(data)
	return found, err
}

// Recognisable reports whether an object looks like one that [Recognise] reads, complete or not: so that references can be
// picked out of whatever a program kept them in.
func Recognisable(object map[string]jsontext.Value) bool {
	o := foreignObject(object)
	low := make(map[string]jsontext.Value, len(o))
	for name, v := range o {
		low[strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "_")), "_", "")] = v
	}
	has := func(name string, kind jsontext.Kind) bool { return low[name].Kind() == kind }
	names := func(of string, any ...string) bool {
		var inner map[string]jsontext.Value
		if !has(of, jsontext.KindBeginObject) || json.Unmarshal(low[of], &inner) != nil {
			return false
		}
		for name := range inner {
			if slices.Contains(any, strings.ToLower(name)) {
				return true
			}
		}
		return false
	}
	switch {
	case names("address", "botid", "conversationid"):
		return true
	case has("toid", jsontext.KindString) && has("fromid", jsontext.KindString):
		return true
	case names("reference", "conversation", "channelid", "serviceurl"):
		return true
	}
	return has("conversation", jsontext.KindBeginObject) && (has("channelid", jsontext.KindString) || has("serviceurl", jsontext.KindString))
}

// form tells from an object's members which program has written it.
func (o foreignObject) form() Form {
	low := o.lower()
	switch {
	case low.object("address")["conversationid"] != nil || low.object("address")["botid"] != nil:
		return FormCookie
	case low["toid"] != nil && low["fromid"] != nil:
		return FormStarter
	case low.object("reference") != nil && low["conversation"] == nil:
		return FormRecord
	case o["from"] != nil && o["recipient"] != nil:
		return FormActivity
	case o["id"] != nil && o["activityId"] == nil && o["bot"] != nil:
		return FormAddress
	}
	return FormReference
}

// pickled reports whether Python's names are used: with underscores, or jsonpickle's own.
func (o foreignObject) pickled() bool {
	return o["py/object"] != nil || o["channel_id"] != nil || o["service_url"] != nil || o.object("reference")["channel_id"] != nil
}

// unpickled has the names that the wire has, down to a depth, without what is null, empty or about Python.
func (o foreignObject) unpickled(depth int) foreignObject {
	out := make(foreignObject, len(o))
	for name, v := range o {
		if strings.HasPrefix(name, "py/") || v.Kind() == jsontext.KindNull || name == "additional_properties" && string(v) == "{}" {
			continue
		}
		if inner := o.object(name); inner != nil && depth > 1 {
			v = inner.unpickled(depth - 1).raw()
		}
		words := strings.Split(name, "_")
		for i, word := range words[1:] {
			if word != "" {
				words[i+1] = strings.ToUpper(word[:1]) + word[1:]
			}
		}
		out[strings.Join(words, "")] = v
	}
	return out
}

// text is a member that is a string; empty if it is none.
func (o foreignObject) text(name string) (s string) {
	if o[name].Kind() != jsontext.KindString || json.Unmarshal(o[name], &s) != nil {
		return ""
	}
	return s
}
