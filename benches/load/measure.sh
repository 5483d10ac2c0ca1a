#!/usr/bin/env bash
# Measures a release build as a whole: P1, P2, P3, P4, P7 of the goals. Server and load on a processor each,
# limit and server in turn, RUNS times; quote medians and ratios of one run, and run nothing else meanwhile.
#
#   cargo build --release --bin helios --example echo_limit
#   LOADGEN=path/to/loadgen benches/load/measure.sh [p1|p2|p3|p4|p7]...
set -euo pipefail
cd "$(dirname "$0")/../.."

LOADGEN=${LOADGEN:?set LOADGEN to the load generator}
RUNS=${RUNS:-5}
target=${CARGO_TARGET_DIR:-target}/release
data=$(mktemp -d)
ulimit -n "$(ulimit -H -n)"
HELIOS__CONNECTIONS__MAX=200000 taskset -c 0 "$target/helios" serve --listen 127.0.0.1:9301 --demo --data-dir "$data" \
  >/dev/null 2>&1 & server=$!
taskset -c 0 "$target/examples/echo_limit" 127.0.0.1:9302 >/dev/null 2>&1 & limit=$!
trap 'kill $server $limit 2>/dev/null; rm -rf "$data"' EXIT
until (exec 3<>/dev/tcp/127.0.0.1/9301) 2>/dev/null && (exec 3<>/dev/tcp/127.0.0.1/9302) 2>/dev/null; do sleep 0.05; done

# The request of 64 bytes has 240 bytes with its envelope; the limit echoes as many.
load() { taskset -c 1 "$LOADGEN" "$@" 2>/dev/null; }
helios() { load "$1" --addr 127.0.0.1:9301 --proto starling --method demo:echo --payload 64 --pid $server "${@:2}"; }
bare() { load "$1" --addr 127.0.0.1:9302 --proto raw --payload 240 --pid $limit "${@:2}"; }
median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
field() { python3 -c 'import json,sys; [print(json.loads(line)[sys.argv[1]]) for line in sys.stdin]' "$1"; }
resident() { awk '/VmRSS/ {print $2}' /proc/$server/status; }
ticks() { awk '{print $14+$15}' /proc/$server/stat; }

pairs() { # name field arguments…
  local name=$1 what=$2 ours=() theirs=(); shift 2
  for _ in $(seq "$RUNS"); do
    theirs+=("$(bare rpc --warmup 1 --seconds 4 "$@" | field "$what")")
    ours+=("$(helios rpc --warmup 1 --seconds 4 "$@" | field "$what")")
  done
  local o t
  o=$(printf '%s\n' "${ours[@]}" | median); t=$(printf '%s\n' "${theirs[@]}" | median)
  echo "$name $what: helios $o, limit $t, helios/limit $(python3 -c "print(round($o/$t, 2))")"
}

p1() { helios idle -c 10000 --hold 5 --touch | python3 -c 'import json,sys; r=json.load(sys.stdin); print("P1 kib_per_connection:", round(r["kib_per_connection"], 2), "opened", r["opened"], "connects_per_s", round(r["connects_per_s"]))'; }
p2() {
  helios idle -c 10000 --hold 70 --touch >/dev/null & local holder=$!
  sleep 15; local before; before=$(ticks); sleep 50
  python3 -c "print('P2 us per second per connection:', round(($(ticks)-$before)*10000/50/10000, 2))"
  wait $holder
}
p3() { pairs P3 latency_p50_us -c 1 -d 1; helios rpc --warmup 1 --seconds 4 -c 1 -d 1 | field latency_p99_us | sed 's/^/P3 helios latency_p99_us: /'; }
p4() { pairs P4 server_us_per_op -c 64 -d 16; helios rpc --warmup 1 --seconds 4 -c 64 -d 16 | field requests_per_s | sed 's/^/P4 helios requests_per_s: /'; }
p7() {
  helios churn --warmup 0 --seconds 3 >/dev/null; sleep 4; local before cycles=0; before=$(resident)
  while [ "$cycles" -lt "${CYCLES:-100000}" ]; do
    cycles=$((cycles + $(helios churn --warmup 0 --seconds 5 | field cycles)))
  done
  sleep 4; local after; after=$(resident)
  echo "P7 VmRSS after $cycles cycles: $before KiB -> $after KiB ($(python3 -c "print(round(100*($after-$before)/$before, 1))") %)"
}

for goal in "${@:-p1 p2 p3 p4 p7}"; do for one in $goal; do "$one"; done; done
