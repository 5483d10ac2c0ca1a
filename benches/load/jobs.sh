#!/usr/bin/env bash
# Jobs enqueued, leased and acknowledged (goal P12): Helios with a sync for each commit beside BullMQ on Redis with appendfsync
# always and everysec, in turn, RUNS times. Server on one processor, enqueuer and worker on the other one; also the
# processor time of the server for a job, which says what it could do for more clients.
#
#   cargo build --release --bin helios
#   benches/load/jobs.sh          (needs redis-server, Node and npm)
set -euo pipefail
cd "$(dirname "$0")"

RUNS=${RUNS:-3} JOBS=${JOBS:-10000}
target=$(realpath "${CARGO_TARGET_DIR:-../../target}/release")
data=$(mktemp -d)
npm install --silent --prefix "$data" bullmq@6.7.0 ioredis@5 >/dev/null
export BULLMQ=$data
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$data"' EXIT

ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
# Which way, port, and process of the server: jobs in a second, and microseconds of the server for a job.
measure() {
  local before after begun ended
  taskset -c 1 node jobs.mjs work "$1" "$2" "$JOBS" >"$data/work" & local worker=$!
  until grep -q ready "$data/work"; do sleep 0.05; done
  before=$(ticks "$3")
  begun=$(taskset -c 1 node jobs.mjs enqueue "$1" "$2" "$JOBS")
  wait $worker
  ended=$(tail -1 "$data/work") after=$(ticks "$3")
  echo "$((JOBS * 1000 / (ended - begun))) $(((after - before) * 1000000 / $(getconf CLK_TCK) / JOBS))"
}
up() { until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.05; done; }

for run in $(seq "$RUNS"); do
  HELIOS__JOBS__EVERYONE=true HELIOS__LIMITS__ENABLED=false taskset -c 0 "$target/helios" serve --listen 127.0.0.1:9311 \
    --data-dir "$data/helios$run" >/dev/null 2>&1 & server=$!
  up 9311; echo "helios $(measure helios 9311 $server)"
  kill $server; wait $server || true
  for mode in always everysec; do
    mkdir -p "$data/redis$run$mode"
    taskset -c 0 redis-server --port 9312 --appendonly yes --appendfsync $mode --save '' --dir "$data/redis$run$mode" \
      --maxmemory-policy noeviction >/dev/null & server=$!
    up 9312; echo "bullmq-$mode $(measure bullmq 9312 $server)"
    kill $server; wait $server || true
  done
done | tee "$data/all"
median() { grep "^$1 " "$data/all" | cut -d' ' -f"$2" | sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
for of in helios bullmq-always bullmq-everysec; do echo "median $of: $(median $of 2) jobs/s, $(median $of 3) us of the server"; done
