"""A small HTTP server whose answers a test scripts; it keeps what it was sent."""

import json
import queue
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    stream: "queue.Queue[Any] | None" = None
    """JSON lines, or bytes, to send one by one as they come; None in the queue ends the answer."""


Handler = Callable[[Request], Answer]


def _content(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode()


def status(code: int, reason: str, message: str, **details: Any) -> Answer:
    """Return a failure as the API server words it."""
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return Answer(code, body | ({"details": details} if details else {}))


class TinyServer:
    """Answers by the queued `answers` first, then by `handler`; keeps requests and counts connections."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.handler: Handler = lambda request: status(404, "NotFound", f"nothing at {request.path}")
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._server.daemon_threads = True
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self._server.handle_error = lambda *arguments: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def kubeconfig(self, token: str = "secret-token") -> str:
        """Return a kubeconfig for this server, as text."""
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "tiny",
                "clusters": [{"name": "tiny", "cluster": {"server": self.url}}],
                "users": [{"name": "admin", "user": {"token": token}}],
                "contexts": [{"name": "tiny", "context": {"cluster": "tiny", "user": "admin"}}],
            }
        )

    def __enter__(self) -> "TinyServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handling(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                owner.connections += 1
                super().setup()

            def handle_any(self) -> None:
                parts = urlsplit(self.path)
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(
                    self.command,
                    parts.path,
                    {key: values[0] for key, values in parse_qs(parts.query).items()},
                    dict(self.headers),
                    _content(raw),
                )
                owner.requests.append(request)
                self._send(owner.answers.pop(0) if owner.answers else owner.handler(request))

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for key, value in answer.headers.items():
                    self.send_header(key, value)
                if answer.stream is not None:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self._stream(answer.stream)
                    return
                data = json.dumps(answer.body).encode()
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def _stream(self, lines: "queue.Queue[Any]") -> None:
                while (line := lines.get(timeout=30)) is not None:
                    data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
                    self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handling, f"do_{method}", Handling.handle_any)
        return Handling
