"""Starts a server with accounts, and lets schemathesis try every route as its administrator: no server error, no status and
no shape that is not described. HELIOS_EXAMPLES says how many examples of each route are made up; the seed is printed."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("HELIOS_BIN", str(ROOT / "target" / "debug" / "helios"))

# Cheap hashes and no limits, so that many requests are answered by their methods.
OPTIONS = {
    "HELIOS__AUTH__BCRYPT_COST": "4",
    "HELIOS__AUTH__ATTEMPTS": "0",
    "HELIOS__LIMITS__ENABLED": "false",
    "HELIOS_ADMIN_USER": "root",
    "HELIOS_ADMIN_PASSWORD": "root password",
}

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
]

# What would log the administrator out, and what takes its time on purpose.
LEFT_OUT = "logout|auth/password|universe:benchmark"


def start(directory):
    command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--data-dir", directory]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **OPTIONS})
    for line in server.stderr:
        found = re.search(r"WebSocket\s+ws://(\S+)/ws", line)
        if found:
            return server, f"http://{found.group(1)}"
    raise RuntimeError(f"the server ended with {server.wait()}")


def post(url, body, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def main():
    schemathesis = os.path.abspath(sys.argv[1])
    seed = os.environ.get("HELIOS_SEED") or str(random.randrange(1 << 32))
    with tempfile.TemporaryDirectory(prefix="helios-openapi-") as directory:
        server, url = start(directory)
        try:
            login = {"username": "root", "password": "root password"}
            token = post(f"{url}/api/v1/auth/login", login)["token"]
            key = post(f"{url}/api/v1/auth/keys", {"name": "try", "scopes": ["*"]}, token)["key"]
            command = [schemathesis, "run", f"{url}/api/v1/openapi.json"]
            command += ["-H", f"Authorization: Bearer {token}", "-H", f"X-API-Key: {key}"]
            command += ["--checks", ",".join(CHECKS), "--exclude-path-regex", LEFT_OUT]
            command += ["-n", os.environ.get("HELIOS_EXAMPLES", "10"), "--seed", seed]
            command += ["--phases", "coverage,fuzzing", "--generation-database", "none", "--no-color"]
            tried = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=600)
            lines = tried.stdout.splitlines()
            summary = next((at for at, line in enumerate(lines) if " SUMMARY " in line), 0)
            print("\n".join(lines[summary:] if tried.returncode == 0 else lines))
            print(tried.stderr, file=sys.stderr, end="")
            alive = server.poll() is None
        finally:
            server.send_signal(signal.SIGTERM)
            ended = server.wait(timeout=30)
    if tried.returncode or not alive or ended:
        sys.exit(f"schemathesis ended with {tried.returncode}, the server with {ended}; HELIOS_SEED={seed} again")


main()
