"""What is promised to users, and alerts on how fast the error budget of a promise is used up.

An alert fires when a long window says that it matters and a short one that it still goes on, as the SRE
Workbook has it (sre.google/workbook/alerting-on-slos, "Multiwindow, Multi-Burn-Rate Alerts"): a threshold on
an error rate alone either wakes people for nothing or sleeps through a slow fire.
"""

from dataclasses import dataclass
from typing import Final

from components.manifests.metadata import Manifest
from components.manifests.observability.alert import CRITICAL, WARNING, Alert
from components.manifests.observability.alerts.builds import USERS_FAULTS
from components.manifests.observability.alerts.functions import CALLS, FAILED_CALLS
from components.manifests.observability.scope import (
    ACCEPTED,
    FAILED,
    Scope,
    bound,
    increase,
    increase_since_birth,
    selector,
)

WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""Over which failed and all requests are counted."""

PERIOD: Final = "30d"
"""For which a budget holds."""

BUDGET: Final = "knative_lambda:slo_errors:budget"
"""Name under which the share that may fail is recorded."""

_FEW: Final = 10
"""Requests in the guard's window below which nobody is called: one failure of two would use up any budget."""


@dataclass(frozen=True)
class Burn:
    """A speed at which a budget is used up; 1 uses it up in exactly the period."""

    speed: float
    long: str
    short: str


@dataclass(frozen=True)
class Urgency:
    """What one severity looks at: its speeds, and the window in which there must have been some requests."""

    severity: str
    burns: tuple[Burn, ...]
    guard: str


URGENCIES: Final = (
    Urgency(CRITICAL, (Burn(14.4, "1h", "5m"), Burn(6, "6h", "30m")), "1h"),
    Urgency(WARNING, (Burn(3, "1d", "2h"), Burn(1, "3d", "6h")), "1d"),
)
"""2 % of a budget in an hour or 5 % in six call a person now; 10 % in one to three days, in working hours."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A promise: which share of what succeeds."""

    name: str
    """Label `slo` of what is recorded for it."""
    alert: str
    """Name of its alerts."""
    title: str
    percent: float
    failed: dict[str, str]
    """PromQL by window: how many failed, with no label but `namespace`."""
    all: dict[str, str]
    """The same: how many there were."""

    @property
    def budget(self) -> float:
        """Return the share that may fail."""
        return round(1 - self.percent / 100, 6)


def objectives(scope: Scope) -> list[Objective]:
    """Return them. Events are the platform's own; builds count unless their code was at fault."""
    return [_availability(scope), _latency(scope), _builds(scope), _functions(scope)]


def _availability(scope: Scope) -> Objective:
    events = "knative_lambda_events_total"
    return Objective(
        name="events-availability",
        alert="EventsAvailabilityBudgetBurn",
        title="Events do not fail",
        percent=scope.availability_percent,
        failed=_counted(scope.service(events, FAILED)),
        all=_counted(scope.service(events, ACCEPTED)),
    )


def _latency(scope: Scope) -> Objective:
    """Contract, section 6: event p95 below 3 s."""
    seconds = "knative_lambda_event_processing_time_seconds"
    within = _counted(scope.service(f"{seconds}_bucket", bound(3)))
    every = _counted(scope.service(f"{seconds}_count"))
    return Objective(
        name="events-latency",
        alert="EventsLatencyBudgetBurn",
        title="Events are answered within 3 s",
        percent=95,
        failed={window: f"{every[window]} - {within[window]}" for window in WINDOWS},
        all=every,
    )


def _builds(scope: Scope) -> Objective:
    """Contract, section 6: a failure rate of 5 %."""
    theirs = "|".join(USERS_FAULTS)
    users = _counted(scope.service("build_failures_total", f'reason=~"{theirs}"'))
    ended = _counted(scope.service("builds_total"))
    return Objective(
        name="builds",
        alert="BuildsBudgetBurn",
        title="Builds succeed, unless their code is at fault",
        percent=95,
        failed=_counted(scope.service("build_failures_total", f'reason!~"{theirs}"')),
        all={window: f"{ended[window]} - {users[window]}" for window in WINDOWS},
    )


def _functions(scope: Scope) -> Objective:
    """Contract, section 6: function errors below 1 %."""
    return Objective(
        name="functions",
        alert="FunctionsBudgetBurn",
        title="Calls of functions succeed",
        percent=99,
        failed=_summed(scope.ours(CALLS, FAILED_CALLS)),
        all=_summed(scope.ours(CALLS)),
    )


def _counted(series: str) -> dict[str, str]:
    return {window: increase(series, window, "namespace") for window in WINDOWS}


def _summed(recorded: str) -> dict[str, str]:
    """Return sums of what is recorded for five minutes each."""
    return {
        window: f"sum by (namespace) (sum_over_time({recorded}[{window}:5m]))"
        if window != "5m"
        else f"sum by (namespace) ({recorded})"
        for window in WINDOWS
    }


def ratio(window: str) -> str:
    """Return the name under which the share of failures over a window is recorded."""
    return f"knative_lambda:slo_errors:ratio_{window}"


def requests(window: str) -> str:
    """Return the name under which the number of requests in a guard's window is recorded."""
    return f"knative_lambda:slo_requests:increase{window}"


def calls_rule(scope: Scope) -> Manifest:
    """Return the rule that records the calls of functions, whose instances come and go."""
    calls = scope.ours("knative_lambda_function_invocations_total")
    return {
        "record": CALLS,
        "expr": increase_since_birth(calls, "5m", "namespace", "function", "status"),
    }


def recordings(scope: Scope, objective: Objective) -> list[Manifest]:
    """Return the rules that record an objective's share of failures for each window, and its requests."""
    labels = {"slo": objective.name}
    shares = [
        {
            "record": ratio(window),
            "expr": f"({objective.failed[window]}) / (({objective.all[window]}) > 0)",
            "labels": labels,
        }
        for window in WINDOWS
    ]
    guards = [
        {"record": requests(urgency.guard), "expr": objective.all[urgency.guard], "labels": labels}
        for urgency in URGENCIES
    ]
    allowed = {
        "record": BUDGET,
        "expr": f"vector({objective.budget:g})",
        "labels": {**labels, "namespace": scope.namespace},
    }
    return [*shares, *guards, allowed]


def burn_alerts(scope: Scope, objective: Objective) -> list[Alert]:
    """Return the alerts of an objective, one for each urgency."""
    return [_burn_alert(scope, objective, urgency) for urgency in URGENCIES]


def _burn_alert(scope: Scope, objective: Objective, urgency: Urgency) -> Alert:
    slo = f'slo="{objective.name}"'
    burning = " or ".join(
        "({} and {})".format(
            *(
                f"{scope.ours(ratio(window), slo)} > {burn.speed * objective.budget:g}"
                for window in (burn.long, burn.short)
            )
        )
        for burn in urgency.burns
    )
    return Alert(
        name=objective.alert,
        when=f"({burning}) and {scope.ours(requests(urgency.guard), slo)} >= {_FEW}",
        lasts="2m" if urgency.severity == CRITICAL else "15m",
        severity=urgency.severity,
        summary=f"{objective.title}: {{{{ $value | humanizePercentage }}}} do not;"
        f" the objective allows {100 * objective.budget:g} %.",
    )


def budget_left(objective: Objective, namespace: str) -> str:
    """Return PromQL of the share of the budget that is left in the period; below 0 the promise is broken."""
    recorded = selector(ratio("1h"), f'namespace="{namespace}"', f'slo="{objective.name}"')
    return f"1 - avg_over_time({recorded}[{PERIOD}]) / {objective.budget:g}"
