package client_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestVerifyingInOtherLanguages runs what the documentation shows for Python and JavaScript.
func TestVerifyingInOtherLanguages(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	code := func(language string) string {
		t.Helper()
		block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(string(raw))
		if block == nil {
			t.Fatalf("no %s is shown", language)
		}
		return block[1]
	}
	// The vector of the reference libraries of Standard Webhooks, and what is wrong in some way.
	const secret, id, stamp, body, signature = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
		`{"test": 2432232314}`, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	cases := []struct {
		secret, id, stamp, signature, body string
		now                                int
		good                               bool
	}{
		{secret, id, stamp, signature, body, 1614265330, true},
		{secret, id, stamp, "v1,AAAA v2,x " + signature, body, 1614265330, true},
		{secret, id, stamp, signature, body, 1614265330 + 300, true},
		{secret, id, stamp, signature, body, 1614265330 + 301, false},
		{secret, id, stamp, signature, body, 1614265330 - 301, false},
		{"whsec_" + strings.Repeat("A", 32), id, stamp, signature, body, 1614265330, false},
		{secret, "msg_x", stamp, signature, body, 1614265330, false},
		{secret, id, "1614265331", signature, body, 1614265330, false},
		{secret, id, "soon", signature, body, 1614265330, false},
		{secret, id, stamp, signature[:20], body, 1614265330, false},
		{secret, id, stamp, "", body, 1614265330, false},
		{secret, id, stamp, signature, body + " ", 1614265330, false},
	}
	python, js, want := code("python"), code("js"), ""
	for _, c := range cases {
		headers := fmt.Sprintf(`{"webhook-id": %q, "webhook-timestamp": %q, "webhook-signature": %q}`, c.id, c.stamp, c.signature)
		python += fmt.Sprintf("print('good' if verify(%q, %s, %q.encode(), %d) else 'bad')\n", c.secret, headers, c.body, c.now)
		js += fmt.Sprintf("console.log(verify(%q, %s, Buffer.from(%q), %d) ? 'good' : 'bad');\n", c.secret, headers, c.body, c.now)
		if c.good {
			want += "good\n"
		} else {
			want += "bad\n"
		}
	}
	dir := t.TempDir()
	for name, c := range map[string]struct{ program, code string }{"verify.py": {"python3", python}, "verify.mjs": {"node", js}} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(c.code), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), c.program, file).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %v, says\n%swant\n%s", name, err, out, want)
		}
	}
}
