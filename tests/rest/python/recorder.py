"""A proxy on loopback that forwards to the server under test and keeps what went through."""

import http.client
import http.server
import threading

import system


class Recorder:
    """Plain HTTP in front, TLS behind. `requests` holds (method, path, headers) as they came."""

    def __init__(self):
        self.requests = []
        self.answers = []
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Forwards one request at a time."""

            protocol_version = "HTTP/1.1"

            def _forward(self):
                recorder.requests.append((self.command, self.path, self.headers))
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                behind = http.client.HTTPSConnection(
                    system.HOST, system.PORT, timeout=60, context=system.tls_context())
                behind.putrequest(self.command, self.path, skip_host=True,
                                  skip_accept_encoding=True)
                for name, value in self.headers.items():
                    behind.putheader(name, value)
                behind.endheaders(body)
                answer = behind.getresponse()
                recorder.answers.append((answer.status, answer.headers))
                data = answer.read()
                behind.close()
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _forward

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
