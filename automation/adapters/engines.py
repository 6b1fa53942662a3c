"""Which deployment engines there are, by the name that the settings give."""

from collections.abc import Callable, Mapping
from typing import Final

from automation.adapters.deployments import Deployments
from automation.settings import AutomationSettings
from components.engines import AUTOMATION_API, EMBEDDED, ENGINES
from engine import BackendError, Engine, open_backend

HISTORY: Final = 20
"""Updates of a function that the embedded engine keeps to be looked at; every event is one, some 60 KB."""


def create(settings: AutomationSettings) -> Deployments:
    """Return the engine of that name.

    Raises ValueError for one that there is not, or that cannot run here: without Pulumi's CLI for
    `automation-api`, or for a backend that there is not.
    """
    factory = _FACTORIES.get(settings.engine)
    if factory is None:
        raise ValueError(f"engine is {settings.engine!r}; set it to one of {', '.join(ENGINES)}")
    try:
        return factory(settings)
    except BackendError as error:
        raise ValueError(f"backend_url: {error}") from error


def _embedded(settings: AutomationSettings) -> Deployments:
    from engine.kubernetes import KubernetesProviders

    providers = KubernetesProviders()
    engine = Engine(
        open_backend(settings.backend_url),
        {"kubernetes": providers},
        passphrase=settings.passphrase,
        history_limit=HISTORY,
    )
    return Deployments(engine, settings.project, _config(settings), lambda _: providers.close())


def _automation_api(settings: AutomationSettings) -> Deployments:
    from automation.adapters.automation_api import AutomationApiEngine

    engine = AutomationApiEngine(settings.backend_url, passphrase=settings.passphrase)
    return Deployments(engine, settings.project, _config(settings), engine.close)


def _config(settings: AutomationSettings) -> dict[str, str]:
    # A ConfigMap is then updated in place; replacing it would leave a running function without it for a
    # moment.
    config = {
        "kubernetes:enableConfigMapMutable": "true",
        "kubernetes:clusterIdentifier": settings.environment,
    }
    if settings.kubeconfig:
        config["kubernetes:kubeconfig"] = settings.kubeconfig
    return config


_FACTORIES: Final[Mapping[str, Callable[[AutomationSettings], Deployments]]] = {
    EMBEDDED: _embedded,
    AUTOMATION_API: _automation_api,
}
