"""Trivy's JSON report, made short. Pure.

The report is that of `trivy image --format json`, SchemaVersion 2: `Results`, each with `Vulnerabilities`,
each with `VulnerabilityID`, `PkgName`, `InstalledVersion`, `FixedVersion` (absent or empty: there is none)
and `Severity` (trivy.dev, docs/configuration/reporting; pkg.go.dev, github.com/aquasecurity/trivy/pkg/types,
Report, Result and DetectedVulnerability).
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

SCHEMA_VERSION = 2
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")
"""Trivy's words, the worst first."""
MAX_FINDINGS = 20
MAX_CHARACTERS = 128
"""Of each text in a finding."""

_FINDING = {
    "id": "VulnerabilityID",
    "package": "PkgName",
    "installed": "InstalledVersion",
    "fixed": "FixedVersion",
}


class UnreadableReport(Exception):
    """The text is no report of a version that this program can read."""


def summary(report: bytes) -> dict[str, Any]:
    """Return how many findings there are of each severity, how many have a fix, and the worst of them.

    One vulnerability of one package counts once, wherever it was found. Raises UnreadableReport.
    """
    found = {_identity(one): one for one in _vulnerabilities(_parsed(report))}.values()
    by_severity = sorted(found, key=_order)
    return {
        "scanner": "trivy",
        "status": "complete",
        "counts": _counts(found),
        "fixable": _counts(one for one in found if one.get("FixedVersion")),
        "findings": [_finding(one) for one in by_severity[:MAX_FINDINGS]],
    }


def _parsed(report: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(report)
    except (ValueError, RecursionError) as error:
        raise UnreadableReport(f"the scanner's report is not JSON: {str(error)[:200]}") from error
    version = data.get("SchemaVersion") if isinstance(data, dict) else None
    if not isinstance(data, dict) or version != SCHEMA_VERSION:
        raise UnreadableReport(f"the scanner's report has SchemaVersion {version}; {SCHEMA_VERSION} is read")
    return data


def _vulnerabilities(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    try:
        for result in report.get("Results") or ():
            yield from result.get("Vulnerabilities") or ()
    except (AttributeError, TypeError) as error:
        raise UnreadableReport(f"the scanner's report is not of its own schema: {error}") from error


def _identity(one: Mapping[str, Any]) -> tuple[Any, ...]:
    if not isinstance(one, dict):
        raise UnreadableReport("the scanner's report has a vulnerability that is no object")
    return tuple(str(one.get(name)) for name in ("VulnerabilityID", "PkgName", "InstalledVersion"))


def _severity(one: Mapping[str, Any]) -> str:
    severity = str(one.get("Severity") or "").upper()
    return severity if severity in SEVERITIES else "UNKNOWN"


def _order(one: Mapping[str, Any]) -> tuple[int, bool, tuple[Any, ...]]:
    """The worst first, of equal ones those that somebody can do something about."""
    return SEVERITIES.index(_severity(one)), not one.get("FixedVersion"), _identity(one)


def _counts(found: Any) -> dict[str, int]:
    counted = Counter(map(_severity, found))
    return {severity: counted[severity] for severity in SEVERITIES}


def _finding(one: Mapping[str, Any]) -> dict[str, str]:
    said = {name: _text(one.get(key)) for name, key in _FINDING.items()}
    required = {name: said.pop(name) or "unknown" for name in ("id", "package")}
    return {
        **required,
        "severity": _severity(one),
        **{name: value for name, value in said.items() if value},
    }


def _text(value: Any) -> str:
    """Return the text of a report, which an image's own files have written in part, fit for an event."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(value or ""))
    return text.encode("utf-8", "replace").decode()[:MAX_CHARACTERS]
