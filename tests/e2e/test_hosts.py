#!/usr/bin/env python3
"""Pretended hosts for tests: a name server and web servers, in the network namespace it runs in.

test_hosts.py NAME_SERVER WEB_SERVER READY_FILE

Names below e2e.test lead to WEB_SERVER, those below private.e2e.test to an address in a private
range; there are no others. The web server answers on 80 and 8080 with the Host that it was asked
for. READY_FILE is made when all of them listen.
"""
import http.server
import socket
import socketserver
import struct
import sys
import threading

PRIVATE = "10.99.0.1"


def answer(query, web):
    """The name server's answer to one query: A records, nothing else."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
        at += 1 + query[at]
    question = query[12:at + 5]
    kind = struct.unpack(">H", query[at + 1:at + 3])[0]
    known = labels[-2:] == ["e2e", "test"]
    address = PRIVATE if "private" in labels else web
    records = b""
    if known and kind == 1:
        records = struct.pack(">HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address)
    flags = 0x8180 if known else 0x8183
    return query[:2] + struct.pack(">HHHHH", flags, 1, 1 if records else 0, 0, 0) + question + records


def serve_names(sock, web):
    while True:
        query, client = sock.recvfrom(4096)
        try:
            sock.sendto(answer(query, web), client)
        except (IndexError, struct.error):
            pass


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        # The library's own asks for the address's name, which nobody here answers.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"hello from {self.headers['Host']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    name_server, web, ready = sys.argv[1:]
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind((name_server, 53))
    servers = [Server((web, port), Web) for port in (80, 8080)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    open(ready, "w", encoding="ascii").close()
    serve_names(names, web)


main()
