"""What built images are scanned with, and which of them are rolled out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from components.settings import values
from components.settings.fields import Group, setting

SEVERITIES: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")
"""Trivy's words, the worst first."""

REFUSE: Final = "refuse"


@dataclass(frozen=True, kw_only=True)
class ScanSettings(Group):
    """Scans are off until there is an image, and keep nothing back until there is a severity."""

    PREFIX: ClassVar[str] = "scan"

    image: str = setting(values.image, "")
    """Trivy; empty: nothing is scanned."""
    database: str = setting(values.image, "")
    """Repository of its vulnerability database; empty: its own."""
    timeout_seconds: int | None = setting(values.count, None)
    """Longest run of one scan; None: 300."""
    severity: str = setting(values.choice(*SEVERITIES), "")
    """Images with findings of this severity or a worse one are not rolled out; empty: all are."""
    ignore_unfixed: bool = setting(values.flag, False)
    """Whether only findings with a fix count."""
    missing: str = setting(values.choice(REFUSE, "allow"), REFUSE)
    """What becomes of images without a scan, where a severity is set."""

    def problems(self, environment: str) -> list[str]:
        """Return a policy that would refuse every image, and a timeout that no build can have."""
        found = []
        if self.severity and not self.image and self.missing == REFUSE:
            found.append(
                f"scanSeverity is {self.severity!r} and nothing scans, so no image would be rolled out:"
                " set scanImage, or scanMissing to allow"
            )
        if self.timeout_seconds is not None and not 1 <= self.timeout_seconds <= 3600:
            found.append(f"scanTimeoutSeconds is {self.timeout_seconds}: set it to 1 to 3600")
        return found

    def variables(self) -> Mapping[str, str]:
        """Return what the service is told of them, by environment variable."""
        return {
            "SCAN_IMAGE": self.image,
            "SCAN_DATABASE": self.database,
            "SCAN_TIMEOUT_SECONDS": str(self.timeout_seconds or ""),
            "SCAN_SEVERITY": self.severity,
            "SCAN_IGNORE_UNFIXED": "true" if self.ignore_unfixed else "",
            "SCAN_MISSING": self.missing if self.severity else "",
        }
