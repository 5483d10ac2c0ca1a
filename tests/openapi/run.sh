#!/usr/bin/env bash
# Sets up schemathesis and lets it try every route that /api/v1/openapi.json describes. Installs it where it may (as root,
# with apt-get); where Python cannot be had, says so and passes, except in CI.
set -euo pipefail
cd "$(dirname "$0")"

venv=../../target/openapi
has_python() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

if ! has_python && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-venv >/dev/null
fi
if ! has_python; then
  echo "the description of the routes is not tried: install python3 python3-venv"
  [ -z "${CI:-}" ]
  exit
fi

if ! cmp -s requirements.txt "$venv/requirements.txt"; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
  cp requirements.txt "$venv/requirements.txt"
fi
exec "$venv/bin/python" try.py "$venv/bin/st"
