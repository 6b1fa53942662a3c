"""How functions' objects are looked at for drift, and what of it is healed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from components import drift
from components.engines import EMBEDDED
from components.settings import values
from components.settings.fields import Group, setting

USUAL: Final = 30
"""Stacks a minute with the embedded engine; a look with Pulumi's own takes seconds, so there are none."""


@dataclass(frozen=True, kw_only=True)
class DriftSettings(Group):
    """Drift is looked for and told; nothing is healed unless its kinds are named."""

    PREFIX: ClassVar[str] = "drift"

    checks_per_minute: int | None = setting(values.within(0, 6000), None)
    """Stacks that all replicas together look at in a minute; 0: none. None: what suits the engine."""
    heal: tuple[str, ...] = setting(values.choices(drift.ALL, *drift.KINDS), ())
    """Kinds of objects that are put back; empty: none."""

    def variables(self, engine: str) -> Mapping[str, str]:
        """Return what the service is told of it, by environment variable."""
        usual = USUAL if engine == EMBEDDED else 0
        rate = usual if self.checks_per_minute is None else self.checks_per_minute
        return {"DRIFT_CHECKS_PER_MINUTE": str(rate), "DRIFT_HEAL": ",".join(self.heal)}
