package httpapi

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestEveryOperationIsInTheAuditLogOrSaysWhyNot: one that is added is not forgotten.
func TestEveryOperationIsInTheAuditLogOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for path, operations := range doc.Paths {
		for method, op := range operations {
			known[op.ID] = true
			_, audited := acts[op.ID]
			_, excused := noActs[op.ID]
			switch changes := !strings.EqualFold(method, http.MethodGet); {
			case audited && excused:
				t.Errorf("%s stands in the audit log, and has a reason not to", op.ID)
			case changes && !audited && !excused:
				t.Errorf("%s (%s %s) is neither in acts nor in noActs", op.ID, method, path)
			}
		}
	}
	if len(known) < 40 {
		t.Errorf("the document has only %d operations", len(known))
	}
	for id := range acts {
		if !known[id] {
			t.Errorf("acts has %s, which is no operation", id)
		}
	}
	for id, reason := range noActs {
		if !known[id] || reason == "" {
			t.Errorf("noActs has %s, which is no operation or has no reason", id)
		}
	}
}
