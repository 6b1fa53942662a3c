"""What watches an environment: Prometheus' objects, dashboards, traces."""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from components.settings import values
from components.settings.fields import Group, setting

OTLP_PORTS: Final = (4317, 4318)
"""Where collectors take OTLP: over gRPC, over HTTP."""

_LABEL: Final = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def label_pairs(value: str) -> tuple[tuple[str, str], ...]:
    """Return labels from `key=value`, several separated by commas."""
    found = [part.strip().partition("=") for part in value.split(",")]
    if not all(_LABEL.fullmatch(key) and _LABEL_VALUE.fullmatch(text) for key, _, text in found):
        raise ValueError("give labels such as release=prometheus, several separated by commas")
    return tuple((key, text) for key, _, text in found)


def otlp(value: str) -> str:
    """Return the URL of an OTLP collector, whose port says which protocol it speaks."""
    try:
        address = values.url(value)
    except ValueError:
        address = ""
    if not address.rstrip("/").endswith(tuple(f":{port}" for port in OTLP_PORTS)):
        raise ValueError("give an http or https URL with port 4317 (gRPC) or 4318 (HTTP) and no path")
    return address.rstrip("/")


def ratio(value: str) -> float:
    """Return a number from 0 to 1."""
    return _number(value, 0, 1)


def percent(value: str) -> float:
    """Return a share that leaves something to fail: from 50 to 99.999."""
    return _number(value, 50, 99.999)


def _number(value: str, least: float, most: float) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", value) or not least <= float(value) <= most:
        raise ValueError(f"give a number from {least:g} to {most:g}")
    return float(value)


@dataclass(frozen=True, kw_only=True)
class ObservabilitySettings(Group):
    """Monitors, rules and dashboards; where traces go; the few thresholds that depend on who uses it."""

    PREFIX: ClassVar[str] = "observability"

    enabled: bool = setting(values.flag, derived=lambda environment, _: environment != "local")
    """Whether the objects of prometheus-operator and the dashboards are declared."""
    labels: tuple[tuple[str, str], ...] = setting(label_pairs, ())
    """On monitors and rules, besides ours: what the cluster's Prometheus selects them by."""
    dashboard_labels: tuple[tuple[str, str], ...] = setting(label_pairs, (("grafana_dashboard", "1"),))
    """On the dashboards' ConfigMaps: what Grafana's sidecar looks for."""
    runbook_url: str = setting(values.url, "")
    """Where docs/observability.md is published; empty: alerts name the file."""
    availability_percent: float = setting(percent, 99.9)
    """Objective: the share of events that do not fail."""
    build_seconds: int = setting(values.count, 90)
    """95 % of builds are expected to be faster, in seconds."""
    dead_letters: int = setting(values.count, 100)
    """Dead letters from which on a person is called."""
    otlp_endpoint: str = setting(otlp, "")
    """URL of the OpenTelemetry collector; empty: no traces are sent."""
    trace_ratio: float = setting(ratio, 1.0)
    """Share of traces that are kept, where no caller has decided."""
