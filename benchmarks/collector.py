"""`python -m benchmarks.collector`: takes spans over OTLP/HTTP in a process of its own, and counts them.

Prints its address, then serves until its standard input is closed; then prints how many spans came.
"""

import gzip
import http.server
import sys
import threading

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps the bodies that came, to be counted when nothing is measured any more."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []

    def spans(self) -> int:
        """Return how many spans came."""
        return sum(
            len(scope.spans)
            for body in self.bodies
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in group.scope_spans
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        zipped = self.headers.get("content-encoding") == "gzip"
        self.server.bodies.append(gzip.decompress(body) if zipped else body)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of single requests."""


def main() -> None:
    """Serve until standard input ends."""
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{receiver.server_port}", flush=True)
    sys.stdin.read()
    print(receiver.spans(), flush=True)


if __name__ == "__main__":
    main()
