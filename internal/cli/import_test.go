package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// importable is a reference with a conversation's id.
func importable(id string) string {
	return `{"channelId":"slack","serviceUrl":"https://slack.botframework.com/","bot":{"id":"B:T"},"user":{"id":"U` + id +
		`"},"conversation":{"id":"` + id + `"}}`
}

// quoted is JSON as a text within JSON.
func quoted(t *testing.T, raw string) string {
	t.Helper()
	text, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReferencesAreFoundWhereverTheyStand: in what SDKs, samples and databases write.
func TestReferencesAreFoundWhereverTheyStand(t *testing.T) {
	t.Parallel()
	url := running(t)
	for name, c := range map[string]struct {
		file, content string
		args          []string
		out, err      string // err: the command fails with it at its end
	}{
		"one": {file: "one.json", content: importable("one"), out: "added 1, known 0, refused 0\n"},
		"a list": {
			file: "list.json", content: "[" + importable("l1") + "," + importable("l2") + "]", out: "added 2, known 0, refused 0\n",
		},
		"values, one a line": {
			file: "lines.ndjson", content: importable("n1") + "\n" + importable("n2") + "\n" + `{"other":1}`, out: "added 2, known 0, refused 0\n",
		},
		"by keys, as the samples keep them": {
			file: "map", content: `{"m1":` + importable("m1") + `,"m2":{"jobs":{"7":{"completed":false,"reference":` + importable("m2") + `}}}}`,
			out: "added 2, known 0, refused 0\n",
		},
		"texts in a storage": {
			file: "storage.json", content: `{"bot/state":` + quoted(t, `{"jobs":{"1":{"reference":`+importable("s1")+`}},"eTag":"*"}`) + `}`,
			out: "added 1, known 0, refused 0\n",
		},
		"rows of a database": {
			file: "rows.json", content: `[{"id":1,"reference":` + quoted(t, importable("r1")) + `}]`, out: "added 1, known 0, refused 0\n",
		},
		"with what is known beside": {
			file: "labelled.json", content: `{"external_id":"e-1","tags":["berlin"],"reference":` + importable("x1") + `}`,
			args: []string{"--tag", "old"}, out: "added 1, known 0, refused 0\n",
		},
		"CSV": {
			file: "people.CSV", content: "\ufeffConversation_ID,channelId,service-url,user id,Bot ID,external_id,tags,is_group\r\n" +
				"c1,slack,https://slack.botframework.com/,U:1,B:T,e-2,\"berlin night\",false\r\n",
			out: "added 1, known 0, refused 0\n",
		},
		"CSV of a Teams app, with what it leaves out": {
			file: "teams.csv", content: "AadId,UserId,ConversationId,ServiceUrl,TenantId\n0b8e,29:1q,a:csv,https://smba.trafficmanager.net/emea/,t\n",
			args: []string{"--channel", "msteams", "--bot", "28:3c"}, out: "added 1, known 0, refused 0\n",
		},
		"some are refused": {
			file: "some.json", content: `[` + importable("ok") + `,{"a":{"channelId":"slack","conversation":{"name":"x"}}}, "H4sIAAAAAAAEAO29B2"]`,
			out: "added 1, known 0, refused 2\n",
			err: "some.json/2: is a compressed .NET object, which nobody should unpack; store the reference as JSON\n" +
				"some.json/1/a: reference.conversation.id: missing or empty\n" +
				"headsup: 2 references refused\n",
		},
		"without a tenant": {
			file: "v3.json", args: []string{"--check"}, out: "would be added 0, known 0, refused 1\n",
			content: `{"id":"1","channelId":"msteams","user":{"id":"29:1q"},"bot":{"id":"28:3c"},"conversation":{"id":"a:1m"},"serviceUrl":"https://smba.trafficmanager.net/emea/"}`,
			err:     "v3.json: reference.conversation.tenantId: is missing, and everything that Teams says has it\nheadsup: 1 reference refused\n",
		},
		"with the tenant": {
			file: "v3t.json", args: []string{"--check", "--tenant", "t"}, out: "would be added 1, known 0, refused 0\n",
			content: `{"id":"1","channelId":"msteams","user":{"id":"29:1q"},"bot":{"id":"28:3c"},"conversation":{"id":"a:1m"},"serviceUrl":"https://smba.trafficmanager.net/emea/"}`,
		},
		"nothing in it":        {file: "none.json", content: `{"a":[1,"x",{"b":null}]}`, err: "headsup: none.json: there is no reference in it\n"},
		"not JSON":             {file: "broken.json", content: `[` + importable("b") + `,`, err: "headsup: broken.json: is not JSON: "},
		"CSV without its ids":  {file: "ids.csv", content: "a,b\n1,2\n", err: "ids.csv: the column \"a\" is not known and left out\nids.csv: the column \"b\" is not known and left out\nheadsup: ids.csv: has no column conversation_id\n"},
		"CSV, and one too few": {file: "few.csv", content: "conversation_id,channel_id\nx\n", err: "headsup: few.csv: record on line 2: wrong number of fields\n"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), c.file)
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, stderr := pipe(t, "", append([]string{"import", file, "--server", url}, c.args...)...)
			stderr = strings.ReplaceAll(stderr, filepath.Dir(file)+"/", "")
			if out != c.out || (code != 0) != (c.err != "") || !strings.HasPrefix(stderr, c.err) || c.err == "" && stderr != "" {
				t.Errorf("exit code %d, %q, %q; want %q, %q", code, out, stderr, c.out, c.err)
			}
		})
	}
	for _, want := range []struct{ name, id string }{{"--external-id=e-1", "x1"}, {"--external-id=e-2", "c1"}, {"--tag=old", "x1"}, {"--tag=night", "c1"}} {
		var c api.Conversation
		if err := json.Unmarshal([]byte(called(t, url, "conversations", "list", "--json", want.name)), &c); err != nil || c.ID != want.id {
			t.Errorf("%s is %+v: %v", want.name, c, err)
		}
	}
}

// TestImportMayBeRepeated: what is there stays, and is told.
func TestImportMayBeRepeated(t *testing.T) {
	t.Parallel()
	url := running(t)
	var lines strings.Builder
	for i := range 1200 { // more than go out together
		lines.WriteString(importable("c" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26)))
	}
	for _, want := range []string{"added 1200, known 0, refused 0\n", "added 0, known 1200, refused 0\n"} {
		code, out, stderr := pipe(t, lines.String(), "import", "-", "--server", url)
		if code != 0 || out != want || stderr != "" {
			t.Fatalf("exit code %d, %q, %q; want %q", code, out, stderr, want)
		}
	}
	var result api.ImportResult
	code, out, _ := pipe(t, importable("last"), "import", "-", "--json", "--server", url)
	if err := json.Unmarshal([]byte(out), &result); code != 0 || err != nil || result.Added != 1 || result.Results[0].ID != "last" {
		t.Errorf("exit code %d, %s: %v", code, out, err)
	}
}
