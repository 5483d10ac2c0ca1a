#!/usr/bin/env bash
# The store beside Redis on the same machine, in alternating runs: medians, and that the work was done.
#
#   benches/store/measure.sh p8       writes and reads over the port (the goal: 0.8 of Redis)
#   benches/store/measure.sh million  a million keys: memory, and the time to start again
#
# Needs redis-server, redis-benchmark, redis-cli and `cargo build --release`. RUNS=5 by default.
set -euo pipefail
cd "$(dirname "$0")/../.."

helios=${HELIOS:-target/release/helios}
runs=${RUNS:-5}
dir=$(mktemp -d -p "${TMPDIR:-target}")
pids=()
stop() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done; pids=(); }
trap 'stop; rm -rf "$dir"' EXIT

redis_port=7311 helios_port=7312
declare -A redis_mode=([every]=always [interval]=everysec [none]=no)

start() { # server mode
  case $1 in
    redis) redis-server --port $redis_port --dir "$dir/redis" --save "" --appendonly yes \
             --appendfsync "${redis_mode[$2]}" >/dev/null 2>&1 & ;;
    helios) "$helios" atlas --listen 127.0.0.1:$helios_port --data-dir "$dir/helios" --sync-mode "$2" \
             >/dev/null 2>&1 & ;;
  esac
  pids+=($!)
  until redis-cli -p "$(port "$1")" ping 2>&1 | grep -q PONG; do sleep 0.02; done
}
port() { [ "$1" = redis ] && echo $redis_port || echo $helios_port; }
processed() { redis-cli -p "$(port "$1")" info stats | tr -d '\r' | sed -n 's/^total_commands_processed://p'; }
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

# One run; fails unless every command was counted by the server.
bench() { # server test clients pipeline count
  local before after rate
  before=$(processed "$1")
  rate=$(redis-benchmark -p "$(port "$1")" -t "$2" -c "$3" -P "$4" -n "$5" -d 64 -r 100000 --csv 2>/dev/null \
    | tail -1 | cut -d, -f2 | tr -d '"')
  after=$(processed "$1")
  [ $((after - before)) -ge "$5" ] || { echo "$1 did $((after - before)) of $5 commands" >&2; exit 1; }
  echo "${rate%.*}"
}

p8() {
  echo "| policy | clients | pipeline | SET Redis | SET ATLAS | ratio | GET Redis | GET ATLAS | ratio |"
  echo "|---|---|---|---|---|---|---|---|---|"
  for mode in every interval none; do
    rm -rf "$dir"/*; mkdir -p "$dir/redis" "$dir/helios"
    start redis $mode; start helios $mode
    for clients in 1 8 64; do for pipeline in 1 16; do
      row="| $mode | $clients | $pipeline |"
      for test in set get; do
        count=$((clients == 1 ? 15000 : 60000)); [ $pipeline = 16 ] && count=$((count * 5))
        [ $test$mode$clients = setevery1 ] && count=$((count / 4))
        declare -A rates=([redis]="" [helios]="")
        for _ in $(seq "$runs"); do for server in redis helios; do
          rates[$server]+="$(bench $server $test $clients $pipeline $count)"$'\n'
        done; done
        r=$(printf '%s' "${rates[redis]}" | median) h=$(printf '%s' "${rates[helios]}" | median)
        row+=" $r | $h | $(awk -v a="$h" -v b="$r" 'BEGIN { printf "%.2f", a / b }') |"
      done
      echo "$row"
    done; done
    stop
  done
}

million() {
  echo "| server | memory for 1 M keys | start with the log | start with a snapshot |"
  echo "|---|---|---|---|"
  rm -rf "$dir"/*; mkdir -p "$dir/redis" "$dir/helios"
  for server in redis helios; do
    start $server none
    local empty full log
    empty=$(memory)
    awk 'BEGIN { for (n = 0; n < 1000000; n++) printf "SET key:%012d %064d\r\n", n, n }' \
      | redis-cli -p "$(port $server)" --pipe >/dev/null
    keys $server
    full=$(memory)
    restart $server; log=$took
    # What Redis keeps as the base of its log is a snapshot; here it is asked for one.
    if [ $server = redis ]; then
      redis-cli -p $redis_port bgrewriteaof >/dev/null
      until [ "$(redis-cli -p $redis_port info persistence | tr -d '\r' | sed -n 's/^aof_rewrite_in_progress://p')" = 0 ]; do sleep 0.2; done
    else
      redis-cli -p $helios_port save >/dev/null
    fi
    restart $server
    echo "| $server | $(((full - empty) / 1024)) MiB | $log s | $took s |"
    stop
  done
}
memory() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/${pids[0]}/status"; }
keys() { [ "$(redis-cli -p "$(port "$1")" dbsize)" = 1000000 ] || { echo "$1 has lost keys" >&2; exit 1; }; }
# Stops in order and starts again; `took` is the time until it answers with all keys.
restart() {
  local begin
  stop
  begin=$(date +%s.%N)
  start "$1" none
  until [ "$(redis-cli -p "$(port "$1")" dbsize 2>/dev/null)" = 1000000 ]; do sleep 0.02; done
  took=$(awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }')
}

"${1:?p8 or million}"
