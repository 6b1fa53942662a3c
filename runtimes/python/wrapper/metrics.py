"""The function's metrics in Prometheus' text format and OpenMetrics; a library would be the only dependency.

OpenMetrics (https://prometheus.io/docs/specs/om/open_metrics_spec/) is what Prometheus asks for first. In it
a bucket of durations shows the trace of its last call, if that had one that is sampled.
"""

import bisect
import itertools
import threading
import time
from collections.abc import Iterator, Sequence

BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds, as the contract has them: 1 ms to 30 s."""
START_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds in seconds, for starts."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPEN_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_PREFIX = "knative_lambda_function"


class Metrics:
    """Counts calls; safe from any thread."""

    def __init__(self, function: str, namespace: str) -> None:
        self._labels = f'function="{_escape(function)}",namespace="{_escape(namespace)}"'
        self._lock = threading.Lock()
        self._errors: dict[str, int] = {}
        self._durations = {status: _Histogram(BUCKETS) for status in ("success", "error")}
        self._starts = {until: _Histogram(START_BUCKETS) for until in ("ready", "first_call")}
        self._in_flight = 0
        self._started = 0
        self._cold_start_seconds = 0.0
        self._ready_at = time.monotonic()

    def ready(self, cold_start_seconds: float) -> None:
        """Record how long the start took, from the process's birth until requests are served."""
        self._cold_start_seconds = cold_start_seconds
        self._ready_at = time.monotonic()
        self._starts["ready"].add(cold_start_seconds)

    def begin(self) -> bool:
        """Count a call in; True for the first one of this instance."""
        with self._lock:
            self._in_flight += 1
            self._started += 1
            if self._started > 1:
                return False
            self._starts["first_call"].add(self._cold_start_seconds + time.monotonic() - self._ready_at)
            return True

    def end(self, seconds: float, error_type: str | None, trace_id: str = "") -> None:
        """Count a call out, with its error type or None for a success, and its trace if that is sampled."""
        with self._lock:
            self._in_flight -= 1
            self._durations["success" if error_type is None else "error"].add(seconds, trace_id)
        if error_type is not None:
            self.error(error_type)

    def error(self, error_type: str) -> None:
        """Count an error of a request that never became a call, too."""
        with self._lock:
            self._errors[error_type] = self._errors.get(error_type, 0) + 1

    def text(self, *, open_metrics: bool = False) -> str:
        """Return everything in Prometheus' text format or in OpenMetrics."""
        with self._lock:
            page = _Page(self._labels, open_metrics)
            page.head("invocations_total", "counter", "Handler calls by how they ended.")
            for status, histogram in self._durations.items():
                page.line("invocations_total", f'status="{status}"', sum(histogram.counts))
            page.head("errors_total", "counter", "Errors by type.")
            for kind, count in self._errors.items():
                page.line("errors_total", f'error_type="{kind}"', count)
            page.head("cold_starts_total", "counter", "First calls of an instance.")
            page.line("cold_starts_total", "", min(1, self._started))
            page.histograms("duration_seconds", "status", self._durations, "How long handler calls took.")
            page.head("in_flight", "gauge", "Handler calls that are running.")
            page.line("in_flight", "", self._in_flight)
            page.head("cold_start_seconds", "gauge", "From the process's birth until it served requests.")
            page.line("cold_start_seconds", "", round(self._cold_start_seconds, 4))
            text = "From the process's birth until it served requests, and until its first call."
            page.histograms("start_duration_seconds", "until", self._starts, text)
            return page.text()


class _Histogram:
    """Counts by bounds, the last of them infinite, and the trace that each bucket saw last."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0
        self._exemplars: dict[int, tuple[str, float, float]] = {}

    def add(self, seconds: float, trace_id: str = "") -> None:
        at = bisect.bisect_left(self.bounds, seconds)
        self.counts[at] += 1
        self.seconds += seconds
        if trace_id:
            self._exemplars[at] = (trace_id, seconds, time.time())

    def buckets(self) -> Iterator[tuple[float, int, str]]:
        """Yield upper bound, count up to it, and its exemplar or an empty text."""
        counts = itertools.accumulate(self.counts)
        for at, (bound, count) in enumerate(zip((*self.bounds, float("inf")), counts, strict=True)):
            exemplar = ""
            if at in self._exemplars:
                trace_id, seconds, moment = self._exemplars[at]
                exemplar = f' # {{trace_id="{trace_id}"}} {seconds:.6f} {moment:.3f}'
            yield bound, count, exemplar


class _Page:
    """A text that is being written."""

    def __init__(self, labels: str, open_metrics: bool) -> None:
        self._labels = labels
        self._open = open_metrics
        self._lines: list[str] = []

    def head(self, name: str, kind: str, text: str) -> None:
        family = f"{_PREFIX}_{name.removesuffix('_total') if self._open else name}"
        self._lines += [f"# HELP {family} {text}", f"# TYPE {family} {kind}"]

    def line(self, name: str, label: str, value: float, exemplar: str = "") -> None:
        labels = f"{self._labels},{label}" if label else self._labels
        self._lines.append(f"{_PREFIX}_{name}{{{labels}}} {value}{exemplar if self._open else ''}")

    def histograms(self, name: str, label: str, found: dict[str, _Histogram], text: str) -> None:
        self.head(name, "histogram", text)
        for value, histogram in found.items():
            for bound, count, exemplar in histogram.buckets():
                labels = f'{label}="{value}",le="{self._bound(bound)}"'
                self.line(f"{name}_bucket", labels, count, exemplar)
            self.line(f"{name}_sum", f'{label}="{value}"', round(histogram.seconds, 6))
            self.line(f"{name}_count", f'{label}="{value}"', sum(histogram.counts))

    def text(self) -> str:
        return "\n".join([*self._lines, *(["# EOF"] if self._open else []), ""])

    def _bound(self, bound: float) -> str:
        """OpenMetrics wants a decimal point in whole numbers."""
        if bound == float("inf"):
            return "+Inf"
        return repr(bound) if self._open else f"{bound:g}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
