package headsup_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const module = "github.com/headsup-bot/headsup"

// floors is the shape of the house: a package imports only packages on lower floors. What stands beside the house has a
// floor of its own here, above what it may import.
var floors = map[string]int{
	"activity":                0,
	"api":                     0,
	"examples/api":            0,
	"internal/access":         0,
	"internal/audit":          0,
	"internal/backoff":        0,
	"internal/fair":           0,
	"internal/headroom":       0,
	"internal/ident":          0,
	"internal/language":       0,
	"internal/loglimit":       0,
	"internal/markdown":       0,
	"internal/mint":           0,
	"internal/netguard":       0,
	"internal/recognise":      0,
	"internal/recur":          0,
	"internal/secretfile":     0,
	"internal/signed":         0,
	"internal/teamsapp":       0,
	"internal/ticket":         0,
	"internal/turnlock":       0,
	"internal/trunk":          0,
	"pace":                    0,
	"auth":                    1,
	"internal/rotation":       1,
	"connector":               1,
	"credential":              1,
	"graph":                   1,
	"template":                1,
	"internal/cardtext":       1,
	"card":                    1,
	"":                        2,
	"state":                   3,
	"book":                    3,
	"outbox":                  3,
	"schedule":                3,
	"directline":              3,
	"teams":                   3,
	"channel/email":           3,
	"channel/sms":             3,
	"dialog":                  4,
	"proactive":               4,
	"internal/event":          4,
	"internal/privacy":        4,
	"store/internal/history":  5,
	"store/internal/merged":   5,
	"store/internal/pack":     5,
	"store/internal/personal": 5,
	"store/memory":            6,
	"store/sqlite":            6,
	"store/postgres":          6,
	"internal/httpapi":        7,
	"internal/adminkey":       7,
	"internal/console":        7,
	"internal/relay":          7,
	"internal/webhook":        7,
	"client":                  7,
	"internal/config":         7,
	"web":                     7,
	"server":                  8,
	"internal/doctor":         9,
	"internal/cli":            10,
	"cmd/headsup":             11,
	"bottest":                 11,
	"bottest/fakelogin":       11,
	"bottest/fakesmtp":        11,
	"bottest/faketwilio":      11,
	// Not for tests alone: "headsup simulate", "headsup fake-channel" and the playground run them.
	"bottest/fakechannel": 1,
	"bottest/fakegraph":   2,
	"bottest/faketeams":   3,
	"chaos":               11,
	"store/storetest":     11,
	"internal/pgtest":     11,
	"examples/jobs":       8,
	"examples/survey":     8,
	"examples/teams":      11,
	"examples/travel":     8,
	"examples/api/notify": 11,
	"examples/proactive":  11,
	"bench":               11,
}

// sameFloor lists the arrows within a floor, each with its reason.
var sameFloor = map[string]string{
	"internal/httpapi → internal/webhook": "the API is how webhooks are managed",

	"internal/access → internal/audit": "a key's id is made where the key is, and its entry in the log names it",
	"internal/audit → api":             "an entry is verified as the API and exports have it",

	"outbox → book":     "an attempt carries the conversation that it goes to",
	"schedule → outbox": "what an occurrence tells is accepted in the transaction that makes it a row",
}

// noProduction are packages that only tests may import.
var noProduction = map[string]bool{"bottest": true, "bottest/fakelogin": true, "bottest/fakesmtp": true, "bottest/faketwilio": true, "store/storetest": true, "store/memory": true, "internal/pgtest": true}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := jsontext.NewDecoder(strings.NewReader(string(out)))
	used := make(map[string]bool)
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := json.UnmarshalDecode(dec, &p); err != nil {
			break
		}
		from := short(p.ImportPath)
		floor, ok := floors[from]
		if !ok {
			t.Errorf("package %q has no floor", from)
			continue
		}
		used[from] = true
		for _, imported := range p.Imports {
			if imported != module && !strings.HasPrefix(imported, module+"/") {
				continue
			}
			to := short(imported)
			arrow := from + " → " + to
			switch below := floors[to]; {
			case noProduction[to] && !noProduction[from] && floor < 11:
				t.Errorf("%s: only tests may import it", arrow)
			case below > floor:
				t.Errorf("%s points up, from floor %d to floor %d", arrow, floor, below)
			case below == floor && sameFloor[arrow] == "" && floor < 11:
				t.Errorf("%s stays on floor %d without a reason", arrow, floor)
			}
		}
	}
	for name := range floors {
		if !used[name] {
			t.Errorf("floor of %q: there is no such package", name)
		}
	}
}

func short(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}
