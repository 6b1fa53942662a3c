"""What Prometheus can ask of the consumer; labels from closed tables only."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from automation.deliveries.courier import DEAD, DELIVERED, DROPPED, Courier
from automation.deliveries.routing import FUNCTION, NOBODY, SERVICE
from service.request_metrics import METHODS, REQUEST_BUCKETS

DELIVERY_BUCKETS: Final = (0.01, 0.05, 0.25, 1, 5, 30, 120, 600)
"""Seconds, with all tries and the waits between them."""

_ENDS: Final = (
    (SERVICE, DELIVERED),
    (SERVICE, DEAD),
    (FUNCTION, DELIVERED),
    (FUNCTION, DEAD),
    (NOBODY, DROPPED),
)


class Metrics:
    """All metrics of one consumer, in a registry of its own."""

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
        self.deliveries = Counter(
            "knative_lambda_deliveries_total",
            "Events taken from RabbitMQ that are done with, by who was to get them.",
            ("receiver", "outcome"),
            registry=self.registry,
        )
        self.retries = Counter(
            "knative_lambda_delivery_retries_total",
            "Deliveries that failed and were repeated.",
            ("receiver",),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "knative_lambda_delivery_seconds",
            "Events that are done with, by how long that took with all tries.",
            ("receiver",),
            registry=self.registry,
            buckets=DELIVERY_BUCKETS,
        )
        self.under_way = Gauge(
            "knative_lambda_deliveries_under_way", "Events in hand.", registry=self.registry
        )
        self.consuming = Gauge(
            "knative_lambda_consuming", "1: RabbitMQ sends events; 0: it is away.", registry=self.registry
        )
        for receiver, outcome in _ENDS:
            self.deliveries.labels(receiver, outcome)
        for receiver in (SERVICE, FUNCTION):
            self.retries.labels(receiver)
        ProcessCollector(registry=self.registry)

    def watch(self, courier: Courier) -> None:
        """Ask a courier at each scrape."""
        self.under_way.set_function(lambda: courier.under_way)
        self.consuming.set_function(lambda: courier.consuming)

    def count_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `path` is one of the application's own routes or `other`."""
        method = method if method in METHODS else "other"
        self.requests.labels(method, path, str(status)).inc()
        self.request_seconds.labels(method, path).observe(seconds)

    def count_delivery(self, receiver: str, outcome: str, seconds: float) -> None:
        """Count an event that is done with."""
        self.deliveries.labels(receiver, outcome).inc()
        if receiver != NOBODY:
            self.seconds.labels(receiver).observe(seconds)

    def count_retry(self, receiver: str) -> None:
        """Count a delivery that failed and will be repeated."""
        self.retries.labels(receiver).inc()

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics and their content type, in the format that an Accept header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
