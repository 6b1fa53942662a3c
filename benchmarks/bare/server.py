"""A function by hand: what the wrapper is measured against, in Python's own HTTP server.

It reads the same event and, without ANSWER=least, answers the same bytes as the wrapper does; it has no log,
no metrics, no trace, no time limit, no classes of errors, no checks of the event, no limits of sizes, and no
drain. With ANSWER=least it answers the data alone.
"""

import json
import os
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME, NAMESPACE = os.environ["FUNCTION_NAME"], os.environ["FUNCTION_NAMESPACE"]
LEAST = os.environ.get("ANSWER") == "least"


class Handler(BaseHTTPRequestHandler):
    """Answers a POST with the data that it brings."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536  # head and body in one write

    def do_POST(self) -> None:
        """Answer."""
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        began = time.monotonic()
        result = {"data": data}
        body = result if LEAST else self._envelope(result, time.monotonic() - began)
        encoded = json.dumps(body).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        for name, value in () if LEAST else self._attributes():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def _envelope(self, result: Any, seconds: float) -> dict[str, Any]:
        return {
            "functionName": NAME,
            "namespace": NAMESPACE,
            "invocationId": str(uuid.uuid4()),
            "correlationId": self.headers["ce-id"],
            "result": {"statusCode": 200, "body": result},
            "metrics": {"durationMs": round(seconds * 1000, 3), "coldStart": False, "memoryUsedMb": 16.4},
        }

    def _attributes(self) -> tuple[tuple[str, str], ...]:
        return (
            ("ce-specversion", "1.0"),
            ("ce-id", str(uuid.uuid4())),
            ("ce-type", "io.knative.lambda.response.success"),
            ("ce-source", f"io.knative.lambda/{NAME}"),
            ("ce-subject", NAME),
            ("ce-time", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())),
            ("ce-correlationid", self.headers["ce-id"]),
            ("ce-causationid", self.headers["ce-id"]),
            ("X-Correlation-ID", self.headers["ce-id"]),
        )

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once, as the wrapper does."""

    request_queue_size = 512


if __name__ == "__main__":
    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
