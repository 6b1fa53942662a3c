"""Every panel shows something as soon as everybody exports what they do: evaluated by promtool.

What parses may still fail when it is asked, for series that match several others, or find nothing, for
labels that differ on two sides.
"""

import itertools
import json
from typing import Any

from components.manifests.observability.config_maps import config_maps
from components.manifests.observability.panels import LOKI
from components.manifests.observability.rules import groups
from tests.observability.conftest import SCOPE, RunPromtool
from tests.observability.exposed import FOREIGN, Series, labels
from tests.observability.promql import filled

EXAMPLES = {
    "alertstate": ("firing",),
    "container": ("service", "kaniko", "function"),
    "environment": ("dev",),
    "job": ("knative-lambda-builder", "knative-lambda-dlq-handler"),
    "job_name": ("kaniko-build-a-b-1",),
    "namespace": ("knative-lambda-dev", "rabbitmq-dev"),
    "phase": ("Running", "Pending"),
    "platform": ("knative-lambda",),
    "pod": (
        "knative-lambda-builder-1",
        "lambda-a-b-00001-deployment-1",
        "kaniko-build-a-b-1-x",
        "lambda-a-b-dispatcher-1",
    ),
    "queue": ("knative-lambda-dev.lambda-a-b.1f", "lambda-dlq-queue-dev"),
    "resource": ("cpu", "memory", "count/services.serving.knative.dev"),
    "type": ("used", "hard"),
}
"""What labels of others' metrics may hold; all combinations are made up."""

MINUTES = 120
YOUNG = f"_x60 1+1x{MINUTES - 60}"
"""A series that began an hour ago."""


ONE = {"labels": "{}", "value": 1}


def foreign() -> dict[str, str]:
    """Return series of others with their values."""
    return {
        written(metric, dict(zip(names, values, strict=True))): f"0+1x{MINUTES}"
        if metric.endswith("_total")
        else f"1x{MINUTES}"
        for metric, known in FOREIGN.items()
        for names in [sorted(known & EXAMPLES.keys())]
        for values in itertools.product(*(EXAMPLES[name] for name in names))
    }


def ours(given: Series, target: dict[str, str], values: str) -> dict[str, str]:
    """Return what was scraped as series of a target."""
    return {written(metric, {**each, **target}): values for metric in given for each in labels(given, metric)}


def written(metric: str, given: dict[str, str]) -> str:
    """Return a series as promtool takes it."""
    return f"{metric}{{{','.join(f'{name}={json.dumps(value)}' for name, value in given.items())}}}"


def queries() -> dict[str, str]:
    """Return the queries of all panels by where they are."""
    return {
        f"{key}: {panel['title']}: {target['refId']}: {panel['id']}": target["expr"]
        for key, manifest in config_maps(SCOPE, "ns", {}).items()
        for text in manifest["data"].values()
        for panel in json.loads(text)["panels"]
        for target in panel.get("targets", [])
        if target["datasource"]["type"] != LOKI
    }


def test_every_panel_shows_something(
    service_series: Series, function_series: Series, run_promtool: RunPromtool
) -> None:
    service = {"job": "knative-lambda-builder", "namespace": "knative-lambda-dev", "pod": "1"}
    function = {"namespace": "knative-lambda-dev", "function": "lambda-a-b"}
    given = {
        **foreign(),
        **ours(service_series, service, f"1+1x{MINUTES}"),
        # More builds than those that fail for each of the reasons.
        **ours({"builds_total": service_series["builds_total"]}, service, f"1+20x{MINUTES}"),
        **ours(function_series, {**function, "pod": "old"}, f"1+1x{MINUTES}"),
        **ours(function_series, {**function, "pod": "young"}, YOUNG),
    }
    recorded = list(groups(SCOPE)[0]["rules"])
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in given.items()],
        "promql_expr_test": [
            # As count gives no answer where there is nothing to count.
            {"expr": f"count({filled(query)}) > bool 0", "eval_time": "110m", "exp_samples": [ONE]}
            for query in queries().values()
        ],
    }

    complaints = run_promtool(recorded, test)
    silent = [line for line in complaints.splitlines() if "expr:" in line]
    assert silent == []
    assert complaints == ""
