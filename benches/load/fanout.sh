#!/usr/bin/env bash
# Fan-out of one topic (goal P5): Helios, a naive server with a channel for each subscriber, and NATS over WebSocket if it is
# installed, in turn, RUNS times. Server and load on a processor each; quote medians and ratios of one run.
#
#   cargo build --release --bin helios --example naive_fanout
#   LOADGEN=path/to/loadgen benches/load/fanout.sh [subscribers]...
set -euo pipefail
cd "$(dirname "$0")/../.."

LOADGEN=${LOADGEN:?set LOADGEN to the load generator}
RUNS=${RUNS:-5}
INFLIGHT=${INFLIGHT:-4 16 64}
target=${CARGO_TARGET_DIR:-target}/release
data=$(mktemp -d)
ulimit -n "$(ulimit -H -n)"
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$data"' EXIT

HELIOS__CONNECTIONS__MAX=200000 taskset -c 0 "$target/helios" serve --listen 127.0.0.1:9301 --demo --data-dir "$data" >/dev/null 2>&1 &
pids+=($!)
taskset -c 0 "$target/examples/naive_fanout" 127.0.0.1:9302 >/dev/null 2>&1 & pids+=($!)
servers=(helios naive)
if command -v nats-server >/dev/null; then
  printf 'port: 9304\nmax_connections: 100000\nwrite_deadline: "60s"\nwebsocket { port: 9303, no_tls: true }\n' >"$data/nats.conf"
  GOMAXPROCS=1 taskset -c 0 nats-server -c "$data/nats.conf" >/dev/null 2>&1 & pids+=($!)
  servers+=(nats)
fi
for port in 9301 9302; do until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.05; done; done
sleep 1

load() { # server subscribers inflight
  local common=(fanout -S "$2" --inflight "$3" --warmup 1 --seconds 4)
  case $1 in
    helios) set -- --addr 127.0.0.1:9301 --proto starling --pid "${pids[0]}" --topic demo:fan --sub-method topic:subscribe --pub-method topic:publish ;;
    naive) set -- --addr 127.0.0.1:9302 --proto raw --pid "${pids[1]}" ;;
    nats) set -- --addr 127.0.0.1:9303 --proto nats --pid "${pids[2]}" ;;
  esac
  taskset -c 1 "$LOADGEN" "${common[@]}" "$@" 2>/dev/null || true
}

for subscribers in "${@:-1000 10000}"; do for count in $subscribers; do for inflight in $INFLIGHT; do
  for _ in $(seq "$RUNS"); do for server in "${servers[@]}"; do
    load "$server" "$count" "$inflight" | sed "s/^{/{\"server\":\"$server\",/"
  done; done | python3 -c '
import json, statistics, sys
runs = {}
for line in sys.stdin:
    run = json.loads(line)
    runs.setdefault(run["server"], []).append(run)
keys = ("server_us_per_op", "deliveries_per_s", "delivery_p50_us", "delivery_p99_us")
for server, all in runs.items():
    cost, rate, p50, p99 = (statistics.median(run[key] for run in all) for key in keys)
    faults = sum(run[key] for run in all for key in ("lost", "out_of_order", "duplicates", "errors", "disconnects"))
    if not rate:
        sys.exit(f"{server} has delivered nothing")
    print(f"{sys.argv[1]:>6} subscribers, {sys.argv[2]:>2} in flight, {server:6}: {1e3 / cost:6.0f} thousand per processor second, "
          f"{rate / 1e3:6.0f} thousand/s, p50 {p50 / 1e3:.1f} ms, p99 {p99 / 1e3:.1f} ms, {faults} lost or wrong")
' "$count" "$inflight"
done; done; done
