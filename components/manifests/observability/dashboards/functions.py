"""How functions fare: calls, errors, durations, cold starts, what they use."""

from components.manifests.observability.alerts.functions import CALLS, FAILED_CALLS
from components.manifests.observability.dashboards import common
from components.manifests.observability.dashboards.common import NOW
from components.manifests.observability.panels import Dashboard, Panel, Query, Row
from components.manifests.observability.scope import FUNCTION_PODS, Scope, quantile, rate, share, total

_MOST = 10
"""Functions that a panel shows."""

_SECONDS = "knative_lambda_function_duration_seconds"
_STARTED = "knative_lambda_function_cold_start_seconds"
_STARTS = "knative_lambda_function_start_duration_seconds_bucket"


def plan(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        key="functions",
        title="Functions",
        rows=(
            Row("Calls", _calls(scope)),
            Row("Starts and instances", _instances(scope)),
            Row("Pods", (_cores(scope), common.memory(scope, FUNCTION_PODS, "pod", width=12))),
            Row("Logs", common.logs(scope, FUNCTION_PODS, "functions", message="message")),
        ),
    )


def _calls(scope: Scope) -> tuple[Panel, ...]:
    calls = total(scope.ours(CALLS), "function")
    failed = total(scope.ours(CALLS, FAILED_CALLS), "function")
    errors = rate(scope.ours("knative_lambda_function_errors_total"), NOW, "error_type")
    return (
        Panel(
            title=f"Calls, the {_MOST} functions with most",
            description="Over five minutes, the first calls of an instance included.",
            queries=(Query(f"topk({_MOST}, {calls} / 300 > 0)", "{{function}}"),),
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title=f"Share of calls that fail, the {_MOST} worst functions",
            queries=(Query(f"topk({_MOST}, {share(failed, calls)})", "{{function}}"),),
            unit="percentunit",
            steps=(0.01,),
        ),
        Panel(title="Errors by type", queries=(Query(errors, "{{error_type}}"),), unit="reqps", stacked=True),
        Panel(
            title=f"95 % of calls within, the {_MOST} slowest functions",
            queries=(
                Query(
                    f"topk({_MOST}, {quantile(0.95, scope.ours(f'{_SECONDS}_bucket'), NOW, 'function')})",
                    "{{function}}",
                ),
            ),
            unit="s",
            width=12,
        ),
        Panel(
            title="Calls that are running",
            queries=(
                Query(total(scope.ours("knative_lambda_function_in_flight"), "function"), "{{function}}"),
            ),
            width=12,
            stacked=True,
        ),
    )


def _instances(scope: Scope) -> tuple[Panel, ...]:
    started = scope.ours(_STARTED)
    fresh = f"count by (function) (present_over_time({started}[1h]) unless {started} offset 1h)"
    running = scope.ours("kube_pod_status_phase", f'pod=~"{FUNCTION_PODS}"', 'phase="Running"')
    waiting = scope.ours("kube_pod_status_phase", f'pod=~"{FUNCTION_PODS}"', 'phase="Pending"')
    used, most = (
        scope.ours("kube_resourcequota", 'resource="count/services.serving.knative.dev"', f'type="{kind}"')
        for kind in ("used", "hard")
    )
    return (
        Panel(
            title="Cold starts in an hour",
            queries=(Query(fresh, "{{function}}"),),
            stacked=True,
            width=6,
        ),
        Panel(
            title="Longest start, from the process to its first request",
            queries=(Query(f"max by (function) ({started})", "{{function}}"),),
            unit="s",
            steps=(10,),
            width=6,
        ),
        Panel(
            title="Instances",
            queries=(
                Query(f"sum({running}) or vector(0)", "running"),
                Query(f"sum({waiting}) or vector(0)", "waiting for a node or an image"),
            ),
            width=6,
        ),
        Panel(
            title="Functions",
            queries=(Query(f"max({used})", "functions"), Query(f"max({most})", "room for")),
            width=6,
        ),
        Panel(
            title="Cold starts: half and 95 % within, over an hour",
            description="From the process to readiness and to the first call; every instance counts once.",
            queries=tuple(
                Query(_started_within(scope, part, until), f"{part:.0%} {until.replace('_', ' ')}")
                for until in ("ready", "first_call")
                for part in (0.5, 0.95)
            ),
            unit="s",
            width=24,
        ),
    )


def _started_within(scope: Scope, part: float, until: str) -> str:
    """An instance's histogram holds its one start from the first scrape on, which `rate` would miss."""
    seen = scope.ours(_STARTS, f'until="{until}"')
    return f"histogram_quantile({part}, sum by (le) (max_over_time({seen}[1h])))"


def _cores(scope: Scope) -> Panel:
    return common.cores(scope, FUNCTION_PODS, "pod", width=12)
