"""The port, driven by the client that programs use, in both versions of the protocol."""

import logging
import threading
import time
import unittest

import redis

from server import Server, WithServer

# In version 3 the client asks for a feature of another server first, and complains in the log.
logging.disable(logging.WARNING)


class Protocol(WithServer):
    version = 2

    def setUp(self):
        self.redis = redis.Redis(port=self.server.port, protocol=self.version)
        self.redis.flushdb()

    def tearDown(self):
        self.redis.close()

    def refused(self, text, *command):
        with self.assertRaises(redis.ResponseError) as caught:
            self.redis.execute_command(*command)
        self.assertIn(text, str(caught.exception))

    def test_connection(self):
        r = self.redis
        self.assertTrue(r.ping())
        self.assertEqual(r.echo("hello"), b"hello")
        self.assertTrue(r.execute_command("SELECT", 0))
        self.refused("DB index is out of range", "SELECT", 1)
        self.assertTrue(r.client_setname("tester"))
        self.assertEqual(r.client_getname() in ("tester", b"tester"), True)
        self.assertGreater(r.client_id(), 0)
        self.assertEqual(r.client_info()["name"], "tester")
        self.assertIn(b"get", [name.encode() for name in r.command()])
        self.assertGreater(r.command_count(), 40)

    def test_values_are_bytes(self):
        r = self.redis
        for value in [b"", b"data", b"\x00\xff\r\n", "ünï".encode(), b"x" * 100_000]:
            self.assertTrue(r.set(b"key\xff\r\n", value))
            self.assertEqual(r.get(b"key\xff\r\n"), value)
            self.assertEqual(r.strlen(b"key\xff\r\n"), len(value))
        self.assertIsNone(r.get("missing"))
        self.assertEqual(r.strlen("missing"), 0)

    def test_conditions_of_set(self):
        r = self.redis
        self.assertIsNone(r.set("a", 1, xx=True))
        self.assertTrue(r.set("a", 1, nx=True))
        self.assertIsNone(r.set("a", 2, nx=True))
        self.assertTrue(r.set("a", 3, xx=True))
        self.assertEqual(r.set("a", 4, get=True), b"3")
        self.assertEqual(r.set("a", 5, nx=True, get=True), b"4")
        self.assertEqual(r.get("a"), b"4")
        self.assertIsNone(r.set("new", 1, get=True))
        self.assertEqual(r.setnx("a", 9), False)
        self.assertEqual(r.setnx("b", 9), True)
        self.assertEqual(r.getset("b", 10), b"9")
        self.assertEqual(r.getdel("b"), b"10")
        self.assertIsNone(r.getdel("b"))
        for wrong in [("NX", "XX"), ("EX",), ("EX", "1", "PX", "1"), ("KEEPTTL", "EX", "1"), ("FOO",)]:
            self.refused("syntax error", "SET", "a", "1", *wrong)

    def test_expiry(self):
        r = self.redis
        now = int(time.time())
        self.assertTrue(r.set("a", 1, ex=100))
        self.assertIn(r.ttl("a"), (99, 100))
        self.assertTrue(r.set("a", 2, keepttl=True))
        self.assertGreater(r.pttl("a"), 90_000)
        self.assertTrue(r.set("a", 2))
        self.assertEqual(r.ttl("a"), -1)
        self.assertEqual(r.ttl("missing"), -2)
        self.assertTrue(r.expire("a", 100))
        self.assertTrue(r.persist("a"))
        self.assertFalse(r.persist("a"))
        self.assertFalse(r.expire("missing", 10))
        self.assertTrue(r.expireat("a", now + 50))
        self.assertIn(r.ttl("a"), range(48, 51))
        self.assertTrue(r.pexpireat("a", (now + 70) * 1000))
        self.assertIn(r.ttl("a"), range(68, 71))
        self.assertTrue(r.set("b", 1, exat=now + 30))
        self.assertTrue(r.set("c", 1, pxat=(now + 30) * 1000))
        self.assertIn(r.ttl("c"), range(28, 31))
        self.assertEqual(r.getex("c", persist=True), b"1")
        self.assertEqual(r.ttl("c"), -1)
        self.assertEqual(r.getex("c", ex=20), b"1")
        self.assertIn(r.ttl("c"), (19, 20))
        self.assertEqual(r.getex("c"), b"1")
        self.assertIsNone(r.getex("missing"))
        self.assertTrue(r.expire("c", -1))
        self.assertIsNone(r.get("c"))
        self.assertTrue(r.setex("d", 60, "v"))
        self.assertTrue(r.psetex("d", 60_000, "v"))
        for wrong in [("SET", "a", "1", "EX", "0"), ("SETEX", "a", "-1", "v"), ("GETEX", "a", "PX", "0")]:
            self.refused("invalid expire time in", *wrong)
        self.refused("invalid expire time in 'expire'", "EXPIRE", "a", 2**63 - 1)
        self.refused("not an integer", "EXPIRE", "a", "x")
        self.refused("Unsupported option GT", "EXPIRE", "a", "1", "GT")

    def test_what_is_over_is_nowhere(self):
        r = self.redis
        r.mset({f"k{n}": n for n in range(10)})
        for n in range(5):
            r.pexpire(f"k{n}", 30)
        while r.exists("k4"):
            pass
        self.assertEqual(r.dbsize(), 5)
        self.assertEqual(len(r.keys("k*")), 5)
        self.assertEqual(len(list(r.scan_iter("k*"))), 5)
        self.assertEqual(r.ttl("k0"), -2)
        self.assertEqual(r.info("keyspace")["db0"]["keys"], 5)

    def test_many_keys(self):
        r = self.redis
        self.assertTrue(r.mset({"a": 1, "b": 2, "c": 3}))
        self.assertEqual(r.mget("a", "x", "c"), [b"1", None, b"3"])
        self.assertEqual(r.exists("a", "a", "x"), 2)
        self.assertEqual(r.delete("a", "x", "b"), 2)
        self.assertEqual(r.unlink("c"), 1)
        self.assertEqual(r.dbsize(), 0)
        self.assertEqual(r.type("a"), b"none")
        r.set("a", 1)
        self.assertEqual(r.type("a"), b"string")

    def test_numbers(self):
        r = self.redis
        self.assertEqual(r.incr("n"), 1)
        self.assertEqual(r.incrby("n", 10), 11)
        self.assertEqual(r.decr("n"), 10)
        self.assertEqual(r.decrby("n", 15), -5)
        self.assertEqual(r.get("n"), b"-5")
        r.set("n", 2**63 - 1)
        self.refused("would overflow", "INCR", "n")
        self.refused("decrement would overflow", "DECRBY", "n", -(2**63))
        for wrong in ["x", " 1", "1.5", ""]:
            r.set("n", wrong)
            self.refused("value is not an integer or out of range", "INCR", "n")
        self.refused("value is not an integer or out of range", "INCRBY", "m", "x")
        self.assertEqual(r.append("t", "ab"), 2)
        self.assertEqual(r.append("t", "cd"), 4)
        self.assertEqual(r.get("t"), b"abcd")

    def test_scan_sees_each_key_once_while_others_come_and_go(self):
        r = self.redis
        with r.pipeline(transaction=False) as pipe:
            for n in range(2_000):
                pipe.set(f"user:{n}", n)
                pipe.set(f"other:{n}", n)
            pipe.execute()
        seen = []
        for number, key in enumerate(r.scan_iter("user:*", count=50)):
            seen.append(key)
            if number % 100 == 0:
                r.delete(f"other:{number}")
                r.set(f"new:{number}", 1)
        self.assertEqual(len(seen), 2_000)
        self.assertEqual(len(set(seen)), 2_000)
        self.assertEqual(len(r.keys("user:1??")), 100)
        self.assertEqual(r.keys("user:[!]"), [])
        self.assertEqual(list(r.scan_iter(_type="hash")), [])
        self.refused("invalid cursor", "SCAN", "x")
        self.refused("invalid cursor", "SCAN", 12345)
        self.refused("syntax error", "SCAN", 0, "COUNT", 0)

    def test_transactions(self):
        r = self.redis
        with r.pipeline() as pipe:
            got = pipe.set("a", 1).incr("a").get("a").delete("a", "b").exists("a").ping().dbsize().execute()
        self.assertEqual(got, [True, 2, b"2", 1, 0, True, 0])
        with r.pipeline() as pipe:
            pipe.set("s", "x").incr("s").set("t", 1)
            with self.assertRaises(redis.ResponseError):
                pipe.execute()
        self.assertEqual(r.get("t"), b"1", "as Redis: the others are carried out")
        with r.pipeline() as pipe:
            pipe.watch("a")
            r.set("a", 5)
            pipe.multi()
            pipe.set("a", 6)
            with self.assertRaises(redis.WatchError):
                pipe.execute()
        self.assertEqual(r.get("a"), b"5")
        with r.pipeline() as pipe:
            pipe.watch("a")
            pipe.multi()
            pipe.set("a", 6)
            self.assertEqual(pipe.execute(), [True])
        raw = redis.Redis(port=self.server.port, single_connection_client=True)
        for text, command in [
            ("EXEC without MULTI", ["EXEC"]),
            ("DISCARD without MULTI", ["DISCARD"]),
        ]:
            with self.assertRaises(redis.ResponseError) as caught:
                raw.execute_command(*command)
            self.assertIn(text, str(caught.exception))
        raw.execute_command("MULTI")
        # The client reads QUEUED as "not OK".
        self.assertFalse(raw.execute_command("SET", "q", "1"))
        for text, command in [
            ("MULTI calls can not be nested", ["MULTI"]),
            ("WATCH inside MULTI", ["WATCH", "a"]),
            ("unknown command", ["NOPE"]),
        ]:
            with self.assertRaises(redis.ResponseError) as caught:
                raw.execute_command(*command)
            self.assertIn(text, str(caught.exception))
        with self.assertRaises(redis.exceptions.ExecAbortError):
            raw.execute_command("EXEC")
        self.assertIsNone(r.get("q"))
        raw.execute_command("MULTI")
        raw.execute_command("SET", "q", "1")
        self.assertTrue(raw.execute_command("DISCARD"))
        self.assertIsNone(r.get("q"))
        raw.close()

    def test_each_command_of_a_transaction_has_its_own_answer(self):
        with self.redis.pipeline() as pipe:
            pipe.set("n", "x").incr("n").mset({"a": 1, "b": 2}).get("a").delete("a", "b", "none").exists("a")
            got = pipe.execute(raise_on_error=False)
        self.assertIsInstance(got[1], redis.ResponseError)
        self.assertEqual([got[0], *got[2:]], [True, True, b"1", 2, 0])
        with self.redis.pipeline() as pipe:
            pipe.mset({"a": 1, "k" * 5000: 2, "b": 3}).set("c", 1)
            with self.assertRaises(redis.ResponseError):
                pipe.execute()
        self.assertEqual(self.redis.exists("a", "b", "c"), 0, "what meets a limit undoes all of it")
        with self.redis.pipeline() as pipe:
            for number in range(20_000):
                pipe.set(f"many:{number}", number)
            self.assertEqual(len(pipe.execute()), 20_000)

    def test_times_that_are_over_or_far_away(self):
        r = self.redis
        self.assertTrue(r.execute_command("SET", "a", "1", "NX", "EXAT", "1"))
        self.assertIsNone(r.get("a"))
        self.assertTrue(r.execute_command("SET", "a", "1", "PXAT", 2**63 - 1))
        self.assertGreater(r.ttl("a"), 2**50)
        self.refused("not an integer", "INCRBY", "n", "+5")
        self.refused("not an integer", "INCRBY", "n", "05")

    def test_a_transaction_is_never_seen_half_done(self):
        stop = threading.Event()
        wrong = []

        def look():
            mine = redis.Redis(port=self.server.port)
            while not stop.is_set():
                a, b = mine.mget("left", "right")
                if a != b:
                    wrong.append((a, b))
            mine.close()

        looker = threading.Thread(target=look)
        looker.start()
        for n in range(200):
            with self.redis.pipeline() as pipe:
                pipe.set("left", n).set("right", n).execute()
        stop.set()
        looker.join()
        self.assertEqual(wrong, [])

    def test_counters_of_many_clients_lose_nothing(self):
        def count():
            mine = redis.Redis(port=self.server.port)
            for _ in range(100):
                mine.incr("hits")
            mine.close()

        threads = [threading.Thread(target=count) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        self.assertEqual(self.redis.get("hits"), b"800")

    def test_a_pipeline_reads_its_own_writes_in_order(self):
        with self.redis.pipeline(transaction=False) as pipe:
            for n in range(500):
                pipe.set("p", n)
                pipe.get("p")
                pipe.append("p", "!")
            got = pipe.execute()
        self.assertEqual(got[1::3], [str(n).encode() for n in range(500)])

    def test_errors_have_the_texts_that_clients_know(self):
        self.refused("wrong number of arguments for 'get' command", "GET")
        self.refused("wrong number of arguments for 'get' command", "GET", "a", "b")
        self.refused("wrong number of arguments for 'mset' command", "MSET", "a", "b", "c")
        self.refused("unknown command 'NOPE', with args beginning with: 'a' 'b'", "NOPE", "a", "b")
        with self.assertRaises(redis.AuthenticationError) as caught:
            self.redis.execute_command("AUTH", "x")
        self.assertIn("without any password configured", str(caught.exception))
        self.refused("a key has at most 4096 bytes, not 5000", "SET", "k" * 5000, "v")
        self.refused("a value has at most 16777216 bytes", "SET", "k", b"v" * (16 * 1024 * 1024 + 1))
        self.assertIsNone(self.redis.get("k"))

    def test_snapshots_and_info(self):
        r = self.redis
        r.set("a", 1)
        before = r.info("stats")["revision"]
        self.assertTrue(r.save())
        self.assertGreaterEqual(r.lastsave().timestamp(), time.time() - 60)
        self.assertTrue(r.bgsave())
        info = r.info()
        self.assertEqual(info["role"], "master")
        self.assertEqual(info["aof_sync_mode"], "every")
        self.assertEqual(info["aof_last_write_status"], "ok")
        self.assertGreater(info["aof_current_size"], 0)
        self.assertEqual(info["revision"], before)
        self.assertEqual(r.config_get("append*"), {"appendonly": "yes", "appendfsync": "always"})
        self.assertTrue(r.flushdb())
        self.assertEqual(r.dbsize(), 0)


class Resp2(Protocol, unittest.TestCase):
    version = 2


class Resp3(Protocol, unittest.TestCase):
    version = 3


class Password(unittest.TestCase):
    def test_nothing_works_before_it(self):
        server = Server(env={"HELIOS__ATLAS__PASSWORD": "open sesame"})
        try:
            stranger = redis.Redis(port=server.port)
            with self.assertRaises(redis.AuthenticationError):
                stranger.get("a")
            with self.assertRaises(redis.AuthenticationError):
                redis.Redis(port=server.port, password="wrong").ping()
            with self.assertRaises(redis.AuthenticationError):
                redis.Redis(port=server.port, username="other", password="open sesame").ping()
            for version in (2, 3):
                self.assertTrue(redis.Redis(port=server.port, password="open sesame", protocol=version).ping())
                known = redis.Redis(port=server.port, username="default", password="open sesame", protocol=version)
                self.assertTrue(known.ping())
            # Nobody may make the server wait for megabytes before saying who it is.
            answer = server.raw(b"*1\r\n$20000\r\n")
            self.assertIn(b"invalid bulk length", answer)
        finally:
            server.stop()


class Unread(unittest.TestCase):
    def test_peers_that_do_not_read_neither_fill_the_memory_nor_stop_the_end(self):
        server = Server()
        client = redis.Redis(port=server.port)
        client.set("big", b"x" * 4_000_000)
        with server.socket() as lazy:
            lazy.sendall(b"SET a 1\r\n" + b"GET big\r\n" * 200)
            while client.info("stats")["total_commands_processed"] < 10:
                pass
            with open(f"/proc/{server.process.pid}/status") as status:
                peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
            self.assertLess(peak, 400_000, "KiB")
            self.assertEqual(server.stop(), 0)


class Restart(unittest.TestCase):
    def test_what_was_answered_is_there_after_a_kill(self):
        server = Server()
        try:
            client = redis.Redis(port=server.port)
            client.mset({f"k{n}": n for n in range(100)})
            client.set("binary\xff", b"\x00\xff")
            client.set("later", 1, ex=1000)
            client.delete("k50")
            server.process.kill()
            server.process.wait()
            again = Server(directory=server.directory)
            client = redis.Redis(port=again.port)
            self.assertEqual(client.dbsize(), 101)
            self.assertEqual(client.get("binary\xff"), b"\x00\xff")
            self.assertIn(client.ttl("later"), range(990, 1001))
            self.assertIsNone(client.get("k50"))
            self.assertEqual(again.stop(), 0)
        finally:
            server.stop()


if __name__ == "__main__":
    unittest.main()
