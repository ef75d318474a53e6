"""An Oden that gives every request the same answer, or none."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Oden(ThreadingHTTPServer):
    """Answers every request with `status` and `body`; with status 0 never, until `let_go`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.body, self.kind = 200, "[]", "application/json"
        self.headers: dict[str, str] = {}
        """What goes with each answer."""
        self.searches: str | None = None
        """What searches are answered, with 200, whatever everything else is."""
        self.let_go = threading.Event()
        self.requests = 0

    def answers(self, status: int, body: str, kind: str = "application/json") -> None:
        self.status, self.body, self.kind = status, body, kind

    def by_tls(self, context: ssl.SSLContext) -> None:
        """From now on by TLS alone."""
        self.socket = context.wrap_socket(self.socket, server_side=True)


class _Answer(BaseHTTPRequestHandler):
    server: Oden
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests += 1
        status, text, kind = self.server.status, self.server.body, self.server.kind
        if self.server.searches is not None and self.path.endswith("/search"):
            status, text, kind = 200, self.server.searches, "application/json"
        if status == 0:
            self.server.let_go.wait()
            return
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""
