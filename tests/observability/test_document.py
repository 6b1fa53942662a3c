"""docs/observability.md says what there is: metrics, objectives, alerts with a runbook each."""

import re
from pathlib import Path

import pytest

from components.manifests.observability.alert import Alert
from components.manifests.observability.objectives import (
    URGENCIES,
    WINDOWS,
    Objective,
    objectives,
    ratio,
    requests,
)
from components.manifests.observability.rules import alerts
from tests.observability.conftest import SCOPE
from tests.observability.exposed import Series, labels

TEXT = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()
SUFFIX = re.compile(r"_(bucket|sum|count)$")


def part(title: str) -> str:
    """Return what is below a heading, up to the next of its level or a higher one."""
    level = title.partition(" ")[0]
    found = re.search(
        rf"^{re.escape(title)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", TEXT, re.DOTALL | re.MULTILINE
    )
    assert found, title
    return found[1]


def documented(title: str) -> dict[str, set[str]]:
    """Return the labels of each metric in the table below a heading."""
    rows = re.findall(r"^\| `(\w+)` \| \w+ \|([^|]*)\|", part(title), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", cell)) for name, cell in rows}


def exposed(series: Series, ignored: str = "-") -> dict[str, set[str]]:
    """Return the labels of each metric that is exposed, unless its name begins with what is ignored."""
    found: dict[str, set[str]] = {}
    for name in series:
        if not name.startswith(ignored) and not name.endswith("_created"):
            names = {label for given in labels(series, name) for label in given}
            found.setdefault(SUFFIX.sub("", name), set()).update(names - {"le"})
    return found


def test_the_table_of_the_services_metrics_is_what_the_service_exposes(service_series: Series) -> None:
    assert documented("### The automation service") == exposed(service_series, "process_")


def test_the_table_of_a_functions_metrics_is_what_a_function_exposes(function_series: Series) -> None:
    found = exposed(function_series)

    assert all({"function", "namespace"} <= names for names in found.values())
    assert documented("### A function") == {
        name: names - {"function", "namespace"} for name, names in found.items()
    }


def test_what_is_recorded_is_listed() -> None:
    listed = part("### Recorded")

    for name in (*map(ratio, WINDOWS), *(requests(urgency.guard) for urgency in URGENCIES)):
        window = re.split(r"[_e]", name)[-1]
        assert f"`{name}`" in listed or f"`{window}`" in listed


@pytest.mark.parametrize("promise", objectives(SCOPE), ids=lambda promise: promise.name)
def test_every_objective_is_listed_with_its_share(promise: Objective) -> None:
    (row,) = re.findall(rf"^\| `{promise.name}` \| (.*?) \|", part("## Objectives"), re.MULTILINE)

    assert row.startswith(f"{promise.percent:g} %")


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    headings = re.findall(r"^### (\w+)$", part("## Alerts"), re.MULTILINE)

    assert headings == list(dict.fromkeys(alert.name for alert in alerts(SCOPE)))


@pytest.mark.parametrize("alert", alerts(SCOPE), ids=lambda alert: f"{alert.name} {alert.severity}")
def test_a_runbook_says_how_urgent_it_is_and_what_to_do(alert: Alert) -> None:
    said = part(f"### {alert.name}")
    time = "at once" if alert.lasts == "0m" else f"after {alert.lasts.removesuffix('m')} min"

    assert f"{alert.severity}, {time}" in " ".join(said.split())
    assert "\n- " in said


def test_links_within_the_document_lead_somewhere() -> None:
    headings = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}

    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= headings
