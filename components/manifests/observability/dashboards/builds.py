"""How builds fare: how many, how long, why they fail, and what they use."""

from components.manifests.observability.alerts.builds import DONE_TYPES, START_TYPES
from components.manifests.observability.dashboards import common
from components.manifests.observability.dashboards.common import NOW
from components.manifests.observability.panels import Dashboard, Panel, Query, Row
from components.manifests.observability.scope import (
    BUILD_PODS,
    FAILED,
    Scope,
    increase,
    quantile,
    rate,
    share,
)

_JOBS = f'job_name=~"{BUILD_PODS}"'
_DURATION = "build_duration_seconds_bucket"
_ANSWER = "knative_lambda_event_processing_time_seconds_bucket"


def plan(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        key="builds",
        title="Builds",
        rows=(
            Row("In the last day", _day(scope)),
            Row("Builds", _builds(scope)),
            Row("Before and after the build", _around(scope)),
            Row("Pods", (common.cores(scope, BUILD_PODS, "container", width=12), _memory(scope))),
            Row("Logs", common.logs(scope, BUILD_PODS, "builds' monitors")),
        ),
    )


def _day(scope: Scope) -> tuple[Panel, ...]:
    ended = scope.service("builds_total")
    good = scope.service("builds_total", 'status="success"')
    quick = quantile(0.95, scope.service(_DURATION, 'status="success"'), "1d")
    return tuple(
        Panel(
            title=title, queries=(Query(expr),), unit=unit, kind="stat", width=6, steps=steps, good_above=up
        )
        for title, expr, unit, steps, up in (
            ("Builds", increase(ended, "1d"), "short", (), False),
            (
                "Successful",
                share(increase(good, "1d"), increase(ended, "1d")),
                "percentunit",
                (0.9, 0.95),
                True,
            ),
            ("95 % of builds within", quick, "s", (scope.build_seconds, 2 * scope.build_seconds), False),
            (
                "Failed Jobs that are left",
                f"count({scope.ours('kube_job_status_failed', _JOBS)} > 0) or vector(0)",
                "short",
                (5, 10),
                False,
            ),
        )
    )


def _builds(scope: Scope) -> tuple[Panel, ...]:
    durations = scope.service(_DURATION)
    return (
        Panel(
            title="Ended in an hour, by status",
            queries=(Query(increase(scope.service("builds_total"), "1h", "status"), "{{status}}"),),
            stacked=True,
        ),
        Panel(
            title="Failed in an hour, by reason",
            description="dockerfile and dependency_install are for the parser's author to mend.",
            queries=(
                Query(f"{increase(scope.service('build_failures_total'), '1h', 'reason')} > 0", "{{reason}}"),
            ),
            stacked=True,
        ),
        Panel(
            title="Duration",
            queries=tuple(
                Query(quantile(level, durations, "1h"), f"{100 * level:g} %") for level in (0.5, 0.95)
            ),
            unit="s",
            steps=(scope.build_seconds,),
        ),
        Panel(
            title="Running",
            queries=(
                Query(f"sum({scope.ours('kube_job_status_active', _JOBS)}) or vector(0)", "running"),
                Query(f"vector({scope.builds})", "room for"),
            ),
            width=12,
        ),
        Panel(
            title="Asked for, by how that ended",
            queries=(Query(increase(scope.service("build_requests_total"), "1h", "status"), "{{status}}"),),
            stacked=True,
            width=12,
        ),
    )


def _around(scope: Scope) -> tuple[Panel, ...]:
    starts, done = f'event_type=~"{START_TYPES}"', f'event_type=~"{DONE_TYPES}"'
    return (
        Panel(
            title="From build.start to the Job",
            description="Reading the code, making and storing the build context, applying the Job.",
            queries=(
                Query(quantile(0.5, scope.service(_ANSWER, starts), NOW), "50 %"),
                Query(quantile(0.95, scope.service(_ANSWER, starts), NOW), "95 %"),
            ),
            unit="s",
            steps=(15,),
        ),
        Panel(
            title="From build.complete to the function",
            queries=(
                Query(quantile(0.5, scope.service(_ANSWER, done), NOW), "50 %"),
                Query(quantile(0.95, scope.service(_ANSWER, done), NOW), "95 %"),
            ),
            unit="s",
        ),
        Panel(
            title="Failed before and after",
            queries=(
                Query(rate(scope.service("knative_lambda_events_total", starts, FAILED), NOW), "before"),
                Query(rate(scope.service("knative_lambda_events_total", done, FAILED), NOW), "after"),
            ),
            unit="reqps",
        ),
    )


def _memory(scope: Scope) -> Panel:
    return common.memory(scope, BUILD_PODS, "container", width=12)
