# Everything that people and CI do. "make run" and "make test" are all that most need; they install what is missing.

GO      ?= go
BIN     := bin/headsup
TOOLS   := $(CURDIR)/.tools
LINT    := $(TOOLS)/golangci-lint-2.15.0
# What the compiler is told of where the time goes. It is not called default.pgo: then every "go vet ./..." and "go test ./..."
# would compile all packages once more for this program.
PGO     := cmd/headsup/headsup.pgo

# SQLite is C translated to Go, with locks of its own: to watch it takes most of the time and finds nothing of ours.
RACE    := -race '-gcflags=modernc.org/...=-race=false'

export CGO_ENABLED ?= 0

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

.PHONY: run
run: build ## build everything and start the demo
	$(BIN) serve --demo

.PHONY: build
build: pages ## build the binary with its pages
	$(GO) build -trimpath -pgo=$(PGO) -o $(BIN) ./cmd/headsup

.PHONY: test
test: vet lint unit browser ## everything that must hold, on a machine with Go, Node, make and apt

WEB_SOURCES := $(shell find web/src web/playground web/scripts web/client/src -type f) web/index.html web/package.json \
	web/client/package.json web/client/tsconfig.json web/package-lock.json web/vite.config.ts web/tsconfig.json

.PHONY: pages
pages: web/dist/playground/index.html ## build the pages

web/dist/playground/index.html: $(WEB_SOURCES) web/node_modules/.installed
	cd web && npm run build
	@touch $@

examples/bots/node_modules/.installed: examples/bots/package.json examples/bots/package-lock.json
	cd examples/bots && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

web/node_modules/.installed: web/package.json web/client/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

.PHONY: browser
browser: build examples/bots/node_modules/.installed ## the official clients, and the pages in a real browser
	scripts/need.sh chromium
	cd web && HEADSUP_BIN=$(CURDIR)/$(BIN) npm test

AGENTS_PLAYGROUND := @microsoft/m365agentsplayground@0.2.28

.PHONY: agents-playground
agents-playground: build ## Microsoft's Agents Playground in front of our bot (needs the network: it is installed for the run, and no part of us)
	scripts/need.sh chromium
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && npm install --prefix "$$dir" --no-audit --no-fund --ignore-scripts $(AGENTS_PLAYGROUND) && \
		cd web && AGENTS_PLAYGROUND=$$dir HEADSUP_BIN=$(CURDIR)/$(BIN) node --test --test-force-exit --test-timeout=300000 agentsplayground/agentsplayground.mjs

.PHONY: screenshots
screenshots: build examples/bots/node_modules/.installed ## the pictures in docs/
	scripts/need.sh chromium
	cd web && HEADSUP_BIN=$(CURDIR)/$(BIN) SCREENSHOTS=$(CURDIR)/docs/screenshots npm test

.PHONY: generate
generate: ## what is written from source: the references of configuration and command line, the sample
	$(GO) generate ./...

.PHONY: vet
vet: ## what the compiler and gofmt complain of
	$(GO) vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }

.PHONY: lint
lint: $(LINT) ## what the linters complain of
	$(LINT) run ./...

$(LINT):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(subst $(TOOLS)/golangci-lint-,,$@)
	mv $(TOOLS)/golangci-lint $@

.PHONY: unit
unit: ## Go tests with the race detector; those of the store on PostgreSQL, which are slow, without it and by themselves
	scripts/need.sh gcc:gcc curl python3 postgresql:initdb
	CGO_ENABLED=1 $(GO) test $(RACE) -timeout 15m $$($(GO) list ./... | grep -v '/store/postgres$$')
	$(GO) test -timeout 10m ./store/postgres

.PHONY: race
race: ## the tests that "make unit" runs without the race detector, with it
	scripts/need.sh gcc:gcc postgresql:initdb
	CGO_ENABLED=1 $(GO) test $(RACE) -timeout 30m ./store/postgres

VULN := golang.org/x/vuln/cmd/govulncheck@v1.8.0

.PHONY: audit
audit: ## known vulnerabilities in what the program calls (needs the network)
	$(GO) run $(VULN) ./...

.PHONY: sbom
sbom: build ## what is in the binary: its modules, with versions and hashes
	$(GO) version -m -json $(BIN) > $(BIN).modules.json

.PHONY: reproduce
reproduce: pages ## build the binary twice from nothing, and compare
	GO="$(GO)" scripts/reproduce.sh

.PHONY: fuzz
fuzz: ## each fuzz target for a while (FUZZTIME=10m)
	@for target in activity/FuzzDecode activity/FuzzReadReference auth/FuzzVerify internal/access/FuzzAuthorization \
		internal/httpapi/FuzzBodies internal/httpapi/FuzzCursors internal/recur/FuzzParse directline/FuzzTokenThatWasNotMinted \
		directline/FuzzUpload state/FuzzPlain dialog/FuzzPath internal/recognise/FuzzEverything; do \
		echo "$$target"; $(GO) test -run '^$$' -fuzz "^$${target##*/}$$" -fuzztime $(or $(FUZZTIME),1m) "./$${target%/*}" || exit; \
	done

.PHONY: chaos
chaos: ## break the server in every way we know, for a long time (root, strace; CHAOS=regexp picks tests, KILLS=1000 makes storms longer)
	scripts/need.sh strace postgresql:initdb
	$(GO) test -tags chaos -timeout 3h -v -run '$(or $(CHAOS),.)' ./chaos -kills $(or $(KILLS),200)
	$(GO) test -tags chaos -timeout 1h -v -run '$(or $(CHAOS),NobodyIsWrittenTo)' ./proactive

.PHONY: bench
bench: examples/bots/node_modules/.installed ## how fast it is, as ratios to others in the same run (docs/performance.md; BENCH_DATABASE=temporary for PostgreSQL)
	$(GO) run -pgo=$(PGO) ./bench $(if $(BENCH_DATABASE),-database "$(BENCH_DATABASE)")

.PHONY: profile
profile: ## measure anew where the time goes, for the compiler (cmd/headsup/headsup.pgo)
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && $(GO) build -trimpath -o "$$dir/bench" ./bench && \
	for m in drain deliver accept; do \
		"$$dir/bench" -run $$m -pairs 1 -conversations 50000 -cpuprofile "$$dir/$$m.cpu" || exit; \
	done && $(GO) tool pprof -proto "$$dir"/*.cpu.* > "$$dir/merged" && mv "$$dir/merged" $(PGO)

.PHONY: clean
clean: ## remove what was built and installed
	rm -rf bin .tools web/node_modules web/client/node_modules web/client/dist examples/bots/node_modules web/vendor
	cd web/dist && find . -mindepth 1 ! -name README.md -delete
