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
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("HELIOS_BIN", str(ROOT / "target" / "debug" / "helios"))

# Cheap hashes and no limits, so that many requests are answered by their methods.
OPTIONS = {
    "RUST_BACKTRACE": "1",
    "HELIOS__TELEMETRY__LOG_LEVEL": "debug",
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

# What would log the caller out, and what takes its time on purpose.
LEFT_OUT = "auth.logout|auth:logout|auth/password|auth:changePassword|universe:benchmark|jobs/lease|jobs:lease|admin/cluster"

# What no line of the log may have.
SECRET = re.compile(r"root password|correct horse|\$2[aby]\$\d\d\$[./\w]{50}|hk_\w{32}_[\w-]{43}|eyJ[\w-]+\.[\w-]+\.[\w-]{43}")


def start(directory):
    command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--data-dir", os.path.join(directory, "data")]
    # Files, which are never full: whoever writes to a pipe that nobody reads waits.
    with open(os.path.join(directory, "logs"), "w") as logs, open(os.path.join(directory, "says"), "w") as says:
        server = subprocess.Popen(command, stdout=logs, stderr=says, env={**os.environ, **OPTIONS})
    while server.poll() is None:
        found = re.search(r"WebSocket\s+ws://(\S+)/ws", pathlib.Path(directory, "says").read_text())
        if found:
            return server, f"http://{found.group(1)}"
        time.sleep(0.05)
    raise RuntimeError(f"the server ended with {server.returncode}")


def post(url, body, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def tried(schemathesis, url, directory, seed, credentials, left_out):
    """Tries every route as somebody, and says whether all was well."""
    command = [schemathesis, "run", f"{url}/api/v1/openapi.json"]
    for name, value in credentials.items():
        command += ["-H", f"{name}: {value}"]
    command += ["--checks", ",".join(CHECKS), "--exclude-path-regex", left_out]
    command += ["-n", os.environ.get("HELIOS_EXAMPLES", "10"), "--seed", seed]
    command += ["--phases", "coverage,fuzzing", "--generation-database", "none", "--no-color"]
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=600)
    lines = ran.stdout.splitlines()
    summary = next((at for at, line in enumerate(lines) if " SUMMARY " in line), 0)
    print("\n".join(lines[summary:] if ran.returncode == 0 else lines))
    print(ran.stderr, file=sys.stderr, end="")
    return ran.returncode == 0


def main():
    schemathesis = os.path.abspath(sys.argv[1])
    seed = os.environ.get("HELIOS_SEED") or str(random.randrange(1 << 32))
    with tempfile.TemporaryDirectory(prefix="helios-openapi-") as directory:
        server, url = start(directory)
        try:
            login = {"username": "root", "password": "root password"}
            token = post(f"{url}/api/v1/auth/login", login)["token"]
            key = post(f"{url}/api/v1/auth/keys", {"name": "try", "scopes": ["*"]}, token)["key"]
            post(f"{url}/api/v1/auth/register", {"username": "ann", "password": "correct horse"})
            hers = post(f"{url}/api/v1/auth/login", {"username": "ann", "password": "correct horse"})["token"]
            # Everybody else first: the administrator may delete them.
            fine = tried(schemathesis, url, directory, seed, {}, LEFT_OUT + "|/rpc/")
            fine = tried(schemathesis, url, directory, seed, {"Authorization": f"Bearer {hers}"}, LEFT_OUT + "|/rpc/") and fine
            all_of_it = {"Authorization": f"Bearer {token}", "X-API-Key": key}
            fine = tried(schemathesis, url, directory, seed, all_of_it, LEFT_OUT) and fine
            alive = server.poll() is None
        finally:
            server.send_signal(signal.SIGTERM)
            ended = server.wait(timeout=30)
        with open(os.path.join(directory, "logs")) as logs:
            secrets = [line for line in logs if SECRET.search(line)]
        says = pathlib.Path(directory, "says").read_text()
        panic = says.find("panicked")
        if panic >= 0:
            sys.exit(f"the server panicked; HELIOS_SEED={seed} again:\n{says[panic:][:4_000]}")
    if not fine or not alive or ended or secrets:
        sys.exit(f"schemathesis found something: {not fine}; the server ended with {ended}; in its logs: {secrets}; HELIOS_SEED={seed} again")


main()
