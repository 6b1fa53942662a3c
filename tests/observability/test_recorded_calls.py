"""Calls of functions are counted in full, however short an instance lives."""

import pytest

from components.manifests.observability.objectives import CALLS, calls_rule
from tests.observability.conftest import SCOPE, RunPromtool


@pytest.mark.parametrize(
    ("instances", "calls"),
    [
        pytest.param(["0+1x50 50x20"], 50, id="one that stays"),
        pytest.param(["_x7 5 stale"], 5, id="scraped once"),
        pytest.param(["_x7 3 5 5 stale", "_x9 2 stale", "_x31 0 4x3 stale"], 11, id="come and go"),
        pytest.param(["0x5 7x12 stale", "_x20 1+1x9 10x3 stale"], 17, id="called at last"),
    ],
)
def test_an_hour_of_calls_is_recorded_in_full(
    instances: list[str], calls: int, run_promtool: RunPromtool
) -> None:
    labels = 'namespace="knative-lambda-dev",function="f",status="success"'
    series = [
        {"series": f'knative_lambda_function_invocations_total{{{labels},pod="{pod}"}}', "values": values}
        for pod, values in enumerate(instances)
    ]
    counted = {
        "expr": f"sum(sum_over_time({CALLS}[1h:5m]))",
        "eval_time": "60m",
        "exp_samples": [{"labels": "{}", "value": calls}],
    }

    test = {"interval": "1m", "input_series": series, "promql_expr_test": [counted]}
    assert run_promtool([calls_rule(SCOPE)], test) == ""
