"""What Prometheus can ask: names of the contract's section 6, labels from closed tables only.

A label never holds an id, a path as sent or any other text of a sender, so that the series are bounded. What
the contract does not name begins with `knative_lambda_`. Counters that alerts and objectives look at exist
from the start: a series that appears with its first error has a rate of zero.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from automation.answers import REFUSED
from automation.errors import DependencyUnavailable, Fault, PlatformError, Saturated
from automation.event_parser import FAILURE_REASONS, SERVED, label
from automation.events import BuildComplete, BuildFailed, BuildStart, Event, FunctionDeploy, Reply
from automation.gates import PARKED
from service import VERSION
from service.cloudevents import Mode
from service.errors import UnexpectedError
from service.ports import Stats
from service.rate_limits import LIMITS, RateLimited
from service.request_metrics import METHODS, REQUEST_BUCKETS

EVENT_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 5, 10, 15, 30)
"""Seconds; 3, 5, 10 and 15 are what the contract's objectives and alerts ask for."""

BUILD_BUCKETS: Final = (5, 10, 20, 30, 60, 90, 120, 180, 300, 600, 1800)
"""Seconds; up to a build's deadline."""

OUTCOMES: Final = ("success", "refused", "limited", "failed")
"""How an event can end: carried out, refused by the sender's fault, sent back because the sender asked for
more than its rate, or failed by our fault or a dependency's."""

OTHER_REASON: Final = "other"
"""Label of builds that failed for a reason in other words than our monitor's."""

SKIPPED: Final = "skipped"
"""The reply status of an event that was carried out before."""


def _asks_for_a_build(event: Event) -> bool:
    """Say whether code is to be built: an image and a configuration are rolled out as they are."""
    return isinstance(event, BuildStart) or (
        isinstance(event, FunctionDeploy) and event.has_source and not event.image
    )


class Metrics:
    """All metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._http_metrics()
        self._event_metrics()
        self._build_metrics()
        self._begin_at_zero()
        ProcessCollector(registry=self.registry)

    def _http_metrics(self) -> None:
        self.requests = self._counter("http_requests_total", "HTTP requests.", "method", "path", "status")
        self.request_seconds = self._histogram(
            "http_request_duration_seconds", "HTTP requests, by duration.", REQUEST_BUCKETS, "method", "path"
        )
        self.errors = self._counter("errors_total", "Requests answered with an error.", "error_type")

    def _event_metrics(self) -> None:
        self.received = self._counter("cloudevents_received_total", "CloudEvents decoded.", "type", "mode")
        self.events = self._counter(
            "knative_lambda_events_total", "CloudEvents answered, by outcome.", "event_type", "outcome"
        )
        self.event_seconds = self._histogram(
            "knative_lambda_event_processing_time_seconds",
            "CloudEvents that were carried out or failed, by time until the answer.",
            EVENT_BUCKETS,
            "event_type",
        )
        self.event_timeouts = self._counter(
            "knative_lambda_event_timeouts_total", "Events answered before their work was done.", "event_type"
        )
        self.duplicates = self._counter(
            "duplicate_events_skipped_total", "Events that had been carried out before.", "event_type"
        )
        self.dependencies = Gauge(
            "knative_lambda_dependency_up",
            "Whether a dependency answered when readiness was last asked for.",
            ("dependency",),
            registry=self.registry,
        )

    def _build_metrics(self) -> None:
        self.build_requests = self._counter(
            "build_requests_total", "Events that ask for a build, by outcome.", "status"
        )
        self.rate_limited = self._counter("rate_limit_rejected_total", "Events beyond a rate.", "limit_type")
        self.builds = self._counter("builds_total", "Builds that ended.", "status")
        self.build_failures = self._counter("build_failures_total", "Builds that failed.", "reason")
        self.build_seconds = self._histogram(
            "build_duration_seconds", "Builds that ended, by duration.", BUILD_BUCKETS, "status"
        )
        info = Gauge(
            "knative_lambda_build_info", "The running version.", ("version",), registry=self.registry
        )
        info.labels(VERSION).set(1)

    def _begin_at_zero(self) -> None:
        for event_type in SERVED:
            self.event_timeouts.labels(event_type)
            for outcome in OUTCOMES:
                self.events.labels(event_type, outcome)
        for status in ("success", "error"):
            self.build_requests.labels(status)
        for status in ("success", "failed"):
            self.builds.labels(status)
        for reason in (*FAILURE_REASONS, OTHER_REASON):
            self.build_failures.labels(reason)
        for limit in LIMITS:
            self.rate_limited.labels(limit)
        for error in (DependencyUnavailable, Saturated, UnexpectedError):
            self.errors.labels(error.error_type)

    def watch(self, stats: Callable[[], Stats]) -> None:
        """Read queue depth, its limit and active work from automation whenever metrics are scraped."""
        depth = Gauge("async_job_queue_depth", "Events accepted and waiting.", registry=self.registry)
        depth.set_function(lambda: stats().queue_depth)
        limit = Gauge(
            "knative_lambda_queue_limit",
            "Events that may be waiting or worked on at one time.",
            registry=self.registry,
        )
        limit.set_function(lambda: stats().limit)
        active = Gauge("async_jobs_active", "Events being worked on.", registry=self.registry)
        active.set_function(lambda: stats().active)

    def count_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `path` is one of the application's own routes or `other`."""
        method = method if method in METHODS else "other"
        self.requests.labels(method, path, str(status)).inc()
        self.request_seconds.labels(method, path).observe(seconds)

    def count_event(self, event_type: str, mode: Mode) -> None:
        """Count one decoded event, before its data is looked at."""
        self.received.labels(label(event_type), mode).inc()

    @contextlib.contextmanager
    def answering(self, event_type: str) -> Iterator[None]:
        """Time one decoded event until its answer, and count how it ended."""
        name, began, outcome = label(event_type), time.perf_counter(), "failed"
        try:
            yield
            outcome = "success"
        except RateLimited:
            outcome = "limited"
            raise
        except PlatformError as error:
            outcome = "refused" if error.fault is Fault.SENDER else "failed"
            raise
        finally:
            self.events.labels(name, outcome).inc()
            if outcome in ("success", "failed"):
                self.event_seconds.labels(name).observe(time.perf_counter() - began)

    def count_timeout(self, event: Event) -> None:
        """Count an event whose request has run out of time while its work goes on."""
        self.event_timeouts.labels(label(event.meta.type)).inc()

    def show_dependencies(self, states: Mapping[str, str]) -> None:
        """Show which dependencies have answered `ok`; those of earlier calls that are not named are gone."""
        self.dependencies.clear()
        for name, state in states.items():
            self.dependencies.labels(name).set(state == "ok")

    def count_outcome(self, event: Event, reply: Reply) -> None:
        """Count what an event has led to: a duplicate as only that, dry runs and parked events as nothing."""
        if event.meta.dry_run or reply.status == PARKED:
            return
        if reply.status == SKIPPED:
            self.duplicates.labels(label(event.meta.type)).inc()
        elif _asks_for_a_build(event):
            self.build_requests.labels("success").inc()
        elif isinstance(event, BuildComplete) and reply.status == REFUSED:
            self._count_build("failed", event.duration_seconds)
            self.build_failures.labels(reply.fields["reason"]).inc()
        elif isinstance(event, BuildComplete):
            self._count_build("success", event.duration_seconds)
        elif isinstance(event, BuildFailed):
            self._count_build("failed", event.duration_seconds)
            self.build_failures.labels(
                event.reason if event.reason in FAILURE_REASONS else OTHER_REASON
            ).inc()

    def count_failure(self, event: Event) -> None:
        """Count an event that could not be carried out; a dry run was never to be."""
        if _asks_for_a_build(event) and not event.meta.dry_run:
            self.build_requests.labels("error").inc()

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics and their content type, in the format that an Accept header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _count_build(self, status: str, seconds: float | None) -> None:
        self.builds.labels(status).inc()
        if seconds is not None:
            self.build_seconds.labels(status).observe(seconds)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)
