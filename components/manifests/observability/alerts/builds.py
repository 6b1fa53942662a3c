"""Alerts about builds: whether they succeed, how long they take, and what becomes of their results."""

from typing import Final

from components.manifests.observability.alert import CRITICAL, Alert
from components.manifests.observability.scope import (
    ACCEPTED,
    BUILD_PODS,
    FAILED,
    Scope,
    increase,
    often,
    quantile,
)

START_TYPES: Final = r"network.notifi.lambda.build.start|io.knative.lambda.command.build.(start|retry)"
DONE_TYPES: Final = r"network.notifi.lambda.build.complete|io.knative.lambda.lifecycle.build.completed"

USERS_FAULTS: Final = ("dockerfile", "dependency_install")
"""Reasons of failed builds that the sender of the code has to mend."""

_OUT_OF_MEMORY: Final = 'reason="oom"'
_JOBS: Final = f'job_name=~"{BUILD_PODS}"'
_STUCK_SECONDS: Final = 20 * 60
_LEFT_OVER: Final = 10
_FEW: Final = 3


def alerts(scope: Scope) -> list[Alert]:
    """Return them, the worst first."""
    return [*_results(scope), *_jobs(scope), *_around(scope)]


def _results(scope: Scope) -> list[Alert]:
    theirs = f'reason!~"{"|".join(USERS_FAULTS)}"'
    failed, ended = scope.service("build_failures_total", theirs), scope.service("builds_total")
    buckets = scope.service("build_duration_seconds_bucket", 'status="success"')
    return [
        Alert(
            name="BuildFailureRateHigh",
            when=often(failed, ended, "15m", above=0.1, few=_FEW),
            lasts="5m",
            severity=CRITICAL,
            summary="{{ $value | humanizePercentage }} of builds fail, and not for their code.",
        ),
        Alert(
            name="KanikoOOMKilled",
            when=f"{increase(scope.service('build_failures_total', _OUT_OF_MEMORY), '15m')} > 0",
            lasts="0m",
            summary="A build ran out of memory and was killed (exit status 137).",
        ),
        Alert(
            name="BuildSlow",
            when=f"{quantile(0.95, buckets, '30m')} > {scope.build_seconds}",
            lasts="10m",
            summary="The slowest 5 % of builds take {{ $value | humanizeDuration }} or more.",
        ),
    ]


def _jobs(scope: Scope) -> list[Alert]:
    active = scope.ours("kube_job_status_active", _JOBS)
    age = f"time() - {scope.ours('kube_job_status_start_time', _JOBS)}"
    failed = f"count({scope.ours('kube_job_status_failed', _JOBS)} > 0)"
    return [
        Alert(
            name="BuildJobStuck",
            when=f"max({age} and on (job_name) ({active} > 0)) > {_STUCK_SECONDS}",
            lasts="1m",
            summary="A build has been running for {{ $value | humanizeDuration }}.",
        ),
        Alert(
            name="FailedJobsAccumulating",
            when=f"{failed} > {_LEFT_OVER}",
            lasts="10m",
            summary="{{ $value }} failed builds' Jobs are there at the same time.",
        ),
        Alert(
            name="BuildsNearLimit",
            when=f"sum({active}) >= {0.9 * scope.builds:g}",
            lasts="10m",
            summary=f"{{{{ $value }}}} builds run; there is room for {scope.builds}, further ones wait.",
        ),
    ]


def _around(scope: Scope) -> list[Alert]:
    """Before and after the Job: the build context, and the function that is to run the image."""
    starts, done = f'event_type=~"{START_TYPES}"', f'event_type=~"{DONE_TYPES}"'
    buckets = scope.service("knative_lambda_event_processing_time_seconds_bucket", starts)
    return [
        Alert(
            name="BuildContextsFailing",
            when=_failing(scope, starts),
            lasts="5m",
            summary="{{ $value | humanizePercentage }} of builds cannot be started.",
        ),
        Alert(
            name="BuildContextSlow",
            when=f"{quantile(0.95, buckets, '15m')} >= 15",
            lasts="5m",
            summary="The slowest 5 % of build.start events take {{ $value | humanizeDuration }} or more.",
        ),
        Alert(
            name="ServiceCreationFailing",
            when=_failing(scope, done),
            lasts="5m",
            severity=CRITICAL,
            summary="{{ $value | humanizePercentage }} of finished builds cannot be rolled out.",
        ),
    ]


def _failing(scope: Scope, types: str) -> str:
    events = "knative_lambda_events_total"
    failed, answered = scope.service(events, types, FAILED), scope.service(events, types, ACCEPTED)
    return often(failed, answered, "15m", above=0.05, few=_FEW)
