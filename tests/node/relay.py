"""What takes the Broker's place where there is none: events go on to the automation service, and are kept."""

import http.server
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Delivered:
    """An event that the service took or refused."""

    type: str
    body: bytes
    status: int
    at: float
    """Seconds since 1970."""

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Relay:
    """A listener on an address of this machine."""

    url: str = ""
    target: str = ""
    """The service's URL, once it is known; until then there is no Broker, 404."""
    delivered: list[Delivered] = field(default_factory=list)


@contextmanager
def running(address: str) -> Iterator[Relay]:
    relay = Relay()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = forward(relay.target, body, dict(self.headers)) if relay.target else 404
            relay.delivered.append(Delivered(self.headers["ce-type"], body, status, time.time()))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer((address, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        relay.url = f"http://{address}:{server.server_port}"
        yield relay
        server.shutdown()


def forward(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Post an event; return the answer's status, 503 without one."""
    kept = {name: value for name, value in headers.items() if name.lower() != "host"}
    request = urllib.request.Request(url, data=body, headers=kept)
    try:
        with urllib.request.urlopen(request, timeout=35) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 503
