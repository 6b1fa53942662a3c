"""What Prometheus can ask of the sink: the contract's section 6, labels from closed tables only."""

import math
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from automation.dead_letters.letter import REASONS
from service.metrics import METHODS, REQUEST_BUCKETS

AGE_BUCKETS: Final = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)
"""Seconds; up to a week, after which letters are dropped."""


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
        for reason in REASONS:
            self.letters.labels(reason)
        ProcessCollector(registry=self.registry)

    def count_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `path` is one of the application's own routes or `other`."""
        method = method if method in METHODS else "other"
        self.requests.labels(method, path, str(status)).inc()
        self.request_seconds.labels(method, path).observe(seconds)

    def count_letter(self, reason: str, age_seconds: float | None) -> None:
        """Count one letter that is kept."""
        self.letters.labels(reason).inc()
        if age_seconds is not None:
            self.age.observe(age_seconds)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics and their content type, in the format that an Accept header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
