"""Every query, of rules and dashboards alike, selects series that there are, by labels that they can have."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from components.manifests.observability.config_maps import PLANS, config_maps
from components.manifests.observability.panels import LOKI
from components.manifests.observability.rules import groups
from components.manifests.observability.scope import FUNCTIONS_JOB
from tests.observability.conftest import SCOPE
from tests.observability.exposed import FOREIGN, TARGET_LABELS, Series, labels
from tests.observability.promql import Selector, filled, selectors

RULES = [rule for group in groups(SCOPE) for rule in group["rules"]]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
"""What rules record."""

RECORDED_LABELS = {"namespace", "slo", "function", "status"}


def dashboard_queries() -> list[tuple[str, str, str]]:
    """Return (where it is, its data source, the query) of all targets of all panels."""
    found = []
    for key, manifest in config_maps(SCOPE, "ns", {}).items():
        (text,) = manifest["data"].values()
        for panel in json.loads(text)["panels"]:
            for target in panel.get("targets", []):
                where = f"{key}: {panel['title']}: {target['refId']}"
                found.append((where, target["datasource"]["type"], target["expr"]))
    return found


def promql() -> list[tuple[str, str]]:
    rules = [
        (rule.get("alert") or f"{rule['record']} {rule.get('labels', '')}", rule["expr"]) for rule in RULES
    ]
    return rules + [(where, query) for where, source, query in dashboard_queries() if source != LOKI]


QUERIES = [pytest.param(query, id=where) for where, query in promql()]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_selects_what_somebody_exposes_by_labels_that_it_has(
    query: str, service_series: Series, function_series: Series
) -> None:
    found = selectors(query)

    assert found or query.startswith("vector(")
    for selector in found:
        assert problem(selector, service_series, function_series) == ""


def problem(selector: Selector, service: Series, function: Series) -> str:
    """Return why a selector can never select anything; empty if it can."""
    metric = selector.metric
    wanted = {matcher.label for matcher in selector.matchers}
    if metric in FOREIGN or metric in RECORDED:
        known = FOREIGN.get(metric, RECORDED_LABELS)
        return "" if wanted <= known else f"{metric} has no label {wanted - known}"
    ours = function if metric.startswith("knative_lambda_function_") else service
    if metric not in ours:
        return f"{metric} is exposed by nobody"
    target = {"namespace": "knative-lambda-dev", "job": _job(ours is service), "pod": "p", "function": "f"}
    if any(selector.takes({**given, **target}) for given in labels(ours, metric)):
        return ""
    return f"no series of {metric} can have {selector.matchers}"


def _job(is_service: bool) -> str:
    return "knative-lambda-builder" if is_service else f"knative-lambda-dev/{FUNCTIONS_JOB}"


@pytest.mark.parametrize("query", QUERIES)
def test_every_value_that_a_query_lists_can_be_emitted(
    query: str, service_series: Series, function_series: Series
) -> None:
    """A filter for `failure` where the code says `failed` never selects anything (contract, 11.3)."""
    for selector in selectors(query):
        ours = function_series if selector.metric.startswith("knative_lambda_function_") else service_series
        for matcher in selector.matchers:
            if selector.metric not in ours or matcher.label in TARGET_LABELS:
                continue
            emitted = {given.get(matcher.label, "") for given in labels(ours, selector.metric)}
            for value in alternatives(matcher.value) if "~" in matcher.operator else [matcher.value]:
                assert any(re.fullmatch(value, text) for text in emitted), f"{value} is none of {emitted}"


def alternatives(pattern: str) -> list[str]:
    """Return what a regular expression lists, each as one of its own."""
    return re.split(r"\|(?![^(]*\))", pattern)


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_keeps_to_its_environment(query: str) -> None:
    """One Prometheus may watch several: no query may add up what belongs to another."""
    for selector in selectors(query):
        assert selector.value("namespace") in {"knative-lambda-dev", "rabbitmq-dev"} or (
            selector.value("environment") == "dev"
        )


@pytest.mark.parametrize("query", QUERIES)
def test_what_everybody_calls_by_one_name_is_asked_of_the_service(query: str) -> None:
    for selector in selectors(query):
        if selector.metric.startswith(("http_", "errors_", "async_", "build", "cloudevents_")):
            assert selector.value("job") == "knative-lambda-builder"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param('no_such_metric{namespace="knative-lambda-dev"}', "exposed by nobody", id="metric"),
        pytest.param('builds_total{status="failure"}', "no series", id="value"),
        pytest.param('kube_job_status_active{job="x"}', "has no label", id="label"),
    ],
)
def test_these_tests_find_what_they_look_for(
    text: str, reason: str, service_series: Series, function_series: Series
) -> None:
    (selector,) = selectors(text)

    assert reason in problem(selector, service_series, function_series)


def test_every_foreign_metric_that_is_allowed_is_asked_for() -> None:
    asked = {selector.metric for _, query in promql() for selector in selectors(query)}

    assert set(FOREIGN) <= asked


def test_prometheus_itself_takes_all_queries(promtool: str, tmp_path: Path) -> None:
    asked = []
    for number, (_, query) in enumerate(promql()):
        asked.append({"record": f"query:{number}", "expr": filled(query)})
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))

    checked = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("queue", "is_dead"),
    [
        pytest.param("knative-lambda-dev.lambda-a-b.1f0c", False, id="trigger"),
        pytest.param("lambda-events-dev", False, id="publishers"),
        pytest.param("t.knative-lambda-dev.lambda-a-b1f0c", True, id="trigger-dead"),
        pytest.param("lambda-dlq-queue-dev", True, id="last"),
    ],
)
def test_each_queue_of_the_environment_is_watched_as_what_it_is(queue: str, is_dead: bool) -> None:
    waiting, dead = (
        selectors(SCOPE.broker("q", pattern))[0].takes({"namespace": "rabbitmq-dev", "queue": queue})
        for pattern in (SCOPE.trigger_queues, SCOPE.dead_letter_queues)
    )

    assert (waiting, dead) == (not is_dead, is_dead)


@pytest.mark.parametrize("queue", ["knative-lambda-stg.x.1", "knative-lambda-devil.x.1", "other"])
def test_queues_of_others_are_not_watched(queue: str) -> None:
    for pattern in (SCOPE.trigger_queues, SCOPE.dead_letter_queues):
        (selector,) = selectors(SCOPE.broker("q", pattern))
        assert not selector.takes({"namespace": "rabbitmq-dev", "queue": queue})


def test_logs_are_asked_for_by_fields_that_are_written() -> None:
    asked = [query for _, source, query in dashboard_queries() if source == LOKI]
    written = (Path(__file__).parents[2] / "docs" / "logging.md").read_text()

    assert len(asked) == 2 * 4
    for query in asked:
        assert '{namespace="knative-lambda-dev", pod=~"' in query
        assert "| json |" in query
        for field in re.findall(r"by \(([^)]*)\)", query):
            assert all(f"`{name}`" in written for name in field.split(", "))


def test_there_is_a_dashboard_for_each_subject() -> None:
    assert [plan(SCOPE).key for plan in PLANS] == [
        "overview",
        "builds",
        "functions",
        "dead-letters",
        "slo",
        "cost",
    ]
