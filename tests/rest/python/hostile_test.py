"""Bad input: every case gets a clear error or an end, and nobody else notices."""

import gzip
import json
import os
import socket
import ssl
import threading
import time
import unittest

import system

HEAD = (f"host: {system.HOST}\r\nauthorization: Bearer {system.KEY}\r\n"
        f"anthropic-beta: {system.BETA}\r\n")
MIB = 1 << 20
# A bit more than the server gives the slowest step, a body.
SLOW_CUT_SECONDS = 45


def post(body, headers=""):
    """A whole POST /v1/environments."""
    return (f"POST /v1/environments HTTP/1.1\r\n{HEAD}content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{headers}\r\n").encode() + body


def get(path="/v1/environments?limit=1", headers=""):
    return f"GET {path} HTTP/1.1\r\n{HEAD}{headers}\r\n".encode()


class Reader:
    """Reads answers off a raw connection."""

    def __init__(self, connection):
        self._file = connection.makefile("rb")

    def answer(self):
        """The next answer, or None when the server has ended the connection."""
        try:
            line = self._file.readline()
            if not line:
                return None
            headers = {}
            while (header := self._file.readline()) not in (b"\r\n", b""):
                name, _, value = header.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
            body = self._file.read(int(headers.get("content-length", 0)))
            return system.Answer(int(line.split()[1]), headers, body)
        except (ConnectionError, ssl.SSLError):
            return None


class SlowClient(threading.Thread):
    """Sends `first`, then a byte `more` now and then, until the server ends the connection."""

    def __init__(self, name, connect, first=b"", more=b""):
        super().__init__(name=name, daemon=True)
        self.cut_after = None
        self._connection = connect()
        self._more = more
        if first:
            self._connection.sendall(first)
        self.start()

    def run(self):
        self._connection.settimeout(0.5)
        begin = time.monotonic()
        while time.monotonic() - begin < SLOW_CUT_SECONDS:
            try:
                if self._more:
                    self._connection.sendall(self._more)
                if not self._connection.recv(4096):
                    self.cut_after = time.monotonic() - begin
                    break
            except TimeoutError:
                continue
            except OSError:
                self.cut_after = time.monotonic() - begin
                break
        self._connection.close()


SLOW_CLIENTS = []


def setUpModule():  # pylint: disable=invalid-name
    """The slow ones are there while all other tests run."""
    SLOW_CLIENTS.extend([
        SlowClient("no handshake",
                   lambda: socket.create_connection((system.HOST, system.PORT), timeout=30)),
        SlowClient("half a head", system.connect, get()[:-2]),
        SlowClient("a byte of the head now and then", system.connect, get()[:20], b"x"),
        SlowClient("half a body", system.connect, post(b'{"name": "slow"}')[:-4])])


class HostileCase(unittest.TestCase):
    """While each test runs, a well-behaved client goes on and must always be served."""

    def setUp(self):
        self._stop = threading.Event()
        self._slowest = 0.0
        self._served = 0
        self._failures = []
        self._other = threading.Thread(target=self._well_behaved, daemon=True)
        self._other.start()
        self._pid = system.control_plane_pid()
        self.wire = system.Wire()
        self.addCleanup(self.wire.close)

    def tearDown(self):
        self._stop.set()
        self._other.join(60)
        self.assertEqual(self._failures, [])
        self.assertGreater(self._served, 0)
        self.assertLess(self._slowest, 2.0, "others had to wait")
        self.assertEqual(system.control_plane_pid(), self._pid)
        os.kill(self._pid, 0)

    def _well_behaved(self):
        wire = system.Wire()
        while not self._stop.is_set():
            start = time.monotonic()
            try:
                answer = wire.call("GET", "/v1/environments?limit=1")
                if answer.status != 200:
                    self._failures.append(answer)
            except OSError as error:
                self._failures.append(error)
                wire.close()
            self._slowest = max(self._slowest, time.monotonic() - start)
            self._served += 1
            self._stop.wait(0.02)
        wire.close()

    def connect(self):
        connection = system.connect()
        self.addCleanup(connection.close)
        return connection

    def send(self, data):
        """What is answered to these bytes on a connection of their own."""
        connection = self.connect()
        try:
            connection.sendall(data)
        except (ConnectionError, ssl.SSLError):
            pass  # Refused before all was sent; the answer may be there all the same.
        return Reader(connection).answer()

    def assert_refused(self, answer, status, error_type="invalid_request_error"):
        self.assertIsNotNone(answer, "no answer")
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.error["type"], error_type)
        self.assertTrue(answer.headers["request-id"])
        self.assertEqual(answer.headers["x-should-retry"], "false")


class BodyTest(HostileCase):
    """Bodies that are no request."""

    def test_bodies_that_are_no_json_object(self):
        for body in (b"", b"{", b"}", b"[]", b"null", b"7", b'"x"', b'{"name": "a"} x', b"\0",
                     b'{"name": "a\0b"}', b'{"name": nul}', b"{'name': 'a'}", b'{"name": NaN}',
                     b'{"name": "a",}', b"name: a", b'\xef\xbb\xbf{"name": ',
                     b'{"name": "\xff\xfe"}', b'{"name": "\xc0\xaf"}', b'{"name": "\xed\xa0\x80"}',
                     b'{"name": "\\ud800"}', b'{"na\xffme": "x"}',
                     '{"name": "a"}'.encode("utf-16"), b'{"name": 1e999999}'):
            with self.subTest(body=body):
                self.assert_refused(self.send(post(body)), 400)

    def test_an_escaped_nul_in_a_text_is_refused(self):
        self.assert_refused(self.send(post(b'{"name": "a\\u0000b"}')), 400)
        self.assert_refused(self.send(post(json.dumps(
            {"name": system.unique("nul"), "metadata": {"k": "a\0b"}}).encode())), 400)

    def test_deep_nesting_is_refused(self):
        for depth in (200, 100_000):
            for left, right in ((b'{"metadata":', b"}"), (b"[", b"]")):
                with self.subTest(depth=depth, left=left):
                    self.assert_refused(
                        self.send(post(b'{"name": ' + left * depth + b"1" + right * depth + b"}")),
                        400)

    def test_ten_mib_are_413_and_are_not_read(self):
        body = b'{"name": "' + b"x" * (10 * MIB) + b'"}'
        self.assert_refused(self.send(post(body)), 413)
        # Announced only: the answer comes without waiting for the body.
        announced = (f"POST /v1/environments HTTP/1.1\r\n{HEAD}content-length: {10 * MIB}\r\n\r\n")
        start = time.monotonic()
        self.assert_refused(self.send(announced.encode()), 413)
        self.assertLess(time.monotonic() - start, 5)
        endless = announced.replace(str(10 * MIB), "9" * 19)
        self.assertIn(self.send(endless.encode()).status, (400, 413))

    def test_chunked_bodies_are_refused_by_name(self):
        head = (f"POST /v1/environments HTTP/1.1\r\n{HEAD}transfer-encoding: chunked\r\n\r\n"
                ).encode()
        for chunks in (b'd\r\n{"name": "a"}\r\n0\r\n\r\n', b"zz\r\nhello\r\n0\r\n\r\n",
                       b"ffffffffffffffff\r\nx",
                       (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 160 + b"0\r\n\r\n"):
            with self.subTest(chunks=chunks[:20]):
                answer = self.send(head + chunks)
                self.assert_refused(answer, 400)
                self.assertIn("transfer-encoding", answer.error["message"])

    def test_both_a_length_and_chunks_are_refused(self):
        for headers in ("content-length: 5\r\ntransfer-encoding: chunked\r\n",
                        "content-length: 5\r\ncontent-length: 6\r\n",
                        "content-length: -1\r\n", "content-length: 5x\r\n",
                        "transfer-encoding: gzip, chunked, identity\r\n"):
            with self.subTest(headers=headers):
                answer = self.send((f"POST /v1/environments HTTP/1.1\r\n{HEAD}{headers}\r\n"
                                    "hello\r\n0\r\n\r\n").encode())
                self.assertIsNotNone(answer)
                self.assert_refused(answer, 400)

    def test_compressed_bodies_are_refused_by_name(self):
        body = gzip.compress(b'{"name": "zipped"}')
        answer = self.send(post(body, "content-encoding: gzip\r\n"))
        self.assert_refused(answer, 400)
        self.assertIn("content-encoding", answer.error["message"])
        bomb = gzip.compress(b'{"name": "' + b"x" * (20 * MIB) + b'"}')
        self.assert_refused(self.send(post(bomb, "content-encoding: gzip\r\n")), 400)


class RequestTest(HostileCase):
    """Requests that are none, or end early, or come too fast."""

    def test_large_heads_are_431(self):
        for headers in ("x-big: " + "x" * 100_000 + "\r\n",
                        "".join(f"x-{i}: y\r\n" for i in range(20_000))):
            self.assert_refused(self.send(get(headers=headers)), 431)
        answer = self.send(get("/v1/environments?page=" + "x" * 100_000))
        self.assertIn(answer.status, (414, 431), answer)

    def test_what_is_no_http_is_refused_or_cut(self):
        for data in (b"\0" * 100, b"\r\n" * 100 + b"x", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\x16\x03\x01\x02\x00" * 50,
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"G\xcb\x87T / HTTP/1.1\r\n\r\n",
                     get("/v1/environments/%zz"), get("/v1/environments/%00"),
                     get("/v1/environments/%ff%fe"), get("/v1/environments?limit=%"),
                     get("/v1/environments/../../etc/passwd"), get("*"), get("http://x/v1/agents"),
                     get(headers="x-nul: a\0b\r\n"), get(headers="bad header: x\r\n")):
            with self.subTest(data=data[:60]):
                answer = self.send(data)
                self.assertTrue(answer is None or 400 <= answer.status < 500, answer)

    def test_pipelined_requests_are_answered_in_order(self):
        connection = self.connect()
        paths = ["/v1/environments?limit=1", "/v1/environments/none", "/v1/agents?limit=1",
                 "/v1/nothing"] * 25
        connection.sendall(b"".join(get(path) for path in paths))
        reader = Reader(connection)
        answers = [reader.answer() for _ in paths]
        self.assertEqual([answer and answer.status for answer in answers],
                         [200, 404, 200, 404] * 25)

    def test_pipelined_without_reading_is_bounded(self):
        before = system.control_plane_status("VmRSS")
        connection = self.connect()
        connection.settimeout(2)
        sent = 0
        try:
            for _ in range(2000):
                connection.sendall(get() * 20)
                sent += 20
        except (TimeoutError, ConnectionError, ssl.SSLError):
            pass
        grown = system.control_plane_status("VmRSS") - before
        self.assertLess(grown, 64 * 1024, f"{sent} requests were taken in without an answer read")

    def test_a_truncated_request_harms_nobody(self):
        whole = post(b'{"name": "truncated"}')
        for length in range(1, len(whole), 7):
            connection = system.connect()
            connection.sendall(whole[:length])
            connection.close()
        listed = self.wire.call("GET", "/v1/environments?limit=1000").json["data"]
        self.assertNotIn("truncated", [each["name"] for each in listed])

    def test_a_request_cut_by_a_bare_fin_is_answered(self):
        """The client goes on listening; there is no close_notify of TLS."""
        for cut in (post(b'{"name": "truncated"}')[:-4], get()[:-10]):
            connection = self.connect()
            connection.sendall(cut)
            with socket.socket(fileno=os.dup(connection.fileno())) as plain:
                plain.shutdown(socket.SHUT_WR)
            answer = Reader(connection).answer()
            self.assert_refused(answer, 400)
            self.assertIn("ends before", answer.error["message"])

    def test_a_reset_in_the_middle_harms_nobody(self):
        for _ in range(100):
            connection = system.connect()
            connection.sendall(get() * 3)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()

    def test_expect_100_continue_is_followed(self):
        connection = self.connect()
        name = system.unique("expect")
        body = json.dumps({"name": name}).encode()
        connection.sendall(post(b"", "expect: 100-continue\r\n").replace(
            b"content-length: 0", b"content-length: %d" % len(body)))
        reader = Reader(connection)
        first = reader.answer()
        if first.status == 100:
            connection.sendall(body)
            made = reader.answer()
            self.assertEqual(made.status, 200, made)
            self.wire.call("DELETE", f"/v1/environments/{made.json['id']}")
        else:
            self.assertEqual(first.status, 417, first)


class SlowTest(HostileCase):
    """Clients that say little or nothing; they began with this file, and are waited for once."""

    def test_slow_and_silent_clients_are_cut(self):
        for client in SLOW_CLIENTS:
            client.join()
        self.assertEqual([client.name for client in SLOW_CLIENTS if client.cut_after is None], [])
        for client in SLOW_CLIENTS:
            print(f"{client.name}: cut after {client.cut_after:.0f} s", flush=True)


if __name__ == "__main__":
    unittest.main()
