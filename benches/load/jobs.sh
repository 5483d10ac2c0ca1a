#!/usr/bin/env bash
# Jobs enqueued, leased and acknowledged (goal P12): Helios with a sync for each commit beside BullMQ on Redis with appendfsync
# always and everysec, in turn, RUNS times. Loads: the JavaScript client beside BullMQ's, jobs enqueued one by one or 100 in one
# go; and for Helios one in Rust, which costs little. `apart` has the server on one processor and its clients on the other one,
# `free` everything on both. Also the processor time of the server for a job. Each load checks that each job was done once.
#
#   cargo build --release --bin helios --example jobs_load
#   benches/load/jobs.sh          (needs redis-server, Node and npm)
set -euo pipefail
cd "$(dirname "$0")"

RUNS=${RUNS:-3} JOBS=${JOBS:-40000}
target=$(realpath "${CARGO_TARGET_DIR:-../../target}/release")
data=$(mktemp -d)
npm install --silent --prefix "$data" bullmq@6.7.0 ioredis@5 >/dev/null
export BULLMQ=$data
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$data"' EXIT

ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
up() { until (exec 3<>"/dev/tcp/127.0.0.1/9311") 2>/dev/null; do sleep 0.05; done; }

serve() { # helios, always or everysec; its processors
  rm -rf "$data/store"; mkdir "$data/store"
  if [ "$1" = helios ]; then
    HELIOS__JOBS__EVERYONE=true HELIOS__LIMITS__ENABLED=false taskset -c "$2" "$target/helios" serve \
      --listen 127.0.0.1:9311 --data-dir "$data/store" >/dev/null 2>&1 &
  else
    taskset -c "$2" redis-server --port 9311 --appendonly yes --appendfsync "$1" --save '' --dir "$data/store" \
      --maxmemory-policy noeviction >/dev/null &
  fi
  server=$!; up
}

# Jobs in a second by the JavaScript clients of a system.
node_load() { # helios or bullmq, processors, jobs in one go
  taskset -c "$2" node jobs.mjs work "$1" 9311 "$JOBS" "$3" >"$data/work" & local worker=$! begun
  until grep -q ready "$data/work"; do sleep 0.05; done
  begun=$(taskset -c "$2" node jobs.mjs enqueue "$1" 9311 "$JOBS" "$3")
  wait $worker
  echo $((JOBS * 1000 / ($(tail -1 "$data/work") - begun)))
}

row() { # system, load, jobs in one go, apart or free
  local on=0,1 clients=0,1 count=$JOBS before after rate
  [ "$4" = apart ] && on=0 clients=1
  serve "$1" $on
  before=$(ticks $server)
  case $1-$2 in
    helios-node) rate=$(node_load helios $clients "$3") ;;
    helios-rust) count=$((JOBS * 3)); rate=$(taskset -c $clients "$target/examples/jobs_load" ws://127.0.0.1:9311/ws $count "$3") ;;
    *) rate=$(node_load bullmq $clients "$3") ;;
  esac
  after=$(ticks $server)
  kill $server; wait $server || true
  echo "$4 $1 $2 $3 $rate $(((after - before) * 1000000 / $(getconf CLK_TCK) / count))"
}

for run in $(seq "$RUNS"); do
  for at_once in 1 100; do for of in helios always everysec; do row $of node $at_once apart; done; done
  row helios rust 1 apart; row helios rust 100 apart
  row helios rust 100 free; for of in always everysec; do row $of node 100 free; done
done | tee "$data/all"
echo "medians:"
sort -u -k1,4 "$data/all" | cut -d' ' -f1-4 | while read -r where of load at_once; do
  median() { grep "^$where $of $load $at_once " "$data/all" | cut -d' ' -f"$1" | sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
  echo "$where, $of, $load, $at_once in one go: $(median 5) jobs/s, $(median 6) us of the server"
done
