"""What a Grafana dashboard consists of, and the JSON that Grafana loads. Pure; knows no metric.

The JSON is Grafana's dashboard model, schema version 39 (Grafana 11; later ones migrate it on loading).
Panels are laid out left to right in rows, as wide as they say, so that no position has to be written down.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Literal

from components.manifests.metadata import Manifest

SCHEMA_VERSION: Final = 39
COLUMNS: Final = 24
"""Width of Grafana's grid."""

HEIGHTS: Final = {"stat": 4, "timeseries": 8, "bargauge": 8, "logs": 10}
"""In grid units, by kind."""

Kind = Literal["stat", "timeseries", "bargauge", "logs"]

PROMETHEUS: Final = "prometheus"
LOKI: Final = "loki"
DATASOURCES: Final = {PROMETHEUS: "${datasource}", LOKI: "${loki}"}
"""What a panel asks, by the kind of data source; the reader of a dashboard chooses which one."""

GREEN_TO_RED: Final = ("green", "orange", "red")


@dataclass(frozen=True)
class Query:
    """A query and what its series are called; `legend` may hold `{{label}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    """Grafana's id of a unit: short, s, percentunit, reqps, bytes, currencyUSD, ..."""
    kind: Kind = "timeseries"
    width: int = 8
    description: str = ""
    steps: tuple[float, ...] = ()
    """From where on it is orange, then red; with one number it is red."""
    good_above: bool = False
    """Whether more is better: then the colours are the other way round."""
    stacked: bool = False
    source: str = PROMETHEUS


@dataclass(frozen=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One dashboard of one environment."""

    key: str
    """What it is about; part of its uid."""
    title: str
    rows: tuple[Row, ...]
    inputs: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Numbers that the reader may change: by variable, label and default."""


def dashboard(environment: str, planned: Dashboard) -> Manifest:
    """Return Grafana's dashboard model."""
    sources = [PROMETHEUS, *([LOKI] if _asks_loki(planned) else [])]
    return {
        "uid": uid(environment, planned),
        "title": f"Knative Lambda / {environment} / {planned.title}",
        "tags": ["knative-lambda", environment],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "links": [_siblings(environment)],
        "annotations": {"list": []},
        "templating": {"list": [*map(_datasource, sources), *_inputs(planned.inputs)]},
        "panels": list(_laid_out(planned.rows)),
    }


def uid(environment: str, planned: Dashboard) -> str:
    """Return what a dashboard's address is made of: at most 40 characters."""
    return f"knative-lambda-{environment}-{planned.key}"


def _asks_loki(planned: Dashboard) -> bool:
    return any(panel.source == LOKI for row in planned.rows for panel in row.panels)


def _siblings(environment: str) -> Manifest:
    """Return a menu of the environment's dashboards, with the time that is being looked at."""
    return {
        "title": "Knative Lambda",
        "type": "dashboards",
        "tags": ["knative-lambda", environment],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _datasource(kind: str) -> Manifest:
    name = DATASOURCES[kind].strip("${}")
    return {
        "name": name,
        "label": kind.capitalize(),
        "type": "datasource",
        "query": kind,
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
    }


def _inputs(inputs: dict[str, tuple[str, str]]) -> list[Manifest]:
    return [
        {
            "name": name,
            "label": label,
            "type": "textbox",
            "query": value,
            "current": {"selected": True, "text": value, "value": value},
            "hide": 0,
            "options": [{"selected": True, "text": value, "value": value}],
        }
        for name, (label, value) in inputs.items()
    ]


def _laid_out(rows: Sequence[Row]) -> Iterator[Manifest]:
    """Yield the panels with their places, from top to bottom; each row begins below the one before it."""
    ids, top = count(1), 0
    for row in rows:
        yield _heading(row.title, next(ids), top)
        top += 1
        left = tallest = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            height = HEIGHTS[panel.kind]
            place = {"x": left, "y": top, "w": panel.width, "h": height}
            yield {"id": next(ids), "gridPos": place, **_panel(panel)}
            left, tallest = left + panel.width, max(tallest, height)
        top += tallest


def _heading(title: str, number: int, top: int) -> Manifest:
    place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def _panel(panel: Panel) -> Manifest:
    base: Manifest = {"title": panel.title, "type": panel.kind, "description": panel.description}
    source = {"type": panel.source, "uid": DATASOURCES[panel.source]}
    return {
        **base,
        "datasource": source,
        "targets": [_target(panel, source, query, name) for query, name in _named(panel.queries)],
        "options": _options(panel),
        **({} if panel.kind == "logs" else {"fieldConfig": _field_config(panel)}),
    }


def _named(queries: Sequence[Query]) -> Iterator[tuple[Query, str]]:
    """Yield the queries with the letters that Grafana tells them apart by."""
    return zip(queries, "ABCDEFGHIJKLMNOP", strict=False)


def _target(panel: Panel, source: Manifest, query: Query, name: str) -> Manifest:
    target: Manifest = {"refId": name, "datasource": source, "expr": query.expr}
    if panel.source == LOKI:
        return {**target, "queryType": "range"}
    now = panel.kind == "bargauge"
    shape = {"format": "time_series", "instant": now, "range": not now}
    return {**target, "legendFormat": query.legend or "__auto", **shape}


def _field_config(panel: Panel) -> Manifest:
    defaults: Manifest = {
        "unit": panel.unit,
        "min": 0 if not panel.good_above else None,
        "color": {"mode": "thresholds" if panel.steps and panel.kind != "timeseries" else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": _steps(panel)},
        "custom": _drawing(panel),
    }
    return {"defaults": {key: value for key, value in defaults.items() if value is not None}, "overrides": []}


def _steps(panel: Panel) -> list[Manifest]:
    colours = GREEN_TO_RED if len(panel.steps) > 1 else GREEN_TO_RED[::2]
    ordered = colours[::-1] if panel.good_above else colours
    bounds: tuple[float | None, ...] = (None, *panel.steps)
    return [{"color": colour, "value": bound} for colour, bound in zip(ordered, bounds, strict=False)]


def _drawing(panel: Panel) -> Manifest | None:
    if panel.kind != "timeseries":
        return None
    lines = {"mode": "dashed" if panel.steps else "off"}
    stacking = {"group": "A", "mode": "normal" if panel.stacked else "none"}
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": stacking,
        "thresholdsStyle": lines,
    }


def _options(panel: Panel) -> dict[str, Any]:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options: dict[str, dict[str, Any]] = {
        "stat": {"reduceOptions": last, "colorMode": "value", "graphMode": "area", "textMode": "auto"},
        "bargauge": {"reduceOptions": last, "displayMode": "gradient", "orientation": "horizontal"},
        "timeseries": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "logs": {
            "showTime": True,
            "wrapLogMessage": True,
            "enableLogDetails": True,
            "sortOrder": "Descending",
            "dedupStrategy": "none",
            "prettifyLogMessage": False,
            "showLabels": False,
            "showCommonLabels": False,
        },
    }
    return options[panel.kind]
