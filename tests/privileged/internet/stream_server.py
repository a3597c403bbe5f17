#!/usr/bin/python3
"""Servers of the pretend internet that speak no known protocol, on every address, IPv4 and IPv6.

  stream_server.py --journal FILE

  7777  greets with the client's address, then echoes (as ssh, SMTP and databases: the server first)
  7778  echoes
  7779  takes everything and says nothing
  7780  a line every 50 ms, forty of them
  7781  says "bye", ends its direction, and reads on
  7782  reads to the client's end, then answers how many bytes there were
  7783  reads a line with a number and sends so many bytes
  7784  resets the connection after the first byte
  7785  connects as many as wish and leaves it at that
  UDP 7777, 443: echo

The journal gets "open ADDRESS PORT", "close ADDRESS PORT BYTES" and "datagram PORT BYTES".
"""

import argparse
import selectors
import socket
import struct
import threading
import time

from journal import Journal

CHUNK = bytes(1 << 20)


def plain(name):
    """The address of a socket's name, IPv4 as that."""
    return name[0].removeprefix("::ffff:")


class Session:
    """One connection; counts what comes in."""

    def __init__(self, connection):
        self.connection = connection
        self.received = 0

    def recv(self, size=65536):
        data = self.connection.recv(size)
        self.received += len(data)
        return data

    def drain(self):
        while self.recv():
            pass


def greet(s):
    s.connection.sendall((plain(s.connection.getpeername()) + "\n").encode())
    echo(s)


def echo(s):
    while data := s.recv():
        s.connection.sendall(data)


def drip(s):
    for i in range(40):
        s.connection.sendall(f"line {i}\n".encode())
        time.sleep(0.05)


def say_bye(s):
    s.connection.sendall(b"bye\n")
    s.connection.shutdown(socket.SHUT_WR)
    s.drain()


def count(s):
    s.drain()
    s.connection.sendall(f"{s.received}\n".encode())


def source(s):
    line = b""
    while not line.endswith(b"\n"):
        data = s.recv()
        if not data:
            return
        line += data
    left = int(line)
    while left > 0:
        left -= s.connection.send(CHUNK[: min(left, len(CHUNK))])


def reset(s):
    s.recv(1)
    s.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


SERVICES = {7777: greet, 7778: echo, 7779: Session.drain, 7780: drip, 7781: say_bye, 7782: count,
            7783: source, 7784: reset}


def serve(journal, port, connection):
    address = plain(connection.getsockname())
    session = Session(connection)
    try:
        SERVICES[port](session)
    except (OSError, ValueError):
        pass
    finally:
        connection.close()
        journal.write("close", address, port, session.received)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", required=True)
    journal = Journal(parser.parse_args().journal)
    selector = selectors.DefaultSelector()
    for port in SERVICES:
        listener = socket.create_server(("::", port), family=socket.AF_INET6, backlog=4096,
                                        dualstack_ipv6=True)
        selector.register(listener, selectors.EVENT_READ, ("tcp", port))
    # The kernel takes them; nobody accepts.
    crowd = socket.create_server(("::", 7785), family=socket.AF_INET6, backlog=4096,
                                 dualstack_ipv6=True)
    for port in (7777, 443):
        udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.bind(("::", port))
        selector.register(udp, selectors.EVENT_READ, ("udp", port))
    journal.write("ready", crowd.getsockname()[1])
    while True:
        for key, _ in selector.select():
            kind, port = key.data
            if kind == "udp":
                data, peer = key.fileobj.recvfrom(65536)
                journal.write("datagram", port, len(data))
                key.fileobj.sendto(data, peer)
                continue
            connection, _ = key.fileobj.accept()
            journal.write("open", plain(connection.getsockname()), port)
            threading.Thread(target=serve, args=(journal, port, connection), daemon=True).start()


main()
