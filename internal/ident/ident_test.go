package ident_test

import (
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup/internal/ident"
)

func TestNewGrowsAndNeverRepeats(t *testing.T) {
	t.Parallel()
	const goroutines, each = 8, 5000
	all := make([][]int64, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for range each {
				all[g] = append(all[g], ident.New())
			}
		})
	}
	wg.Wait()
	seen := make(map[int64]bool)
	for _, numbers := range all {
		last := int64(0)
		for _, n := range numbers {
			if n <= last {
				t.Fatalf("%d came after %d", n, last)
			}
			if seen[n] {
				t.Fatalf("%d came twice", n)
			}
			seen[n], last = true, n
		}
	}
}

// TestNodesNeverMakeTheSame: numbers of one node have something that those of another have not, and go on growing when
// the node becomes another.
func TestNodesNeverMakeTheSame(t *testing.T) {
	all := make(map[int64]int)
	last := int64(0)
	for round := range 4 {
		for node := range 3 {
			ident.SetNode(node)
			for range 20_000 { // many more than there are in a millisecond
				n := ident.New()
				if n <= last {
					t.Fatalf("%d came after %d", n, last)
				}
				last = n
				if of, known := all[n%ident.Nodes]; known && of != node {
					t.Fatalf("in round %d nodes %d and %d share numbers", round, of, node)
				}
				all[n%ident.Nodes] = node
			}
		}
	}
}

func TestParseReadsWhatTextWrote(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Min(1).Draw(t, "n")
		text := ident.Text("ntf", n)
		if got, err := ident.Parse("ntf", text); err != nil || got != n {
			t.Fatalf("Parse(%q) = %d, %v; want %d", text, got, err, n)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "ntf", "ntf_", "ntf_000000000000", "ntf_00000000000001", "dlv_0000000000001", "ntf_000000000000I",
		"ntf_zzzzzzzzzzzzz", "ntf_0000000000000", "NTF_0000000000001", strings.Repeat("ntf_0000000000001", 2),
	} {
		if n, err := ident.Parse("ntf", text); err == nil {
			t.Errorf("Parse(%q) = %d, want an error", text, n)
		}
	}
}
