"""Alerts about functions: errors, slowness, cold starts, drift. Those about calls name the function."""

from typing import Final

from components.manifests.observability.alert import Alert
from components.manifests.observability.scope import Scope, bound, increase, rate, share

CALLS: Final = "knative_lambda:function_calls:increase5m"
"""What `rules` records: calls of each function by their status, over five minutes."""

FAILED_CALLS: Final = 'status="error"'

_FEW: Final = 5
_SLOW_SECONDS: Final = 30
_COLD_START_SECONDS: Final = 10
_COLD_STARTS: Final = 50
"""In an hour, of all functions."""


def alerts(scope: Scope) -> list[Alert]:
    """Return them."""
    return [_errors(scope), _slow(scope), *_cold_starts(scope), *_drift(scope)]


def _errors(scope: Scope) -> Alert:
    failed = f"sum by (function) (sum_over_time({scope.ours(CALLS, FAILED_CALLS)}[10m:5m]))"
    calls = f"sum by (function) (sum_over_time({scope.ours(CALLS)}[10m:5m]))"
    return Alert(
        name="FunctionErrorRateHigh",
        when=f"{share(failed, calls)} > 0.01 and {failed} >= {_FEW}",
        lasts="5m",
        summary="{{ $value | humanizePercentage }} of calls of {{ $labels.function }} fail.",
    )


def _slow(scope: Scope) -> Alert:
    """Return the alert of a median beyond the last bucket, where a quantile is never more than its bound."""
    name = "knative_lambda_function_duration_seconds"
    within = rate(scope.ours(f"{name}_bucket", bound(_SLOW_SECONDS)), "10m", "function")
    return Alert(
        name="ParserConsistentlySlow",
        when=f"{share(within, rate(scope.ours(f'{name}_count'), '10m', 'function'))} < 0.5",
        lasts="10m",
        summary=f"Most calls of {{{{ $labels.function }}}} take longer than {_SLOW_SECONDS} seconds.",
    )


def _cold_starts(scope: Scope) -> list[Alert]:
    started = scope.ours("knative_lambda_function_cold_start_seconds")
    return [
        Alert(
            name="ColdStartsFrequent",
            # One series for each instance: those of this hour that were not there before it.
            when=f"count(present_over_time({started}[1h]) unless {started} offset 1h) > {_COLD_STARTS}",
            lasts="10m",
            summary="Functions were started {{ $value }} times within an hour.",
        ),
        Alert(
            name="FunctionColdStartSlow",
            when=f"max by (function) (max_over_time({started}[10m])) > {_COLD_START_SECONDS}",
            lasts="0m",
            summary="{{ $labels.function }} took {{ $value | humanizeDuration }} to start.",
        ),
    ]


def _drift(scope: Scope) -> list[Alert]:
    def looks(outcome: str) -> str:
        return increase(scope.service("knative_lambda_drift_checks_total", f'outcome="{outcome}"'), "30m")

    return [
        Alert(
            name="FunctionsDrifted",
            # What was healed was counted as drifted as well.
            when=f"{looks('drifted')} - {looks('healed')} >= 1",
            lasts="0m",
            summary="Functions are not as they were deployed: somebody has changed their objects.",
        ),
        Alert(
            name="DriftChecksFailing",
            when=f"{looks('failed')} >= 3",
            lasts="10m",
            summary="Functions cannot be looked at for drift, or not be healed.",
        ),
    ]
