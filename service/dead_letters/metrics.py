"""What Prometheus can ask of the sink: the contract's section 6, labels from closed tables only."""

import math
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from automation.dead_letters.cause import CAUSES
from automation.dead_letters.kept import CATEGORIES
from automation.dead_letters.letter import REASONS
from service.request_metrics import METHODS, REQUEST_BUCKETS

AGE_BUCKETS: Final = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)
"""Seconds; up to a week, after which letters are dropped."""


PASSES: Final = ("done", "held_back", "taken", "failed")
"""How a pass of the schedule ends: all that was due; back-pressure; another process did it; an error."""


class Metrics:
    """All metrics of one sink, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests_total", "HTTP requests.", ("method", "path", "status"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "http_request_duration_seconds",
            "HTTP requests, by duration.",
            ("method", "path"),
            registry=self.registry,
            buckets=REQUEST_BUCKETS,
        )
        self.errors = Counter(
            "errors_total", "Requests answered with an error.", ("error_type",), registry=self.registry
        )
        self.letters = Counter(
            "dlq_messages_total", "Dead letters kept.", ("reason",), registry=self.registry
        )
        self.causes = Counter(
            "dlq_messages_by_cause_total",
            "The same, by what is behind them.",
            ("cause",),
            registry=self.registry,
        )
        self.age = Histogram(
            "dlq_message_age_seconds",
            "Dead letters kept, by the age of their event.",
            registry=self.registry,
            buckets=AGE_BUCKETS,
        )
        self.depth = Gauge(
            "dlq_depth_gauge", "Dead letters waiting; NaN where it cannot be asked.", registry=self.registry
        )
        self.depth.set(math.nan)
        self.poison_depth = Gauge(
            "dlq_poison_depth", "Letters that came back too often; NaN as above.", registry=self.registry
        )
        self.poison_depth.set(math.nan)
        self.poison = Counter(
            "dlq_poison_messages_total",
            "Letters that came back after their last replay.",
            registry=self.registry,
        )
        self._replays = {
            outcome: Counter(f"dlq_replay_{outcome}_total", text, ("category",), registry=self.registry)
            for outcome, text in (
                ("success", "Letters replayed: published, confirmed, taken away."),
                ("failure", "Letters whose replay was refused; they stay."),
            )
        }
        self.replays = Counter("dlq_replay_total", "Letters tried to be replayed.", registry=self.registry)
        self.purged = Counter("dlq_purged_total", "Letters thrown away on request.", registry=self.registry)
        self.passes = Counter(
            "dlq_replay_passes_total", "Passes of the schedule.", ("outcome",), registry=self.registry
        )
        for category in CATEGORIES:
            for counter in self._replays.values():
                counter.labels(category)
        for outcome in PASSES:
            self.passes.labels(outcome)
        for cause in CAUSES:
            self.causes.labels(cause)
        for reason in REASONS:
            self.letters.labels(reason)
        ProcessCollector(registry=self.registry)

    def count_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `path` is one of the application's own routes or `other`."""
        method = method if method in METHODS else "other"
        self.requests.labels(method, path, str(status)).inc()
        self.request_seconds.labels(method, path).observe(seconds)

    def count_letter(self, reason: str, cause: str, age_seconds: float | None) -> None:
        """Count one letter that is kept."""
        self.letters.labels(reason).inc()
        self.causes.labels(cause).inc()
        if age_seconds is not None:
            self.age.observe(age_seconds)

    def count_replay(self, category: str, outcome: str) -> None:
        """Count one letter that was tried to be replayed: `success` or `failure`."""
        self.replays.inc()
        self._replays[outcome].labels(category).inc()

    def count_purge(self, count: int) -> None:
        """Count letters that were thrown away."""
        self.purged.inc(count)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics and their content type, in the format that an Accept header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
