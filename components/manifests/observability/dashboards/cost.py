"""What an environment costs: what its pods hold of the cluster, times prices that the reader sets."""

from components.manifests.observability.alerts.functions import CALLS
from components.manifests.observability.dashboards.common import NOW
from components.manifests.observability.panels import Dashboard, Panel, Query, Row
from components.manifests.observability.scope import (
    BUILD_PODS,
    CONTAINERS,
    DISPATCHER_PODS,
    FUNCTION_PODS,
    SERVICE_PODS,
    Scope,
)

HOURS_IN_A_MONTH = 730
PRICES = {
    "core_hour": ("US$ for a core, an hour", "0.0405"),
    "gib_hour": ("US$ for a GiB, an hour", "0.0045"),
}
"""AWS Fargate's on-demand prices in us-west-2, rounded up: an upper bound for nodes of one's own."""

PARTS = {
    "functions": FUNCTION_PODS,
    "builds": BUILD_PODS,
    "automation service": SERVICE_PODS,
    "delivery": DISPATCHER_PODS,
}
_ALL = ".+"
_GIB = 2**30


def plan(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        key="cost",
        title="Cost",
        inputs=PRICES,
        rows=(
            Row("Cost", _costs(scope)),
            Row("What is held and what is used", _use(scope)),
            Row("Quota", _quota(scope)),
        ),
    )


def requested(scope: Scope, pods: str, resource: str) -> str:
    """Return PromQL of what running pods are guaranteed, in cores or bytes."""
    asked = scope.ours("kube_pod_container_resource_requests", f'pod=~"{pods}"', f'resource="{resource}"')
    running = scope.ours("kube_pod_status_phase", 'phase="Running"')
    return f"sum({asked} and on (pod) ({running} == 1))"


def hourly(scope: Scope, pods: str) -> str:
    """Return PromQL of what running pods cost, in US dollars an hour."""
    cores, memory = requested(scope, pods, "cpu"), requested(scope, pods, "memory")
    return f"({cores} * $core_hour + {memory} / {_GIB} * $gib_hour)"


def _costs(scope: Scope) -> tuple[Panel, ...]:
    per_call = f"1000 * avg_over_time({hourly(scope, FUNCTION_PODS)}[1h:5m])"
    calls = f"sum(sum_over_time({scope.ours(CALLS)}[1h:5m]))"
    return (
        Panel(
            title="A month at this rate",
            description="What running pods are guaranteed; not storage, traffic, RabbitMQ or control planes.",
            queries=(Query(f"{HOURS_IN_A_MONTH} * {hourly(scope, _ALL)}"),),
            unit="currencyUSD",
            kind="stat",
            width=4,
        ),
        Panel(
            title="1000 calls of functions",
            queries=(Query(f"{per_call} / ({calls} > 0)"),),
            unit="currencyUSD",
            kind="stat",
            width=4,
        ),
        Panel(
            title="Cost an hour, by part",
            queries=tuple(Query(f"{hourly(scope, pods)} or vector(0)", part) for part, pods in PARTS.items()),
            unit="currencyUSD",
            stacked=True,
            width=16,
        ),
    )


def _use(scope: Scope) -> tuple[Panel, ...]:
    cores = scope.ours("container_cpu_usage_seconds_total", CONTAINERS)
    memory = scope.ours("container_memory_working_set_bytes", CONTAINERS)
    built = scope.ours("container_cpu_usage_seconds_total", 'container="kaniko"')
    return (
        Panel(
            title="Cores",
            queries=(
                Query(requested(scope, _ALL, "cpu"), "held"),
                Query(f"sum(rate({cores}[{NOW}]))", "used"),
            ),
        ),
        Panel(
            title="Memory",
            queries=(
                Query(requested(scope, _ALL, "memory"), "held"),
                Query(f"sum({memory})", "used"),
            ),
            unit="bytes",
        ),
        Panel(
            title="CPU of builds",
            description="Seconds of CPU, each second.",
            queries=(Query(f"sum(rate({built}[{NOW}])) or vector(0)", "executors"),),
        ),
    )


def _quota(scope: Scope) -> tuple[Panel, ...]:
    used, hard = (scope.ours("kube_resourcequota", f'type="{kind}"') for kind in ("used", "hard"))
    return (
        Panel(
            title="Used of the quota",
            queries=(Query(f"max by (resource) ({used}) / max by (resource) ({hard} > 0)", "{{resource}}"),),
            unit="percentunit",
            kind="bargauge",
            steps=(0.8, 0.95),
            width=24,
        ),
    )
