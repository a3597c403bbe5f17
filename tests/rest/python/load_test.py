"""Thousands of idle connections and event streams cost the server no thread each."""

import queue
import resource
import threading
import time
import unittest

import system

IDLE = 5000
STREAMS = 1000
# What a pool may grow by when it is used for the first time.
THREADS_OF_POOLS = 8


def at_once(count, make, workers=4):
    """[make(i) for i in range(count)], by a few threads."""
    numbers, made = queue.SimpleQueue(), []
    for number in range(count):
        numbers.put(number)

    def work():
        while True:
            try:
                number = numbers.get_nowait()
            except queue.Empty:
                return
            made.append(make(number))

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


class LoadTest(unittest.TestCase):
    """Connections are made over TLS by this one process."""

    def setUp(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = IDLE + 1000
        if hard < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        else:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.wire = system.Wire()
        self.addCleanup(self.wire.close)
        self.context = system.tls_context()
        self.connections = []
        self.addCleanup(self.close_all)

    def close_all(self):
        for connection in self.connections:
            connection.close()

    def measured(self):
        return system.control_plane_status("Threads"), system.control_plane_status("VmRSS")

    def assert_cheap(self, before, count, what):
        """Threads are as before, memory is bounded, and others are served quickly."""
        threads, memory = self.measured()
        kib = (memory - before[1]) / count
        times = []
        for _ in range(50):
            start = time.monotonic()
            self.assertEqual(self.wire.call("GET", "/v1/environments?limit=1").status, 200)
            times.append(time.monotonic() - start)
        print(f"{count} {what}: {threads - before[0]:+d} threads, {kib:.0f} KiB each, "
              f"others answered in {1000 * sorted(times)[25]:.1f} ms (median)", flush=True)
        self.assertLessEqual(threads - before[0], THREADS_OF_POOLS)
        self.assertLess(kib, 200)
        self.assertLess(max(times), 2)

    def test_idle_keep_alive_connections(self):
        self.wire.call("GET", "/v1/environments?limit=1")
        before = self.measured()
        request = f"GET /healthz HTTP/1.1\r\nhost: {system.HOST}\r\n\r\n".encode()

        def ask(connection):
            connection.sendall(request)
            return connection.recv(4096).startswith(b"HTTP/1.1 200")

        def opened(_):
            connection = system.connect(self.context)
            self.connections.append(connection)
            return ask(connection)

        self.assertEqual(at_once(IDLE, opened), [True] * IDLE)
        self.assert_cheap(before, IDLE, "idle connections")
        sample = self.connections[::25]
        self.assertEqual([ask(connection) for connection in sample], [True] * len(sample))

    def new_session(self):
        """A session, its environment and agent, removed at the end."""
        environment = self.wire.call("POST", "/v1/environments", {"name": system.unique("load")})
        self.addCleanup(self.wire.call, "DELETE", f"/v1/environments/{environment.json['id']}")
        agent = self.wire.call("POST", "/v1/agents", {"name": "load", "model": "m"}).json["id"]
        self.addCleanup(self.wire.call, "POST", f"/v1/agents/{agent}/archive")
        session = self.wire.call("POST", "/v1/sessions", {
            "agent": agent, "environment_id": environment.json["id"]}).json["id"]
        self.addCleanup(self.wire.call, "DELETE", f"/v1/sessions/{session}")
        return session

    def test_event_streams(self):
        session = self.new_session()
        before = self.measured()
        request = (f"GET /v1/sessions/{session}/events/stream HTTP/1.1\r\nhost: {system.HOST}\r\n"
                   f"x-api-key: {system.KEY}\r\nanthropic-beta: {system.BETA}\r\n\r\n").encode()

        def opened(_):
            connection = system.connect(self.context)
            connection.sendall(request)
            self.connections.append(connection)
            return connection.recv(65536).startswith(b"HTTP/1.1 200")

        self.assertEqual(at_once(STREAMS, opened), [True] * STREAMS)
        self.assert_cheap(before, STREAMS, "event streams")
        self.assertEqual(self.wire.call("DELETE", f"/v1/sessions/{session}").status, 200)
        start = time.monotonic()
        rest = [self.read_to_end(connection) for connection in self.connections]
        print(f"all {STREAMS} streams had ended {time.monotonic() - start:.1f} s after the delete")
        for text in rest:
            self.assertIn("event: session.deleted\n", text)

    @staticmethod
    def read_to_end(connection):
        """What a stream sends until the server ends it; a time-out is an error."""
        data = b""
        while b"session.deleted" not in data:
            more = connection.recv(65536)
            if not more:
                break
            data += more
        return data.decode()


if __name__ == "__main__":
    unittest.main()
