package activity_test

import (
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
)

func BenchmarkDecode(b *testing.B) {
	body := []byte(vectorNamed(b, "message-teams-personal").Input)
	b.Run("strict", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := activity.Decode(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plain", func(b *testing.B) { // what the JSON package alone needs
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var a activity.Activity
			if err := json.Unmarshal(body, &a); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	a := decode(b, string(vectorNamed(b, "message-teams-personal").Input))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := activity.Encode(a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClone(b *testing.B) {
	a := decode(b, string(vectorNamed(b, "message-teams-personal").Input))
	b.ReportAllocs()
	for b.Loop() {
		a.Clone()
	}
}
