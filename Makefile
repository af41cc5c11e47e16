# What scripts rely on: run, test, build, check, bench, crash, cross.
# Everything that is missing is installed by the script in need.sh, which says so.

GO      ?= go
TOOLS   := $(GO) tool -modfile=tools.mod
BUILD   := $(GO) build -trimpath
# One compiler cache and the C compiler that cgo needs for SQLite.
export CGO_ENABLED = 1

.PHONY: run test build check bench crash cross fuzz clean

run: build
	bin/cellpost demo

build:
	@./need.sh gcc
	$(BUILD) -o bin/cellpost ./cmd/cellpost

test:
	@./need.sh gcc tshark python3 python3-gammu gammu gammu-smsd smsd swaks msmtp curl postfix
	$(GO) test -race -timeout 20m ./...

check:
	@./need.sh gcc
	@test -z "$$(gofmt -l .)" || { echo "run gofmt -w on:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(TOOLS) staticcheck ./...
	$(GO) test -run '^TestImports$$' .
	$(GO) mod tidy -diff

# How to read it: docs/bench.md. The long queue takes up to 4 KiB of TMPDIR a message.
BENCH_ROWS    ?= 1000000
BENCH_SECONDS ?= 10
bench:
	@./need.sh gcc postfix
	BENCH_ROWS=$(BENCH_ROWS) BENCH_SECONDS=$(BENCH_SECONDS) $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m ./test
	$(GO) test -run '^$$' -bench . ./pdu ./modem/at ./queue/sqlite ./ingress

# Kills and power cuts, half and half; make test does a few of them.
CRASHES ?= 1000
crash:
	@./need.sh gcc
	CRASHES=$(CRASHES) $(GO) test -run '^TestCrash$$' -count 1 -v -timeout 0 ./test

# Every fuzz target for as long as FUZZTIME says: 10m, or so many runs: 3000x.
# The toolchain sometimes calls the end of a time a failure, but not of a count.
FUZZTIME ?= 10s
fuzz:
	@./need.sh gcc
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$pkg || exit 1; \
		done; \
	done

cross:
	@./need.sh gcc aarch64-linux-gnu-gcc arm-linux-gnueabihf-gcc
	GOOS=linux GOARCH=amd64 CC=gcc $(BUILD) -o dist/cellpost-linux-amd64 ./cmd/cellpost
	GOOS=linux GOARCH=arm64 CC=aarch64-linux-gnu-gcc $(BUILD) -o dist/cellpost-linux-arm64 ./cmd/cellpost
	GOOS=linux GOARCH=arm GOARM=7 CC=arm-linux-gnueabihf-gcc $(BUILD) -o dist/cellpost-linux-armv7 ./cmd/cellpost

clean:
	rm -rf bin dist
