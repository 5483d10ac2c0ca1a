# `make test` sets up and runs every test; `make check` is the gate. Checking never writes.

# nextest runs each test in a process of its own and is faster; plain cargo runs the same tests.
TEST := $(shell command -v cargo-nextest >/dev/null 2>&1 && echo "nextest run" || echo test)
NPM := client-js/node_modules/.package-lock.json

.PHONY: test check fmt clippy docs test-rust test-client test-redis test-openapi client fuzz bench soak storm

test: test-rust test-client test-redis test-openapi

check: fmt clippy docs test-rust doctest test-client test-redis test-openapi

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --all-targets --features testing -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --features testing

test-rust:
	cargo $(TEST) --features testing --lib --bins --tests --examples

.PHONY: doctest
doctest:
	cargo test --doc --features testing

# The client against the binary, in Node and in Chromium.
test-client: $(NPM) browser
	cargo build
	cd client-js && node build.js --check && npm test

# Installs Debian's Chromium where none is found and it may. Elsewhere the browser's tests are skipped, and say so.
.PHONY: browser
browser:
	@node client-js/test/chromium.js >/dev/null || \
	  { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } || \
	  echo "no Chromium found: install one or set CHROMIUM to its path to run the browser's tests"

# The port of the store against redis-py, and Debian's redis-cli and redis-benchmark.
test-redis:
	cargo build
	tests/redis/run.sh

# Every route that /api/v1/openapi.json describes, tried by schemathesis.
test-openapi:
	cargo build
	tests/openapi/run.sh

# More of what chance decides: a thousand kills and power cuts, ten thousand lives of clients over a bad cable, half an
# hour of subscribers that come and go.
soak: $(NPM)
	HELIOS_RUNS=1000 cargo test --features testing --test properties -- --skip topic_soak
	ulimit -n 65536 2>/dev/null || ulimit -n "$$(ulimit -H -n)"; HELIOS_SOAK=$${HELIOS_SOAK:-1800} HELIOS_SOAK_SESSIONS=2000 \
	  cargo test --release --features testing --test properties topic_soak -- --nocapture
	cargo build
	cd client-js && HELIOS_RUNS=10000 node --test --test-timeout=3600000 test/simulation.test.js

# Ten thousand sessions cut off at once and resumed, with and without topics (goal P6). Needs as many file descriptors.
storm:
	ulimit -n 65536 2>/dev/null || ulimit -n "$$(ulimit -H -n)"; \
	  HELIOS_STORM=$${HELIOS_STORM:-10000} cargo test --release --features testing --test properties storm -- --nocapture --test-threads 1

$(NPM): client-js/package.json client-js/package-lock.json
	cd client-js && npm ci

# Writes: the bundle and the declarations in client-js/dist.
client: $(NPM)
	cd client-js && node build.js

# A minute for each fuzz target. Needs cargo-fuzz; the nightly features it asks for are unlocked by the variable.
fuzz:
	cd fuzz && for target in frames messages tokens; do \
	  RUSTC_BOOTSTRAP=1 cargo fuzz run -s none $$target -- -max_total_time=60 -max_len=4096 || exit 1; done

bench:
	cargo bench --bench codecs
	cargo bench --bench store
	cargo bench --bench sessions
