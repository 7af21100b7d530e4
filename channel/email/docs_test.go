package email_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/channel/email"
)

// TestTheTableIsDocumented: docs/email-and-sms.md has every row by which answers are read.
func TestTheTableIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/email-and-sms.md")
	if err != nil {
		t.Fatal(err)
	}
	stages := map[email.Stage]string{email.StageConnection: "connection", email.StageSender: "MAIL", email.StageRecipient: "RCPT", email.StageData: "DATA"}
	for _, v := range email.Verdicts() {
		status, code, struck := "", "", ""
		if v.Status != 0 {
			status = fmt.Sprint(v.Status)
		}
		if v.Enhanced != "" {
			code = "`" + v.Enhanced + "`"
		}
		if strings.HasSuffix(v.Enhanced, ".") {
			code = "`" + v.Enhanced + "*`"
		}
		if v.Suspends {
			struck = "struck out"
		}
		row := fmt.Sprintf("| %s | %s | %s | %s | `%s` | %s | %s |", stages[v.Stage], status, code, v.Meaning, v.Reason, v.Scope, struck)
		if !strings.Contains(string(page), row+"\n") {
			t.Errorf("docs/email-and-sms.md has no row %s", row)
		}
	}
}
