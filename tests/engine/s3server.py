"""A server that speaks S3, in this process: moto's."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from engine import open_backend
from engine.s3 import S3Backend

_BUCKETS = itertools.count(1)


@contextmanager
def running() -> Iterator[str]:
    """Start a server on a free port, and return its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def url(address: str, bucket: str, prefix: str = "") -> str:
    """Return the address of a prefix in a bucket of the server."""
    return f"s3://{bucket}/{prefix}?endpoint={quote(address)}&s3ForcePathStyle=true&region=us-east-1"


def fresh(address: str, prefix: str = "") -> str:
    """Make a bucket of its own, and return the address of a prefix in it."""
    bucket = f"states-{next(_BUCKETS)}"
    place = url(address, bucket, prefix)
    opened(place).client.create_bucket(Bucket=bucket)
    return place


def opened(place: str) -> S3Backend:
    """Open an address that is one of S3."""
    backend = open_backend(place)
    assert isinstance(backend, S3Backend)
    return backend


class Requests:
    """The requests that a backend makes from now on, as `GET key` and the like."""

    def __init__(self, backend: S3Backend) -> None:
        self.made: list[str] = []
        backend.client.meta.events.register("before-send.s3", self._note)

    def _note(self, request: object, **_: object) -> None:
        url, headers = str(getattr(request, "url", "")), getattr(request, "headers", {})
        method = str(getattr(request, "method", ""))
        if "list-type" in url:
            method = "LIST"
        elif any(name.lower() == "x-amz-copy-source" for name in headers):
            method = "COPY"
        self.made.append(method)

    def count(self) -> dict[str, int]:
        """Return how many of each kind were made."""
        return {kind: self.made.count(kind) for kind in sorted(set(self.made))}
