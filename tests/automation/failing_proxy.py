"""A proxy before a real server that fails as it is told: refuses, breaks off, stalls."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

ANSWER = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>as the test says</Message></Error>"


class Proxy:
    """Forwards requests to a server; `fail` says what happens to those that match."""

    def __init__(self, target: str) -> None:
        self.requests: list[str] = []
        """Method and path of every request, in order."""
        self._target = urlsplit(target).netloc
        self._faults: list[tuple[str, str, int, Callable[[BaseHTTPRequestHandler], None]]] = []
        self._lock = threading.Lock()
        self.ended = threading.Event()

    def fail(self, method: str, part: str, how: Callable[..., None], times: int = 1_000_000) -> None:
        """Let requests of a method whose path contains a text fail, so many times."""
        self._faults.append((method, part, times, how))

    def refuse(self, status: int, code: str) -> Callable[..., None]:
        """Answer with an error of S3."""

        def how(handler: BaseHTTPRequestHandler) -> None:
            body = ANSWER.format(code=code).encode()
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body if handler.command != "HEAD" else b"")

        return how

    def drop(self, handler: BaseHTTPRequestHandler) -> None:
        """Close the connection without an answer."""
        handler.close_connection = True

    def break_off(self, handler: BaseHTTPRequestHandler) -> None:
        """Promise a body and close the connection in the middle of it."""
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"x" * 10)
        handler.close_connection = True

    def stall(self, handler: BaseHTTPRequestHandler) -> None:
        """Say nothing until the test ends."""
        self.ended.wait(60)
        handler.close_connection = True

    def _fault(self, method: str, path: str) -> Callable[[BaseHTTPRequestHandler], None] | None:
        with self._lock:
            self.requests.append(f"{method} {path}")
            for number, (verb, part, times, how) in enumerate(self._faults):
                if verb == method and part in path and times > 0:
                    self._faults[number] = (verb, part, times - 1, how)
                    return how
        return None

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Fail, or forward one request and its answer."""
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        fault = self._fault(handler.command, handler.path)
        if fault is not None:
            fault(handler)
            return
        connection = http.client.HTTPConnection(self._target, timeout=30)
        connection.request(handler.command, handler.path, body, dict(handler.headers.items()))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "date", "server", "content-length"}:
                handler.send_header(name, value)
        known = answer.getheader("Content-Length") if handler.command == "HEAD" else None
        handler.send_header("Content-Length", known or str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


@contextmanager
def proxy(target: str) -> Iterator[tuple[Proxy, str]]:
    """Run a proxy before the server at this URL; yields it and its own URL."""
    made = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            made.answer(self)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made, f"http://127.0.0.1:{server.server_port}"
    finally:
        made.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
