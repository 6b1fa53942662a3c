"""Whether promises are kept: for each objective what is left of its budget, and how fast that goes."""

from components.manifests.observability.objectives import (
    BUDGET,
    PERIOD,
    URGENCIES,
    Objective,
    budget_left,
    objectives,
    ratio,
)
from components.manifests.observability.panels import Dashboard, Panel, Query, Row
from components.manifests.observability.scope import Scope


def plan(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        key="slo",
        title="Objectives",
        rows=tuple(
            Row(f"{promise.title}: {promise.percent:g} %", _panels(scope, promise))
            for promise in objectives(scope)
        ),
    )


def _panels(scope: Scope, promise: Objective) -> tuple[Panel, ...]:
    slo = f'slo="{promise.name}"'
    allowed = scope.ours(BUDGET, slo)
    longs = [burn.long for urgency in URGENCIES for burn in urgency.burns]
    return (
        Panel(
            title=f"Budget left of {PERIOD}",
            description="Below 0 the promise is broken. An hour counts the same whatever happened in it.",
            queries=(Query(budget_left(promise, scope.namespace)),),
            unit="percentunit",
            kind="stat",
            steps=(0, 0.25),
            good_above=True,
            width=4,
        ),
        Panel(
            title="Share that fails",
            queries=(
                Query(scope.ours(ratio("1h"), slo), "over an hour"),
                Query(allowed, "allowed"),
            ),
            unit="percentunit",
            width=10,
        ),
        Panel(
            title="Burn rate",
            description="1 uses the budget up in exactly its period; alerts begin at 14.4, 6, 3 and 1.",
            queries=tuple(
                Query(f"{scope.ours(ratio(window), slo)} / on (namespace, slo) {allowed}", f"over {window}")
                for window in longs
            ),
            width=10,
            steps=(1, 14.4),
        ),
    )
