#!/usr/bin/env bash
# What accounts cost: an echo with an access token and a limit for each account, beside a server without either; and an echo
# while as many log in as the server takes. Server and load on a processor each, in turn, RUNS times.
#
#   cargo build --release --bin helios
#   LOADGEN=path/to/loadgen benches/load/accounts.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

LOADGEN=${LOADGEN:?set LOADGEN to the load generator}
RUNS=${RUNS:-5}
target=${CARGO_TARGET_DIR:-target}/release
data=$(mktemp -d)
cat >"$data/limits.toml" <<'TOML'
[limits.policies.echo]
face = "socket"
methods = ["demo:*"]
capacity = 1000000000
refill = 1000000
[limits.policies.accounts]
capacity = 0
[limits.policies.address]
capacity = 0
[limits.policies.api]
capacity = 0
TOML
HELIOS__AUTH__ENABLED=false HELIOS__LIMITS__ENABLED=false taskset -c 0 "$target/helios" serve --demo \
  --listen 127.0.0.1:9301 --data-dir "$data/without" >/dev/null 2>&1 & without=$!
HELIOS_ADMIN_USER=root HELIOS_ADMIN_PASSWORD='root password' HELIOS__AUTH__ATTEMPTS=0 taskset -c 0 "$target/helios" serve --demo \
  --listen 127.0.0.1:9302 --data-dir "$data/with" --config "$data/limits.toml" >/dev/null 2>&1 & with=$!
trap 'kill $without $with 2>/dev/null; rm -rf "$data"' EXIT
until (exec 3<>/dev/tcp/127.0.0.1/9301) 2>/dev/null && (exec 3<>/dev/tcp/127.0.0.1/9302) 2>/dev/null; do sleep 0.05; done

export HELIOS_URL=ws://127.0.0.1:9302/ws
token=$(printf 'root password\n' | "$target/helios" auth login root)
load() { taskset -c 1 "$LOADGEN" rpc --proto starling --method demo:echo --payload 64 --warmup 1 --seconds 4 "$@" 2>/dev/null; }
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
plain() { load --addr 127.0.0.1:9301 --pid $without "$@"; }
known() { load --addr 127.0.0.1:9302 --pid $with --header "Authorization: Bearer $token" "$@"; }

a=() b=()
for _ in $(seq "$RUNS"); do
  a+=("$(plain -c 64 -d 16 | field server_us_per_op)")
  b+=("$(known -c 64 -d 16 | field server_us_per_op)")
done
a=$(printf '%s\n' "${a[@]}" | median); b=$(printf '%s\n' "${b[@]}" | median)
echo "echo, 64 connections, depth 16, server_us_per_op: without $a, with $b, throughput with/without $(python3 -c "print(round($a/$b, 2))")"

# Logins from eight clients that never stop; what does not fit is told to come back.
storm() {
  python3 - "$1" <<'PY'
import http.client, json, sys, threading, time
until, done, busy = time.time() + float(sys.argv[1]), [0], [0]
body, head = json.dumps({"username": "root", "password": "root password"}), {"content-type": "application/json"}
def work():
    link = http.client.HTTPConnection("127.0.0.1", 9302, timeout=30)
    while time.time() < until:
        link.request("POST", "/api/v1/auth/login", body, head)
        answer = link.getresponse()
        answer.read()
        (done if answer.status == 200 else busy)[0] += 1
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(f"logins: {done[0]} in {sys.argv[1]} s, {busy[0]} told to come back")
PY
}
calm=() stormy=()
for _ in $(seq "$RUNS"); do
  calm+=("$(known -c 8 -d 1 | field latency_p99_us)")
  storm 7 & logins=$!
  sleep 1
  stormy+=("$(known -c 8 -d 1 | field latency_p99_us)")
  wait $logins
done
calm=$(printf '%s\n' "${calm[@]}" | median); stormy=$(printf '%s\n' "${stormy[@]}" | median)
echo "echo, 8 connections, latency_p99_us: calm $calm, while logging in $stormy, ratio $(python3 -c "print(round($stormy/$calm, 2))")"
