"""Whether the platform works: what comes in, what becomes of it, what it needs for that."""

from components.manifests.observability.alerts.delivery import dead_letters
from components.manifests.observability.dashboards import common
from components.manifests.observability.dashboards.common import NOW
from components.manifests.observability.panels import Dashboard, Panel, Query, Row
from components.manifests.observability.scope import (
    ACCEPTED,
    BUILD_PODS,
    FAILED,
    SERVICE_PODS,
    Scope,
    increase,
    quantile,
    rate,
    share,
)

_EVENTS = "knative_lambda_events_total"
_SECONDS = "knative_lambda_event_processing_time_seconds_bucket"


def plan(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        key="overview",
        title="Overview",
        rows=(
            Row("Now", _now(scope)),
            Row("Events", (*_events(scope), *_errors(scope))),
            Row("Automation service", _service(scope)),
            Row("Logs", common.logs(scope, SERVICE_PODS, "the automation service")),
        ),
    )


def _now(scope: Scope) -> tuple[Panel, ...]:
    firing = f'ALERTS{{alertstate="firing",platform="knative-lambda",environment="{scope.environment}"}}'
    failing = share(rate(scope.service(_EVENTS, FAILED), "5m"), rate(scope.service(_EVENTS, ACCEPTED), "5m"))
    building = f'job_name=~"{BUILD_PODS}"'
    functions = scope.ours(
        "kube_resourcequota", 'resource="count/services.serving.knative.dev"', 'type="used"'
    )
    return (
        _stat("Alerts", f"count({firing}) or vector(0)", steps=(1,)),
        _stat("Pods that answer", f"count({scope.service('up')} == 1)", steps=(1,), good_above=True),
        _stat("Events", rate(scope.service(_EVENTS), "5m"), unit="reqps"),
        _stat("Events that fail", f"{failing} or vector(0)", unit="percentunit", steps=(0.001, 0.01)),
        _stat(
            "95 % of events within", quantile(0.95, scope.service(_SECONDS), "5m"), unit="s", steps=(3, 10)
        ),
        _stat("Builds running", f"sum({scope.ours('kube_job_status_active', building)}) or vector(0)"),
        _stat("Functions", f"max({functions})"),
        _stat("Dead letters", dead_letters(scope), steps=(1, scope.dead_letters)),
    )


def _stat(
    title: str, expr: str, *, unit: str = "short", steps: tuple[float, ...] = (), good_above: bool = False
) -> Panel:
    return Panel(
        title=title,
        queries=(Query(expr),),
        unit=unit,
        kind="stat",
        width=3,
        steps=steps,
        good_above=good_above,
    )


def _events(scope: Scope) -> tuple[Panel, ...]:
    buckets = scope.service(_SECONDS)
    return (
        Panel(
            title="Events by type",
            queries=(Query(f"{rate(scope.service(_EVENTS), NOW, 'event_type')} > 0", "{{event_type}}"),),
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title="Events by outcome",
            description="Refused: the sender's fault. Limited: beyond its rate. Failed: our fault.",
            queries=(Query(rate(scope.service(_EVENTS), NOW, "outcome"), "{{outcome}}"),),
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title="Time until the answer",
            queries=tuple(
                Query(quantile(level, buckets, NOW), f"{100 * level:g} %") for level in (0.5, 0.95, 0.99)
            ),
            unit="s",
            steps=(3, 10),
        ),
    )


def _errors(scope: Scope) -> tuple[Panel, ...]:
    posted = scope.service("http_requests_total", 'method="POST"')
    return (
        Panel(
            title="Requests by status",
            queries=(Query(rate(posted, NOW, "status"), "{{status}}"),),
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title="Errors by type",
            queries=(Query(rate(scope.service("errors_total"), NOW, "error_type"), "{{error_type}}"),),
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title="Repeated, timed out, beyond a rate",
            description="Had been carried out before; not done in time; more than may be asked for.",
            queries=(
                Query(rate(scope.service("duplicate_events_skipped_total"), NOW), "skipped as duplicates"),
                Query(rate(scope.service("knative_lambda_event_timeouts_total"), NOW), "timed out"),
                Query(
                    rate(scope.service("rate_limit_rejected_total"), NOW, "limit_type"),
                    "beyond the rate: {{limit_type}}",
                ),
            ),
            unit="reqps",
        ),
    )


def _service(scope: Scope) -> tuple[Panel, ...]:
    restarts = scope.ours("kube_pod_container_status_restarts_total")
    return (
        Panel(
            title="Queue",
            queries=(
                Query(f"sum({scope.service('async_job_queue_depth')})", "waiting"),
                Query(f"sum({scope.service('async_jobs_active')})", "worked on"),
                Query(f"sum({scope.service('knative_lambda_queue_limit')})", "limit"),
            ),
        ),
        common.cores(scope, SERVICE_PODS, "pod"),
        common.memory(scope, SERVICE_PODS, "pod"),
        Panel(
            title="Dependencies",
            description="1: answered when readiness was last asked for.",
            queries=(
                Query(
                    f"min by (dependency) ({scope.service('knative_lambda_dependency_up')})", "{{dependency}}"
                ),
            ),
        ),
        Panel(
            title="Versions",
            queries=(
                Query(f"count by (version) ({scope.service('knative_lambda_build_info')})", "{{version}}"),
            ),
            stacked=True,
        ),
        Panel(
            title="Restarts in an hour",
            queries=(
                Query(
                    f"{increase(restarts, '1h', 'pod')} > 0",
                    "{{pod}}",
                ),
            ),
        ),
    )
