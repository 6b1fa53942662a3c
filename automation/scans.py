"""What a scan found in an image, and whether an environment rolls such an image out. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

SEVERITIES: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")
"""Trivy's words, the worst first."""

COMPLETE: Final = "complete"
FAILED: Final = "failed"
STATUSES: Final = (COMPLETE, FAILED)

MAX_FINDINGS: Final = 20
"""Findings that an event may bring along."""
KEPT_FINDINGS: Final = 10
"""Of them, those that a function's record keeps: the worst."""

ALLOW: Final = "allow"
REFUSE: Final = "refuse"

VULNERABILITIES: Final = "vulnerabilities"
NOT_SCANNED: Final = "not_scanned"
"""Reasons of a refusal, as of a failure."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One vulnerability of one package."""

    id: str
    package: str
    severity: str
    """One of SEVERITIES."""
    installed: str = ""
    fixed: str = ""
    """First version without it; empty: there is none."""

    def __str__(self) -> str:
        remedy = f"fixed in {self.fixed}" if self.fixed else "not fixed yet"
        return f"{self.id} in {' '.join(filter(None, (self.package, self.installed)))} ({remedy})"


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A scan of one image."""

    status: str
    """One of STATUSES."""
    scanner: str = ""
    message: str = ""
    """Why it failed."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Findings by severity; a severity that is not there has none. Empty: none were told."""
    fixable: Mapping[str, int] = field(default_factory=dict)
    """Of them, those with a fix."""
    findings: tuple[Finding, ...] = ()
    """The worst, the worst first."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON; `from_json` gives it back."""
        return {**asdict(self), "findings": [asdict(one) for one in self.findings]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Scan":
        """Return what `as_json` wrote. Raises TypeError."""
        return cls(**{**data, "findings": tuple(Finding(**one) for one in data.get("findings", ()))})


@dataclass(frozen=True, kw_only=True)
class ScanPolicy:
    """Which images an environment does not roll out."""

    severity: str = ""
    """Least severity of a finding that counts, of SEVERITIES; empty: every image is rolled out."""
    ignore_unfixed: bool = False
    """Count only findings that a newer version of the package is free of."""
    missing: str = REFUSE
    """ALLOW or REFUSE images of which no complete scan is there."""


OPEN: Final = ScanPolicy()


@dataclass(frozen=True)
class Refusal:
    """Why an image is not rolled out."""

    reason: str
    """VULNERABILITIES or NOT_SCANNED."""
    message: str


def refusal(policy: ScanPolicy, scan: Scan | None) -> Refusal | None:
    """Return why the environment does not roll an image with this scan out; None if it does."""
    if not policy.severity:
        return None
    if scan is None or scan.status != COMPLETE:
        return _unknown(scan) if policy.missing == REFUSE else None
    counted = scan.fixable if policy.ignore_unfixed else scan.counts
    over = SEVERITIES[: SEVERITIES.index(policy.severity) + 1]
    found = {severity: counted[severity] for severity in over if counted.get(severity)}
    if not found:
        return None
    said = ", ".join(f"{count} {severity}" for severity, count in found.items())
    kind = "findings with a fix" if policy.ignore_unfixed else "findings"
    worst = _worst(policy, scan, over)
    example = f", such as {worst}" if worst else ""
    return Refusal(VULNERABILITIES, f"{said}: {policy.severity} {kind} are not rolled out here{example}")


def _unknown(scan: Scan | None) -> Refusal:
    why = (scan.message or "the scan failed") if scan else "nobody told what a scan found"
    return Refusal(NOT_SCANNED, f"images that are not scanned are not rolled out here: {why}")


def _worst(policy: ScanPolicy, scan: Scan, over: tuple[str, ...]) -> Finding | None:
    found = (
        one for one in scan.findings if one.severity in over and (one.fixed or not policy.ignore_unfixed)
    )
    return next(found, None)
