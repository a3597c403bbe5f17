#!/usr/bin/python3
"""The pretend internet's name server: authoritative for the names of a zone file, and the resolver
that the pretend host asks.

  dns_server.py --zone ZONE --journal FILE ADDRESS...

ZONE is JSON: {"name": {"a": [...], "aaaa": [...], "txt": [...], "turns": [[...], [...]],
"silent": true, "ttl": 60, "cname": "other"}}; "turns" are A records that change from one look-up to the next and stay at the
last. "*.zone" answers for what is below it; a "cname" is followed. Others don't exist. The journal gets "query ADDRESS
TRANSPORT NAME TYPE" for each look-up, before it is answered.
"""

import argparse
import ipaddress
import json
import selectors
import socket
import struct

from journal import Journal

TYPES = {1: "a", 28: "aaaa", 16: "txt"}
TTL = 1  # Seconds, unless the zone says otherwise.


class Zone:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self._names = json.load(file)
        self._turn = {}

    def find(self, name):
        if name in self._names:
            return name, self._names[name]
        labels = name.split(".")
        for i in range(1, len(labels)):
            wildcard = ".".join(["*"] + labels[i:])
            if wildcard in self._names:
                return wildcard, self._names[wildcard]
        return name, None

    def records(self, key, entry, kind):
        if kind == "a" and "turns" in entry:
            turn = self._turn.get(key, 0)
            self._turn[key] = turn + 1
            return entry["turns"][min(turn, len(entry["turns"]) - 1)]
        return entry.get(kind, [])


def encode(kind, value):
    if kind == "txt":
        data = value.encode()
        return bytes([len(data)]) + data
    return ipaddress.ip_address(value).packed


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def answer(zone, journal, address, transport, packet):
    """The answer to a look-up; None for silence."""
    if len(packet) < 17:
        return None
    labels, at = [], 12
    while packet[at] != 0:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    name = ".".join(labels).lower()
    number = struct.unpack("!H", packet[at + 1 : at + 3])[0]
    kind = TYPES.get(number, "")
    journal.write("query", address, transport, name or ".", (kind or f"type{number}").upper())
    key, entry = zone.find(name)
    if entry is not None and entry.get("silent"):
        return None
    owner, body, count = b"\xc0\x0c", b"", 0
    while entry is not None and "cname" in entry:
        target = encode_name(entry["cname"])
        body += owner + struct.pack("!HHIH", 5, 1, TTL, len(target)) + target
        count += 1
        owner = target
        key, entry = zone.find(entry["cname"])
    for record in [] if entry is None else zone.records(key, entry, kind):
        data = encode(kind, record)
        body += owner + struct.pack("!HHIH", number, 1, entry.get("ttl", TTL), len(data)) + data
        count += 1
    flags = 0x8180 | (3 if entry is None else 0)
    return packet[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + packet[12 : at + 5] + body


class TcpClient:
    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""

    def packets(self):
        """What is complete; None once the client has gone."""
        try:
            data = self.connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            return None
        self.buffer += data
        found = []
        while len(self.buffer) >= 2:
            size = struct.unpack("!H", self.buffer[:2])[0]
            if len(self.buffer) < 2 + size:
                break
            found.append(self.buffer[2 : 2 + size])
            self.buffer = self.buffer[2 + size :]
        return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zone", required=True)
    parser.add_argument("--journal", required=True)
    parser.add_argument("addresses", nargs="+")
    options = parser.parse_args()
    zone, journal = Zone(options.zone), Journal(options.journal)
    selector = selectors.DefaultSelector()

    def on_datagram(udp, address):
        packet, peer = udp.recvfrom(65536)
        reply = answer(zone, journal, address, "udp", packet)
        if reply is not None:
            udp.sendto(reply, peer)

    def on_stream(client, address):
        packets = client.packets()
        if packets is None:
            selector.unregister(client.connection)
            client.connection.close()
            return
        for packet in packets:
            reply = answer(zone, journal, address, "tcp", packet)
            if reply is not None:
                client.connection.sendall(struct.pack("!H", len(reply)) + reply)

    def on_listener(listener, address):
        connection, _ = listener.accept()
        client = TcpClient(connection)
        selector.register(connection, selectors.EVENT_READ, lambda: on_stream(client, address))

    for address in options.addresses:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((address, 53))
        selector.register(udp, selectors.EVENT_READ, lambda u=udp, a=address: on_datagram(u, a))
        listener = socket.create_server((address, 53), backlog=128)
        selector.register(
            listener, selectors.EVENT_READ, lambda l=listener, a=address: on_listener(l, a)
        )
    journal.write("ready")
    while True:
        for key, _ in selector.select():
            key.data()


main()
