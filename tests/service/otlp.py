"""A collector of the tests' own: takes OTLP over HTTP on a socket, and keeps the spans."""

import gzip
import http.server
import threading

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Listens until closed."""

    def __init__(self):
        self.spans = {}
        self.resources = []
        self._arrived = threading.Condition()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(self.path, ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, path, request):
        assert path == "/v1/traces"
        with self._arrived:
            for group in request.resource_spans:
                self.resources.append(values(group.resource.attributes))
                for scope in group.scope_spans:
                    self.spans.update({span.span_id.hex(): span for span in scope.spans})
            self._arrived.notify_all()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def tree(self, parent):
        """Return (name, children) of the spans below a span id, in the order of their beginnings."""
        below = sorted(
            (span for span in self.spans.values() if span.parent_span_id.hex() == parent),
            key=lambda span: span.start_time_unix_nano,
        )
        return [(span.name, self.tree(span.span_id.hex())) for span in below]

    def named(self, name):
        (span,) = (span for span in self.spans.values() if span.name == name)
        return span


def values(attributes):
    """Return attributes as a dict."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
