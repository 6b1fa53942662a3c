"""The sockets and threads around `http11`: a thread a connection, requests of one connection in order.

Threads, not an event loop: handlers are mostly synchronous, a function serves a few requests at a time, and
asyncio alone would double the start. Slow and silent peers are timed out; a full house answers 503.
"""

import contextlib
import logging
import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .http11 import CONTINUE, BadRequest, Request, RequestReader, Response, encode

_log = logging.getLogger("wrapper.server")

Application = Callable[[Request, "Connection"], Response | None]

_STOP = b"\0"
"""On the wake-up pipe; other bytes are numbers of signals, whose handlers have their own say."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a peer may take, in seconds, and how much it may send."""

    idle_seconds: float = 120.0
    """Between two requests of a connection."""
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    write_seconds: float = 30.0
    linger_seconds: float = 1.0
    """How long a refused peer's remaining bytes are read away, so that it gets to read why."""
    max_body_bytes: int = 10 * 1024 * 1024
    max_connections: int = 512


class Connection:
    """One peer. An application may answer its request from another thread, while its own is held up."""

    def __init__(self, sock: socket.socket, limits: Limits, on_end: "Callable[[Connection], None]") -> None:
        self.socket = sock
        self.idle = True
        self._on_end = on_end
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's own limits: with Python's, each call of the socket would be two or three.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(limits.idle_seconds))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(limits.write_seconds))

    def answer_early(self, response: Response) -> None:
        """Answer the request that is being served, as the last one: the application returns None for it."""
        if _send_quietly(self.socket, response):
            _shut(self.socket, socket.SHUT_WR)
        self._on_end(self)


class Server:
    """Serves one application on one address until `stop`; then lets the requests in flight finish.

    The application is called from many threads at once and must not raise. It gets the connection for
    `answer_early`; when it used that, it returns None.
    """

    def __init__(self, application: Application, *, host: str, port: int, limits: Limits) -> None:
        self._application = application
        self._limits = limits
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        self._lock = threading.Lock()
        self._closed = threading.Condition(self._lock)
        self._connections: set[Connection] = set()
        self._draining = False
        self._listener = _listen(host, port)
        self.port: int = self._listener.getsockname()[1]
        """The bound port; of interest when the port asked for was 0."""

    def stop(self) -> None:
        """Make `serve` return. Takes no lock, so signal handlers and any thread may call it, repeatedly."""
        with contextlib.suppress(OSError):
            os.write(self._wake_writer, _STOP)

    def stop_on(self, *signals: int) -> None:
        """Let these signals stop the server; for the main thread, which has to be the one that serves.

        The kernel may hand a signal to any thread, and Python's handlers run in the main one when that next
        wakes: the wake-up descriptor makes sure that it does.
        """
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        for number in signals:
            signal.signal(number, lambda _signal, _frame: self.stop())

    def serve(self) -> None:
        """Accept connections until `stop`; on return nothing new is accepted and idle peers are let go."""
        poller = select.poll()
        poller.register(self._listener, select.POLLIN)
        poller.register(self._wake_reader, select.POLLIN)
        stopped = False
        while not stopped:
            if self._wake_reader in {fd for fd, _ in poller.poll()}:
                stopped = _STOP in os.read(self._wake_reader, 4096)
            self._accept_all()
        self._listener.close()
        with self._lock:
            self._draining = True
            for connection in self._connections:
                if connection.idle:
                    _shut(connection.socket, socket.SHUT_RD)

    def close(self) -> None:
        """Free what `stop` needs; to be called last, after `serve` returned."""
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until every connection is closed; False when that took longer than the time given."""
        with self._closed:
            return self._closed.wait_for(lambda: not self._connections, timeout_seconds)

    def _accept_all(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                _log.warning("a connection could not be accepted", extra={"error": str(error)})
                return
            self._open(sock)

    def _open(self, sock: socket.socket) -> None:
        with self._lock:
            full = len(self._connections) >= self._limits.max_connections
            if not full:
                connection = Connection(sock, self._limits, self._ended)
                self._connections.add(connection)
        if full:
            sock.settimeout(0.1)
            _send_quietly(sock, Response(503, (("Retry-After", "1"),)))
            sock.close()
            return
        threading.Thread(target=self._run, args=(connection,), name="http", daemon=True).start()

    def _run(self, connection: Connection) -> None:
        sock = connection.socket
        try:
            self._converse(connection)
        except BadRequest as error:
            _log.info("a request was refused", extra={"status": error.status, "error": error.message})
            self._refuse(sock, error)
        except OSError as error:
            _log.debug("a connection ended early", extra={"error": str(error)})
        finally:
            self._ended(connection)
            sock.close()

    def _ended(self, connection: Connection) -> None:
        with self._closed:
            self._connections.discard(connection)
            self._closed.notify_all()

    def _converse(self, connection: Connection) -> None:
        reader = RequestReader(max_body_bytes=self._limits.max_body_bytes)
        while (request := self._read(connection, reader)) is not None:
            response = self._application(request, connection)
            if response is None:
                return
            keep_alive = request.keep_alive and not self._draining
            connection.socket.sendall(
                encode(response, keep_alive=keep_alive, head_only=request.method == "HEAD")
            )
            if not keep_alive or not self._set_idle(connection):
                return

    def _set_idle(self, connection: Connection) -> bool:
        with self._lock:
            connection.idle = True
            return not self._draining

    def _read(self, connection: Connection, reader: RequestReader) -> Request | None:
        """Return the next request, None when the peer has ended or stays silent."""
        request = reader.next_request()  # of a peer that did not wait for its answer
        if request is None and not _phase_begun(reader):
            data = _receive(connection.socket)
            if not data:
                return None
            connection.idle = False
            reader.receive(data)
            request = reader.next_request()
        connection.idle = False
        return request or self._read_rest(connection.socket, reader)

    def _read_rest(self, sock: socket.socket, reader: RequestReader) -> Request | None:
        """Wait for the pieces of a request that comes in several, each phase in its own time."""
        phase, deadline = "", 0.0
        while (request := reader.next_request()) is None:
            if reader.take_continue():
                sock.sendall(CONTINUE)
            if (now_in := _phase(reader)) != phase:
                phase, deadline = now_in, time.monotonic() + self._seconds_for(now_in)
            data = _receive_until(sock, deadline)
            if data is None:
                raise BadRequest(408, f"the request's {phase} did not arrive in time")
            if not data:
                return None
            reader.receive(data)
        sock.settimeout(None)
        return request

    def _seconds_for(self, phase: str) -> float:
        return self._limits.head_seconds if phase == "head" else self._limits.body_seconds

    def _refuse(self, sock: socket.socket, error: BadRequest) -> None:
        headers = (("Content-Type", "text/plain; charset=utf-8"),)
        deadline = time.monotonic() + self._limits.linger_seconds
        sock.settimeout(self._limits.linger_seconds)
        if _send_quietly(sock, Response(error.status, headers, f"{error.message}\n".encode())):
            _shut(sock, socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while _receive_until(sock, deadline):
                    pass


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(512)
    listener.setblocking(False)
    return listener


def _phase(reader: RequestReader) -> str:
    return "body" if reader.in_body else "head"


def _phase_begun(reader: RequestReader) -> bool:
    return reader.in_head or reader.in_body


def _timeval(seconds: float) -> bytes:
    """Return C's struct timeval."""
    whole = int(seconds)
    return struct.pack("@ll", whole, int((seconds - whole) * 1e6) or int(whole == 0))


def _receive(sock: socket.socket) -> bytes:
    """Return what arrived; empty at the peer's end and when it was silent for the socket's time."""
    try:
        return sock.recv(65536)
    except BlockingIOError:
        return b""


def _receive_until(sock: socket.socket, deadline: float) -> bytes | None:
    """Return what arrived, empty at the peer's end, None when the deadline (monotonic) passed first."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        return None
    sock.settimeout(remaining)
    try:
        return sock.recv(65536)
    except TimeoutError:
        return None


def _send_quietly(sock: socket.socket, response: Response) -> bool:
    try:
        sock.sendall(encode(response, keep_alive=False))
    except OSError:
        return False
    return True


def _shut(sock: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(how)
