"""Which changes of functions wait for approval."""

from dataclasses import dataclass
from typing import ClassVar

from components import gate_rules
from components.settings import values
from components.settings.fields import Group, setting


def _rules(value: str) -> str:
    """Return the JSON text of rules as it is."""
    gate_rules.parse(value)
    return value


@dataclass(frozen=True, kw_only=True)
class GateSettings(Group):
    """Gates are off until there are rules."""

    PREFIX: ClassVar[str] = "gate"

    rules: str = setting(_rules, "")
    """JSON list of rules, see gate_rules; empty: nothing waits."""
    expiry_seconds: int | None = setting(values.count, None)
    """How long a parked plan waits, up to 100000; None: a day."""

    def variables(self) -> dict[str, str]:
        """Return what the service is told of it."""
        return {"GATE_RULES": self.rules, "GATE_EXPIRY_SECONDS": str(self.expiry_seconds or "")}
