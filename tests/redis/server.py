"""Starts `helios atlas` for a test and stops it."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("HELIOS_BIN", str(ROOT / "target" / "debug" / "helios"))


class WithServer:
    """For test cases that share one server."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0


class Server:
    """A store of its own, or one in a directory that is there already."""

    def __init__(self, *flags, directory=None, env=None):
        self.own = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="helios-redis-")
        command = [BINARY, "atlas", "--listen", "127.0.0.1:0", "--data-dir", self.directory, *flags]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self.port = None
        for line in self.process.stderr:
            found = re.search(r"Port\s+\S+:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        if self.port is None:
            raise RuntimeError(f"the server ended with {self.process.wait()}")

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def raw(self, sent):
        """What comes back until the server closes, or until as many bytes as a whole answer were read."""
        with self.socket() as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
            return received

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.process.stderr.close()
        if self.own:
            shutil.rmtree(self.directory)
        return code
