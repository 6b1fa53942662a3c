"""Alerts about the automation service: whether it is there, answers, and keeps up."""

from typing import Final

from components.manifests.observability.alert import CRITICAL, Alert
from components.manifests.observability.scope import (
    ACCEPTED,
    CONTAINERS,
    FAILED,
    REFUSED,
    SERVICE_PODS,
    Scope,
    increase,
    often,
    quantile,
    rate,
    share,
)

_POST: Final = 'method="POST"'
_FEW: Final = 5
"""Failures from which on a share means something: one of two events is half of them, and no incident."""


def alerts(scope: Scope) -> list[Alert]:
    """Return them, the worst first."""
    return [
        _down(scope),
        *_dependencies(scope),
        *_failures(scope),
        *_slowness(scope),
        *_saturation(scope),
        *_untold(scope),
    ]


def _down(scope: Scope) -> Alert:
    return Alert(
        name="BuilderServiceDown",
        # Replicas come and go; what counts is that none answers, or that none is there to be asked.
        when=f"absent({scope.service('up')} == 1)",
        lasts="2m",
        severity=CRITICAL,
        summary="No pod of the automation service answers Prometheus: events are not carried out.",
    )


def _dependencies(scope: Scope) -> list[Alert]:
    return [
        Alert(
            name="DependencyServiceDown",
            when=f"min by (dependency) ({scope.service('knative_lambda_dependency_up')}) == 0",
            lasts="1m",
            severity=CRITICAL,
            summary="The automation service cannot reach {{ $labels.dependency }}.",
        )
    ]


def _failures(scope: Scope) -> list[Alert]:
    requests, errors = "http_requests_total", "errors_total"
    posted = scope.service(requests, _POST)
    refused = scope.service(requests, _POST, 'status=~"5.."')
    events = "knative_lambda_events_total"
    limited = scope.service(errors, 'error_type="rate_limit_exceeded"')
    return [
        Alert(
            name="HttpErrorRateHigh",
            when=often(refused, posted, "5m", above=0.05, few=_FEW),
            lasts="5m",
            summary="{{ $value | humanizePercentage }} of requests are answered with a server error.",
        ),
        Alert(
            name="HighEventFailureRate",
            when=often(
                scope.service(events, FAILED), scope.service(events, ACCEPTED), "5m", above=0.1, few=_FEW
            ),
            lasts="5m",
            severity=CRITICAL,
            summary="{{ $value | humanizePercentage }} of events fail.",
        ),
        Alert(
            name="PoisonMessageDetected",
            when=f"{rate(scope.service(events, REFUSED), '5m', 'event_type')} > 0.1",
            lasts="1m",
            summary="Events of type {{ $labels.event_type }} are refused, {{ $value | humanize }} a second.",
        ),
        Alert(
            name="EventProcessingTimeout",
            when=f"{rate(scope.service('knative_lambda_event_timeouts_total'), '5m')} > 0.1",
            lasts="2m",
            summary="{{ $value | humanize }} events a second are not done in their request's time.",
        ),
        Alert(
            name="EventsRateLimited",
            when=f"{share(rate(limited, '5m'), rate(posted, '5m'))} > 0.2",
            lasts="5m",
            summary="{{ $value | humanizePercentage }} of events are sent back for want of room.",
        ),
    ]


def _slowness(scope: Scope) -> list[Alert]:
    http = scope.service("http_request_duration_seconds_bucket", _POST)
    events = scope.service("knative_lambda_event_processing_time_seconds_bucket")
    return [
        Alert(
            name="HttpLatencyHigh",
            when=f"{quantile(0.99, http, '5m')} > 1",
            lasts="10m",
            summary="The slowest 1 % of requests take {{ $value | humanizeDuration }} or more.",
        ),
        Alert(
            name="EventProcessingSlow",
            when=f"{quantile(0.95, events, '5m')} > 10",
            lasts="5m",
            severity=CRITICAL,
            summary="The slowest 5 % of events take {{ $value | humanizeDuration }} or more.",
        ),
    ]


def _saturation(scope: Scope) -> list[Alert]:
    waiting = f"{scope.service('async_job_queue_depth')} + {scope.service('async_jobs_active')}"
    pods = f'pod=~"{SERVICE_PODS}"'
    used = f"max by (pod) ({scope.ours('container_memory_working_set_bytes', pods, CONTAINERS)})"
    limits = scope.ours("kube_pod_container_resource_limits", pods, 'resource="memory"')
    return [
        Alert(
            name="EventQueueNearlyFull",
            when=f"max(({waiting}) / {scope.service('knative_lambda_queue_limit')}) > 0.8",
            lasts="5m",
            summary="A pod's queue is {{ $value | humanizePercentage }} full; what is too much is sent back.",
        ),
        Alert(
            name="ConsumerHighMemoryUsage",
            when=f"{used} / max by (pod) ({limits}) > 0.8",
            lasts="5m",
            summary="{{ $labels.pod }} uses {{ $value | humanizePercentage }} of its memory limit.",
        ),
    ]


def _untold(scope: Scope) -> list[Alert]:
    """Return what nobody hears of: events that wait to be told, and plans that nobody looks at."""
    given_up = scope.service("knative_lambda_outbox_events_total", 'outcome="refused"')
    expired = scope.service("knative_lambda_gated_plans_total", 'outcome="expired"')
    return [
        Alert(
            name="OutboxStuck",
            when=f"max({scope.service('knative_lambda_outbox_age_seconds')}) > 300",
            lasts="5m",
            summary="An event waits for {{ $value | humanizeDuration }} to be told: its sink takes none.",
        ),
        Alert(
            name="OutboxEventsRefused",
            when=f"{increase(given_up, '15m', 'kind')} > 0",
            lasts="0m",
            summary="{{ $value | humanize }} events of {{ $labels.kind }} were given up: their sink refused.",
        ),
        Alert(
            name="GatedPlansExpire",
            when=f"{increase(expired, '1d')} > 0",
            lasts="0m",
            summary="{{ $value | humanize }} plans expired in a day: nobody approved or rejected them.",
        ),
    ]
