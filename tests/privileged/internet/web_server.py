#!/usr/bin/python3
"""Web servers of the pretend internet: HTTP/1.1 on port 80, the same over TLS on 443, 853 and 8443,
and on 8444, where the only group is P-384: most clients are asked for a second ClientHello.

  web_server.py --journal FILE --certificate PEM --root DIRECTORY ADDRESS...

  GET /files/...       files of DIRECTORY
  GET /bytes/N         N bytes                GET /drip/N   a line every 50 ms, N of them, chunked
  POST anything        how many bytes came    GET /ws       WebSocket that echoes frames
  anything else        "METHOD TARGET host=HOST"

The journal gets "open ADDRESS PORT", "sni NAME", "request ADDRESS PORT METHOD TARGET HOST" and
"close ADDRESS PORT BYTES" (what came from the client, TLS included).
"""

import argparse
import base64
import hashlib
import http.server
import os
import shutil
import socket
import ssl
import struct
import threading
import time

from journal import Journal

CHUNK = bytes(1 << 20)
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3.
TLS_PORTS = (443, 853, 8443)
OTHER_GROUP_PORT = 8444


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def parse_request(self):
        good = super().parse_request()
        if good:
            self.server.journal.write("request", self.server.server_address[0],
                                      self.server.server_address[1], self.command, self.path,
                                      self.headers.get("Host", "-"))
        return good

    def do_GET(self):
        parts = self.path.split("?")[0].split("/")
        if parts[1:2] == ["bytes"]:
            self.send_bytes(int(parts[2]))
        elif parts[1:2] == ["drip"]:
            self.drip(int(parts[2]))
        elif parts[1:2] == ["files"]:
            self.send_file(os.path.normpath("/" + "/".join(parts[2:])))
        elif parts[1:2] == ["ws"]:
            self.websocket()
        else:
            self.describe()

    def describe(self):
        self.reply(f"{self.command} {self.path} host={self.headers.get('Host', '-')}\n".encode())

    def do_HEAD(self):
        self.describe()

    do_CONNECT = do_OPTIONS = do_PUT = do_DELETE = do_HEAD

    def do_POST(self):
        size = 0
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while (part := int(self.rfile.readline().split(b";")[0], 16)) > 0:
                size += len(self.rfile.read(part))
                self.rfile.readline()
            self.rfile.readline()
        else:
            left = int(self.headers.get("Content-Length", "0"))
            while left > 0 and (data := self.rfile.read(min(left, 1 << 20))):
                size += len(data)
                left -= len(data)
        self.reply(f"received {size}\n".encode())

    def reply(self, body, kind="text/plain"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_bytes(self, count):
        self.send_response(200)
        self.send_header("Content-Length", str(count))
        self.end_headers()
        while count > 0:
            count -= self.wfile.write(CHUNK[: min(count, len(CHUNK))])

    def drip(self, count):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(count):
            line = f"line {i}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            time.sleep(0.05)
        self.wfile.write(b"0\r\n\r\n")

    def send_file(self, path):
        path = self.server.root + path
        if os.path.isdir(path):
            names = sorted(os.listdir(path))
            links = "".join(f'<a href="{name}">{name}</a><br>\n' for name in names)
            self.reply(f"<html><body>{links}</body></html>".encode(), "text/html")
            return
        try:
            with open(path, "rb") as file:
                self.send_response(200)
                self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
                self.end_headers()
                shutil.copyfileobj(file, self.wfile, 1 << 20)
        except FileNotFoundError:
            self.send_error(404)

    def websocket(self):
        key = self.headers.get("Sec-WebSocket-Key", "").encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        digest = hashlib.sha1(key + WEBSOCKET_GUID).digest()
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        self.end_headers()
        self.close_connection = True
        while len(head := self.rfile.read(2)) == 2:
            size = head[1] & 0x7F
            if size == 126:
                size = struct.unpack("!H", self.rfile.read(2))[0]
            mask = self.rfile.read(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(size)))
            short = bytes([size]) if size < 126 else bytes([126]) + struct.pack("!H", size)
            self.wfile.write(head[:1] + short + data)
            if head[0] & 0x0F == 8:
                return


def received(connection):
    """How many bytes have come in, by the kernel's count (bytes_received of struct tcp_info), which
    takes the end for one."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    ended = info[0] in (8, 9)  # CLOSE_WAIT, LAST_ACK
    return struct.unpack_from("=Q", info, 128)[0] - ended


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 4096
    daemon_threads = True

    def __init__(self, address, port, journal, root, context):
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.journal, self.root, self.context = journal, root, context
        super().__init__((address, port), Handler)

    def server_bind(self):
        # Without the look-up of the host's name.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def process_request_thread(self, request, client_address):
        """In a thread of the connection."""
        where = self.server_address[:2]
        self.journal.write("open", *where)
        counted = request.dup()  # Wrapping takes the descriptor away.
        try:
            if self.context is not None:
                request = self.context.wrap_socket(request, server_side=True)
            Handler(request, client_address, self)
        except (OSError, ValueError):
            pass
        finally:
            self.journal.write("close", *where, received(counted))
            counted.close()
            self.shutdown_request(request)


def tls_context(certificate, journal):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["http/1.1"])
    context.sni_callback = lambda _, name, __: journal.write("sni", name or "-")
    return context


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("addresses", nargs="+")
    options = parser.parse_args()
    journal = Journal(options.journal)
    contexts = {port: tls_context(options.certificate, journal) for port in TLS_PORTS}
    contexts[OTHER_GROUP_PORT] = tls_context(options.certificate, journal)
    contexts[OTHER_GROUP_PORT].set_ecdh_curve("secp384r1")
    for address in options.addresses:
        for port in (80, *contexts):
            server = Server(address, port, journal, options.root, contexts.get(port))
            threading.Thread(target=server.serve_forever, daemon=True).start()
    journal.write("ready")
    threading.Event().wait()


main()
