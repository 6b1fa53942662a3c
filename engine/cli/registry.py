"""The providers that a run may use, each imported when a program first needs it."""

import importlib
from collections.abc import Callable, Mapping
from typing import Final

from engine.errors import Unsupported
from engine.provider import Provider, ProviderFactory

KNOWN: Final[Mapping[str, str]] = {
    "kubernetes": "engine.kubernetes:KubernetesProviders",
    "aws": "engine.aws:AwsProviders",
}
"""Packages and where their providers' makers are, as module:class."""


class LazyFactory:
    """A provider factory whose module is imported on the first call. One for the life of a command."""

    def __init__(self, package: str, address: str) -> None:
        self._package = package
        self._address = address
        self._factory: Callable[[], Provider] | None = None

    def __call__(self) -> Provider:
        """Return an unconfigured provider; Unsupported if its module is not installed."""
        if self._factory is None:
            self._factory = self._load()
        return self._factory()

    def close(self) -> None:
        """Give back the connections of the providers made."""
        close = getattr(self._factory, "close", None)
        if close is not None:
            close()

    def _load(self) -> Callable[[], Provider]:
        module, _, name = self._address.partition(":")
        try:
            factory: Callable[[], Provider] = getattr(importlib.import_module(module), name)()
        except ModuleNotFoundError as error:
            raise Unsupported(
                f"the provider for package {self._package!r} is not installed: there is no module "
                f"{error.name!r}; run the stack with Pulumi's own engine, or leave the package out"
            ) from error
        return factory


def factories() -> dict[str, ProviderFactory]:
    """Return the factories of all known packages."""
    return {package: LazyFactory(package, address) for package, address in KNOWN.items()}
