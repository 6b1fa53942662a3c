"""What of an environment's capacity is other than its row says."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from components.capacity import CAPACITIES, Capacity
from components.settings import values
from components.settings.fields import Group, setting


@dataclass(frozen=True, kw_only=True)
class QuotaSettings(Group):
    """Numbers in the place of those in CAPACITIES, with the same names; None: the environment's."""

    PREFIX: ClassVar[str] = "quota"

    requests_cores: int | None = setting(values.count, None)
    requests_gib: int | None = setting(values.count, None)
    limits_cores: int | None = setting(values.count, None)
    limits_gib: int | None = setting(values.count, None)
    pods: int | None = setting(values.count, None)
    functions: int | None = setting(values.count, None)
    builds: int | None = setting(values.count, None)
    volume_claims: int | None = setting(values.count, None)

    def capacity(self, environment: str) -> Capacity | None:
        """Return what the environment may use; None where nothing enforces it."""
        row = CAPACITIES.get(environment)
        set_here = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return dataclasses.replace(row, **set_here) if row else None

    def problems(self, environment: str) -> list[str]:
        """Return where more is guaranteed than the limits allow, the environment's own numbers included."""
        whole = self.capacity(environment) or self
        found = []
        for unit, title in (("cores", "Cores"), ("gib", "Gib")):
            least, most = (getattr(whole, f"{kind}_{unit}") for kind in ("requests", "limits"))
            if least is not None and most is not None and least > most:
                found.append(
                    f"quotaRequests{title} is {least} and quotaLimits{title} is {most}:"
                    " requests cannot exceed limits; raise the limits or lower the requests"
                )
        return found
