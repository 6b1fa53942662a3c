"""Panels that several dashboards have: what pods use, and what they write."""

from components.manifests.observability.panels import LOKI, Panel, Query
from components.manifests.observability.scope import CONTAINERS, Scope

NOW = "$__rate_interval"


def cores(scope: Scope, pods: str, by: str, *, width: int = 8) -> Panel:
    """Return the panel of the CPU that pods use; `pods` is a regular expression of their names."""
    used = scope.ours("container_cpu_usage_seconds_total", f'pod=~"{pods}"', CONTAINERS)
    return Panel(
        title="CPU used, in cores",
        queries=(Query(f"sum by ({by}) (rate({used}[{NOW}]))", f"{{{{{by}}}}}"),),
        width=width,
    )


def memory(scope: Scope, pods: str, by: str, *, width: int = 8) -> Panel:
    """Return the panel of the memory that pods use."""
    used = scope.ours("container_memory_working_set_bytes", f'pod=~"{pods}"', CONTAINERS)
    return Panel(
        title="Memory used",
        queries=(Query(f"sum by ({by}) ({used})", f"{{{{{by}}}}}"),),
        unit="bytes",
        width=width,
    )


def logs(scope: Scope, pods: str, whose: str, *, message: str = "msg") -> tuple[Panel, Panel]:
    """Return what pods have written from warnings on, counted by message and line by line.

    `message` is the field of the JSON line (docs/logging.md) that says what happened. Loki's labels are those
    that its agents set on every line of a pod: namespace, pod, container.
    """
    stream = f'{{namespace="{scope.namespace}", pod=~"{pods}"}}'
    bad = f'{stream} | json | level=~"warn|warning|error|critical"'
    counted = f"sum by (level, {message}) (count_over_time({bad} [$__auto]))"
    return (
        Panel(
            title=f"Warnings and errors of {whose}, by message",
            queries=(Query(counted, f"{{{{level}}}}: {{{{{message}}}}}"),),
            source=LOKI,
            stacked=True,
            width=24,
        ),
        Panel(
            title=f"Warnings and errors of {whose}",
            queries=(Query(bad),),
            kind="logs",
            source=LOKI,
            width=24,
        ),
    )
