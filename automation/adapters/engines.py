"""Which deployment engines there are, by the name that the settings give."""

from collections.abc import Callable, Mapping
from typing import Final

from automation.adapters import embedded
from automation.ports import DeploymentEngine
from automation.settings import ENGINES, AutomationSettings


def create(settings: AutomationSettings) -> DeploymentEngine:
    """Return the engine of that name. Raises ValueError for one that there is not, or not yet."""
    factory = _ADAPTERS.get(settings.engine)
    if factory is not None:
        return factory(settings)
    if settings.engine in ENGINES:
        raise ValueError(f"engine {settings.engine!r} is not built yet; set it to {', '.join(_ADAPTERS)}")
    raise ValueError(f"engine is {settings.engine!r}; set it to one of {', '.join(ENGINES)}")


_ADAPTERS: Final[Mapping[str, Callable[[AutomationSettings], DeploymentEngine]]] = {
    "embedded": embedded.create
}
