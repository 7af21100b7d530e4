package sms_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/channel/sms"
)

// TestTheTableIsDocumented: docs/email-and-sms.md has every row by which answers are read.
func TestTheTableIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/email-and-sms.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range sms.Verdicts() {
		status, code, struck := "", "", ""
		if v.Status != 0 {
			status = fmt.Sprint(v.Status)
		}
		if v.Code != 0 {
			code = fmt.Sprint(v.Code)
		}
		if v.Suspends {
			struck = "struck out"
		}
		row := fmt.Sprintf("| %s | %s | %s | `%s` | %s | %s |", status, code, v.Meaning, v.Reason, v.Scope, struck)
		if !strings.Contains(string(page), row+"\n") {
			t.Errorf("docs/email-and-sms.md has no row %s", row)
		}
	}
}
