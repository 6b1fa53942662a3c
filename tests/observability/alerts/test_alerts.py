"""Each alert fires when it should, tells what it should, and is silent otherwise: tried with promtool.

The cases are in the YAML files beside this module:

    alert     its name
    severity  which of several of one name; left out where there is one
    case      what is going on
    series    by series: its values, a minute (or `interval`) each, in promtool's notation; a series with
              `1..3` in its name stands for three
    at        when to look
    fires     the texts of the alerts that fire; an empty list: silent
    labels    of those alerts, besides what all have
"""

import re
import string
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.manifests.observability.rules import alerts, groups
from tests.observability.conftest import SCOPE, RunPromtool

PLACES = {
    "ours": 'namespace="knative-lambda-dev"',
    "service": 'namespace="knative-lambda-dev",job="knative-lambda-builder"',
    "rabbitmq": 'namespace="rabbitmq-dev"',
    "dead_letters": 'namespace="knative-lambda-dev",job="knative-lambda-dlq-handler"',
}
"""What `$name` stands for in the cases' series."""

SEVERITIES = {(alert.name, alert.severity) for alert in alerts(SCOPE)}


def cases() -> list[dict[str, Any]]:
    """Return the cases of all files; values as they are written, `0x10` is no number here."""
    texts = [file.read_text() for file in sorted(Path(__file__).parent.glob("*.yaml"))]
    found = [case for text in texts for case in yaml.load(text, yaml.BaseLoader)]
    return [{"severity": severity(case), **case} for case in found]


def severity(case: dict[str, Any]) -> str:
    """Return the severity of a case's alert, which goes without saying where there is but one."""
    levels = {level for name, level in SEVERITIES if name == case["alert"]}
    return str(case.get("severity") or next(iter(levels), ""))


CASES = cases()


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{c['alert']}: {c['case']}") for c in CASES])
def test_an_alert(case: dict[str, Any], run_promtool: RunPromtool) -> None:
    assert run_promtool(rules_of(case), promtools(case)) == ""


def rules_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rule of a case's alert after those that record what it asks for.

    promtool tells alerts of one name apart by nothing, and runs through days the faster the fewer rules.
    """
    recorded, watched = (group["rules"] for group in groups(SCOPE))
    wanted = (case["alert"], case["severity"])
    (alert,) = (rule for rule in watched if (rule["alert"], rule["labels"]["severity"]) == wanted)
    alert["annotations"].pop("runbook_url")
    slo = [rule for rule in recorded if f'slo="{rule.get("labels", {}).get("slo")}"' in alert["expr"]]
    calls = [rule for rule in recorded if any(rule["record"] in user["expr"] for user in [alert, *slo])]
    return [*(rule for rule in calls if rule not in slo), *slo, alert]


def promtools(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case as promtool takes it."""
    return {
        "name": case["case"],
        "interval": case.get("interval", "1m"),
        "input_series": [
            {"series": string.Template(each).substitute(PLACES), "values": values}
            for series, values in case["series"].items()
            for each in expanded(series)
        ],
        "alert_rule_test": [
            {
                "alertname": case["alert"],
                "eval_time": case["at"],
                "exp_alerts": [expected(case, text) for text in case["fires"]],
            }
        ],
    }


def expanded(series: str) -> list[str]:
    """Return a series for each number of a range in its name; itself if there is none."""
    found = re.search(r"(\d+)\.\.(\d+)", series)
    if not found:
        return [series]
    numbers = range(int(found[1]), int(found[2]) + 1)
    return [series[: found.start()] + str(number) + series[found.end() :] for number in numbers]


def expected(case: dict[str, Any], text: str) -> dict[str, Any]:
    """Return an alert that is to fire."""
    everywhere = {"severity": case["severity"], "platform": "knative-lambda", "environment": "dev"}
    return {"exp_labels": {**everywhere, **case.get("labels", {})}, "exp_annotations": {"summary": text}}


@pytest.mark.parametrize(("name", "level"), sorted(SEVERITIES))
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent(
    name: str, level: str
) -> None:
    ends = {bool(case["fires"]) for case in CASES if (case["alert"], case["severity"]) == (name, level)}

    assert ends == {True, False}


def test_every_case_is_of_an_alert_that_there_is() -> None:
    assert {(case["alert"], case["severity"]) for case in CASES} <= SEVERITIES
