"""The port, driven by Debian's redis-cli and redis-benchmark, and by bytes that no client would send."""

import shutil
import subprocess
import unittest

from server import WithServer


@unittest.skipUnless(shutil.which("redis-cli"), "redis-cli is not installed (redis-tools)")
class RedisCli(WithServer, unittest.TestCase):
    def cli(self, *arguments, stdin=None):
        command = ["redis-cli", "-p", str(self.server.port), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60).stdout

    def test_commands_one_by_one(self):
        self.assertEqual(self.cli("SET", "a", "1"), "OK\n")
        self.assertEqual(self.cli("INCR", "a"), "2\n")
        self.assertEqual(self.cli("GET", "a"), "2\n")
        self.assertEqual(self.cli("GET", "nothing"), "\n")
        self.assertIn("wrong number of arguments", self.cli("GET"))
        self.assertIn("helios_version", self.cli("INFO", "server"))

    def test_both_versions_of_the_protocol(self):
        for version in ("-2", "-3"):
            self.assertEqual(self.cli(version, "SET", "v", version), "OK\n")
            self.assertEqual(self.cli(version, "MGET", "v", "none"), f"{version}\n\n")
            self.assertIn("proto", self.cli(version, "HELLO"))

    def test_a_script_of_commands(self):
        script = "MULTI\nSET x 1\nINCR x\nEXEC\nGET x\n"
        self.assertEqual(self.cli(stdin=script).split(), ["OK", "QUEUED", "QUEUED", "OK", "2", "2"])

    def test_mass_insertion(self):
        lines = "".join(f"SET mass:{n} {n}\r\n" for n in range(5_000))
        self.assertIn("errors: 0, replies: 5000", self.cli("--pipe", stdin=lines))
        keys = self.cli("--scan", "--pattern", "mass:*").split()
        self.assertEqual(len(keys), 5_000)
        self.assertEqual(len(set(keys)), 5_000)

    @unittest.skipUnless(shutil.which("redis-benchmark"), "redis-benchmark is not installed")
    def test_redis_benchmark(self):
        command = ["redis-benchmark", "-p", str(self.server.port), "-q", "-n", "2000", "-c", "20", "-P", "8"]
        command += ["-t", "ping_inline,ping_mbulk,set,get,incr,mset", "-r", "1000"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("requests per second"), 6, done.stdout)
        self.assertNotIn("rror", done.stdout + done.stderr)


class Raw(WithServer, unittest.TestCase):
    def test_inline_commands_and_pipelines(self):
        self.assertEqual(self.server.raw(b"PING\r\nSET a 'x y'\r\nGET a\n\r\nQUIT\r\nPING\r\n"),
                         b"+PONG\r\n+OK\r\n$3\r\nx y\r\n+OK\r\n")

    def test_what_waits_is_answered_in_the_version_in_which_it_was_asked(self):
        sent = b"SET v 1\r\nGETDEL none\r\nHELLO 3\r\nGET none\r\n"
        answer = self.server.raw(sent)
        self.assertTrue(answer.startswith(b"+OK\r\n$-1\r\n%7\r\n"), answer)
        self.assertTrue(answer.endswith(b"_\r\n"), answer)

    def test_a_request_of_many_small_parts_in_many_pieces(self):
        parts = 50_000
        with self.server.socket() as connection:
            sent = b"*%d\r\n$3\r\nDEL\r\n" % (parts + 1) + b"$1\r\na\r\n" * parts
            for start in range(0, len(sent), 1_000):
                connection.sendall(sent[start : start + 1_000])
            self.assertEqual(connection.recv(100), b":0\r\n")

    def test_each_wrong_request_is_told_and_ends_the_connection(self):
        for sent, text in [
            (b"*x\r\n", b"invalid multibulk length"),
            (b"*1\r\n+PING\r\n", b"expected '$'"),
            (b"*1\r\n$-5\r\n", b"invalid bulk length"),
            (b"*2\r\n$3\r\nGET\r\n$99999999\r\n", b"invalid bulk length"),
            (b"*2000000\r\n", b"invalid multibulk length"),
            (b'GET "a\r\n', b"unbalanced quotes in request"),
            (b"x" * 70_000, b"too big inline request"),
        ]:
            answer = self.server.raw(sent)
            self.assertTrue(answer.startswith(b"-ERR Protocol error: "), (sent[:20], answer))
            self.assertIn(text, answer)
            self.assertEqual(answer.count(b"\r\n"), 1)

    def test_any_bytes_leave_the_server_well(self):
        import random

        random.seed(7)
        print("seed 7")
        for _ in range(300):
            length = random.randrange(1, 60)
            self.server.raw(bytes(random.choice(b"*$\r\n0123456789 abGETS\"'\x00\xff{}") for _ in range(length)))
        self.assertEqual(self.server.raw(b"PING\r\n"), b"+PONG\r\n")


if __name__ == "__main__":
    unittest.main()
