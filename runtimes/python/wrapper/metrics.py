"""The function's metrics in Prometheus' text format; a client library would be the only dependency."""

import bisect
import itertools
import threading

BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds, as the contract has them: 1 ms to 30 s."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "knative_lambda_function"


class Metrics:
    """Counts calls; safe from any thread."""

    def __init__(self, function: str, namespace: str) -> None:
        self._labels = f'function="{_escape(function)}",namespace="{_escape(namespace)}"'
        self._lock = threading.Lock()
        self._invocations = {"success": 0, "error": 0}
        self._errors: dict[str, int] = {}
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._in_flight = 0
        self._started = 0
        self._cold_start_seconds = 0.0

    def ready(self, cold_start_seconds: float) -> None:
        """Record how long the start took, from the process's birth until requests are served."""
        self._cold_start_seconds = cold_start_seconds

    def begin(self) -> bool:
        """Count a call in; True for the first one of this instance."""
        with self._lock:
            self._in_flight += 1
            self._started += 1
            return self._started == 1

    def end(self, seconds: float, error_type: str | None) -> None:
        """Count a call out, with its error type or None for a success."""
        with self._lock:
            self._in_flight -= 1
            self._invocations["success" if error_type is None else "error"] += 1
            self._buckets[bisect.bisect_left(BUCKETS, seconds)] += 1
            self._seconds += seconds
        if error_type is not None:
            self.error(error_type)

    def error(self, error_type: str) -> None:
        """Count an error of a request that never became a call, too."""
        with self._lock:
            self._errors[error_type] = self._errors.get(error_type, 0) + 1

    def text(self) -> str:
        """Return everything in Prometheus' text format."""
        with self._lock:
            return "\n".join([*self._counters(), *self._histogram(), *self._gauges(), ""])

    def _counters(self) -> list[str]:
        lines = _head("invocations_total", "counter", "Handler calls by how they ended.")
        lines += [self._line("invocations_total", f'status="{k}"', n) for k, n in self._invocations.items()]
        lines += _head("errors_total", "counter", "Errors by type.")
        lines += [self._line("errors_total", f'error_type="{k}"', n) for k, n in self._errors.items()]
        lines += _head("cold_starts_total", "counter", "First calls of an instance.")
        return [*lines, self._line("cold_starts_total", "", min(1, self._started))]

    def _histogram(self) -> list[str]:
        lines = _head("duration_seconds", "histogram", "How long handler calls took.")
        counts = list(itertools.accumulate(self._buckets))
        bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
        for bound, count in zip(bounds, counts, strict=True):
            lines.append(self._line("duration_seconds_bucket", f'le="{bound}"', count))
        lines.append(self._line("duration_seconds_sum", "", round(self._seconds, 6)))
        return [*lines, self._line("duration_seconds_count", "", counts[-1])]

    def _gauges(self) -> list[str]:
        lines = _head("in_flight", "gauge", "Handler calls that are running.")
        lines.append(self._line("in_flight", "", self._in_flight))
        lines += _head("cold_start_seconds", "gauge", "From the process's birth until it served requests.")
        return [*lines, self._line("cold_start_seconds", "", round(self._cold_start_seconds, 4))]

    def _line(self, name: str, label: str, value: float) -> str:
        labels = f"{self._labels},{label}" if label else self._labels
        return f"{_PREFIX}_{name}{{{labels}}} {value}"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {_PREFIX}_{name} {text}", f"# TYPE {_PREFIX}_{name} {kind}"]


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
