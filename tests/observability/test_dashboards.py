"""Dashboards load in Grafana, and a reader can tell what is what."""

import json
from collections import Counter
from typing import Any

import pytest

from components.manifests.observability.config_maps import config_maps
from components.manifests.observability.panels import (
    COLUMNS,
    DATASOURCES,
    Dashboard,
    Panel,
    Query,
    Row,
    dashboard,
)
from tests.observability.conftest import SCOPE

UNITS = {"short", "s", "percentunit", "reqps", "bytes", "currencyUSD"}
"""grafana/grafana, packages/grafana-data/src/valueFormats/categories.ts."""

LOADED = {
    key: json.loads(next(iter(manifest["data"].values())))
    for key, manifest in config_maps(SCOPE, "ns", {}).items()
}
EACH = [pytest.param(model, id=key) for key, model in LOADED.items()]


def panels(model: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that show something."""
    return [panel for panel in model["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("model", EACH)
def test_panels_have_ids_of_their_own_and_do_not_overlap(model: dict[str, Any]) -> None:
    taken: Counter[tuple[int, int]] = Counter()
    for panel in model["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= COLUMNS
        for x in range(place["x"], place["x"] + place["w"]):
            taken.update((x, y) for y in range(place["y"], place["y"] + place["h"]))

    assert max(taken.values()) == 1
    ids = [panel["id"] for panel in model["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("model", EACH)
def test_every_panel_says_what_it_is_where_its_data_are_and_in_which_unit(model: dict[str, Any]) -> None:
    variables = {f"${{{variable['name']}}}" for variable in model["templating"]["list"]}
    titles = [panel["title"] for panel in panels(model)]

    assert all(titles)
    if model["uid"] != "knative-lambda-dev-slo":
        assert len(titles) == len(set(titles))
    for panel in panels(model):
        assert panel["targets"], panel["title"]
        assert panel["datasource"]["uid"] in variables
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert panel["type"] == "logs" or panel["fieldConfig"]["defaults"]["unit"] in UNITS
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters))


@pytest.mark.parametrize("model", EACH)
def test_series_of_one_panel_are_told_apart(model: dict[str, Any]) -> None:
    for panel in panels(model):
        if len(panel["targets"]) > 1:
            assert all(target["legendFormat"] != "__auto" for target in panel["targets"]), panel["title"]


@pytest.mark.parametrize("model", EACH)
def test_every_variable_that_a_query_uses_is_there(model: dict[str, Any]) -> None:
    given = {variable["name"] for variable in model["templating"]["list"]}
    text = json.dumps(model["panels"])

    assert {name for name in ("core_hour", "gib_hour") if f"${name}" in text} == given & {
        "core_hour",
        "gib_hour",
    }
    assert {name for name, uid in DATASOURCES.items() if uid in text} == {
        variable["query"] for variable in model["templating"]["list"] if variable["type"] == "datasource"
    }


@pytest.mark.parametrize("model", EACH)
def test_thresholds_begin_below_everything_and_rise(model: dict[str, Any]) -> None:
    """Grafana takes the first step for the base, whatever its value, and shows others as they come."""
    for panel in panels(model):
        if panel["type"] == "logs":
            continue
        first, *others = (step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"])
        assert first is None
        assert others == sorted(others)


def test_uids_tell_environments_apart_and_are_as_short_as_grafana_wants_them() -> None:
    uids = {model["uid"] for model in LOADED.values()}

    assert len(uids) == len(LOADED)
    assert all(len(uid) <= 40 and "-dev-" in uid for uid in uids)


def test_panels_flow_into_lines_and_rows_begin_below_the_highest_of_them() -> None:
    def panel(width: int, kind: Any = "timeseries") -> Panel:
        return Panel(title="p", queries=(Query("up"),), width=width, kind=kind)

    rows = (Row("first", (panel(4, "stat"), panel(16), panel(8))), Row("second", (panel(24, "stat"),)))
    model = dashboard("dev", Dashboard(key="k", title="t", rows=rows))

    places = [(each["type"], *(each["gridPos"][side] for side in "xywh")) for each in model["panels"]]
    assert places == [
        ("row", 0, 0, 24, 1),
        ("stat", 0, 1, 4, 4),
        ("timeseries", 4, 1, 16, 8),
        ("timeseries", 0, 9, 8, 8),
        ("row", 0, 17, 24, 1),
        ("stat", 0, 18, 24, 4),
    ]


def test_more_being_better_turns_the_colours_round() -> None:
    panel = Panel(title="p", queries=(Query("up"),), steps=(1,), good_above=True)
    model = dashboard("dev", Dashboard(key="k", title="t", rows=(Row("r", (panel,)),)))

    steps = model["panels"][1]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["color"], step["value"]) for step in steps] == [("red", None), ("green", 1)]
