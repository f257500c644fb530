"""An HTTP server of the tests' own, in a thread: it echoes, streams, compresses, redirects, fails and hangs up."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    failures = 0
    """How often `/flaky` has failed."""
    visits = 0

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/json":
            self.give(json.dumps({"path": self.path, "visit": self.next_visit()}).encode(), {"Content-Type": "application/json"})
        elif path == "/gzip":
            self.give(gzip.compress(json.dumps({"n": list(range(500))}).encode()), {"Content-Encoding": "gzip"})
        elif path == "/big":
            self.give(bytes(i % 251 for i in range(300_000)))
        elif path == "/lines":
            self.stream(f"line {n}\n".encode() for n in range(20))
        elif path == "/endless":
            self.endless()
        elif path == "/redirect":
            self.give(b"", {"Location": "/json?after=redirect"}, 302)
        elif path == "/login":
            self.give(b"in", {"Set-Cookie": "session=abc123; Path=/"})
        elif path == "/whoami":
            self.give((self.headers.get("Cookie") or "nobody").encode())
        elif path == "/flaky":
            Handler.failures += 1
            self.give(b"now" if Handler.failures % 3 == 0 else b"no", {}, 200 if Handler.failures % 3 == 0 else 503)
        elif path == "/empty":
            self.give(b"", {}, 204)
        elif path == "/error":
            self.give(b'{"error": "teapot"}', {"Content-Type": "application/json"}, 418)
        elif path == "/hangup":
            self.close_connection = True
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 100)
            self.close_connection = True
        else:
            self.give(b"?", {}, 404)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "12345")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.body()
        self.give(json.dumps({"length": len(body), "sum": sum(body), "visit": self.next_visit()}).encode())

    do_PUT = do_POST

    def next_visit(self) -> int:
        Handler.visits += 1
        return Handler.visits

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def give(self, body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, parts: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def endless(self) -> None:
        """Events until the reader goes away: who asks for all of them waits for ever."""
        self.close_connection = True
        try:
            self.stream(f"event {n} {'.' * 50}\n".encode() for n in iter(int, 1))
        except OSError:
            return

    def log_message(self, *args: object) -> None:
        return


@contextmanager
def serving() -> Iterator[str]:
    """The server's URL, until the block ends; then nobody listens there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
