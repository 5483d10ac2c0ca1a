#!/usr/bin/env bash
# Sets up what the tests of the port need and runs them. Installs it where it may (as root, with apt-get); where
# Python cannot be had, says so and passes, except in CI.
set -euo pipefail
cd "$(dirname "$0")"

venv=../../target/redis-client
has_python() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

missing=()
has_python || missing+=(python3 python3-venv)
command -v redis-cli >/dev/null || missing+=(redis-tools)
if [ "${#missing[@]}" -gt 0 ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null
fi
if ! has_python; then
  echo "the tests of the port are not run: install ${missing[*]}"
  [ -z "${CI:-}" ]
  exit
fi

if ! cmp -s requirements.txt "$venv/requirements.txt"; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
  cp requirements.txt "$venv/requirements.txt"
fi
exec "$venv/bin/python" -m unittest
