# Every target needs Go alone, but for test-langs, whose other languages are skipped when they are missing.
GO ?= go
# A process that is built with the race detector sleeps for a second at its end if it is not told otherwise, and the tests start many.
RACE = atexit_sleep_ms=0
GUESTS = $(shell git ls-files '*go.mod' | grep -v '^go.mod$$' | xargs -n1 dirname)

.PHONY: build test toolchains test-langs check fuzz bench bench-langs examples clean

build: ## the command, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/postern ./cmd/postern

test: ## all tests: Go alone, a few minutes
	$(GO) test ./...

toolchains: ## installs what test-langs needs, where it is missing
	sh sdk/toolchains.sh

test-langs: ## plugins in Rust, AssemblyScript, Zig and C: the SDKs, their templates, conformance; skips what has no toolchain, in CI fails
	POSTERN_LANGS=1 $(GO) test -count=1 -timeout 20m -run 'TestLanguages|TestTemplates|TestPlugins|Rust|AssemblyScript|Zig|TestC' ./host/project ./host/wasm ./host/cases

check: ## the gate: format, vet, lint, tidy, race; fails on a dirty tree
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run: gofmt -w .'; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	@for dir in $(GUESTS); do (cd $$dir && GOOS=wasip1 GOARCH=wasm $(GO) vet ./...) || exit 1; done
	GORACE=$(RACE) $(GO) test -vet=off -race ./...
	@test -z "$$(git status --porcelain)" || { git status --porcelain; echo 'the tree is dirty'; exit 1; }

FUZZTIME ?= 20s
fuzz: ## every fuzz target for FUZZTIME
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg || exit 1; \
	  done; \
	done

bench: build ## speed and memory, as ratios side by side in one run
	$(GO) test -run '^$$' -bench . -benchmem ./host/...
	POSTERN_BENCH=1 $(GO) test -count=1 -run TestBench -v -timeout 20m ./cmd/postern

bench-langs: ## what each SDK's language costs: size, compiling, a cold and a warm call; skips what has no toolchain
	@mkdir -p bin && rm -f bin/conformance-*
	@for lang in c zig rust assemblyscript go; do \
	  sh sdk/toolchains.sh $$lang || continue; \
	  $(MAKE) -s --no-print-directory -C sdk/$$lang build || exit 1; \
	done
	$(GO) test -run '^$$' -bench BenchmarkLanguages -benchtime 1x ./host/wasm
	$(GO) test -run '^$$' -bench BenchmarkAuthorizer -benchtime 300x ./host/wasm/engine

examples: build ## every example's README, as its test runs it
	$(GO) test -count=1 -run TestExamples -v ./cmd/postern

clean:
	rm -rf bin dist
