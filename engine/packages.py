"""Packages that a program uses without making a provider: their default providers."""

import re
import threading
import uuid
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from engine.errors import Unsupported
from engine.goals import Goal
from engine.urns import PROVIDER_PREFIX
from engine.values import Secret


class Package(NamedTuple):
    """What a default provider is made for: package name, version and download URL ("" for not said)."""

    name: str
    version: str = ""
    url: str = ""


class Packages:
    """The packages that a program registered, by the references that it was given. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, Package] = {}
        self._lock = threading.Lock()

    def register(self, package: Package) -> str:
        """Return the package's reference, the same one each time."""
        with self._lock:
            for reference, known in self._known.items():
                if known == package:
                    return reference
            reference = str(uuid.uuid4())
            self._known[reference] = package
            return reference

    def resolve(self, reference: str, package: Package) -> Package:
        """Return the package that a request means: the one of its reference, else the one it spells out."""
        if not reference:
            return package
        if reference not in self._known:
            raise Unsupported(f"the package reference {reference!r} was not registered in this run")
        return self._known[reference]


def default_provider(package: Package, config: Mapping[str, str], secret_keys: Collection[str]) -> Goal:
    """Return the registration of a package's default provider.

    Its inputs are the stack's configuration in the package's namespace, and the version where one was asked
    for.
    """
    prefix = f"{package.name}:"
    inputs: dict[str, Any] = {
        key.removeprefix(prefix): Secret(value) if key in secret_keys else value
        for key, value in config.items()
        if key.startswith(prefix)
    }
    if package.version:
        inputs["version"] = package.version
    if package.version or package.url:
        inputs["__internal"] = {"pluginDownloadURL": package.url} if package.url else {}
    return Goal(type=PROVIDER_PREFIX + package.name, name=_name(package), custom=True, inputs=inputs)


def _name(package: Package) -> str:
    parts = [part for part in (package.version, package.url) if part]
    return "_".join(["default", *(re.sub(r"[^A-Za-z0-9]", "_", part) for part in parts)])
