"""Packages that a program uses without making a provider: their default providers."""

import dataclasses
import json
import re
import threading
import uuid
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from engine.errors import EngineError, Unsupported
from engine.goals import Goal
from engine.urns import PROVIDER_PREFIX
from engine.values import Secret

BUILTIN: Final = "pulumi"
"""The package that the engine itself provides."""

_DISABLED: Final = "pulumi:disable-default-providers"
_NUMBER: Final = r"(0|[1-9][0-9]*)"
_WORDS: Final = r"([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)"
_VERSION: Final = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_WORDS})?(?:\+{_WORDS})?")


class Package(NamedTuple):
    """What a default provider is made for: package name, version and download URL ("" for not said)."""

    name: str
    version: str = ""
    url: str = ""

    @classmethod
    def of(cls, name: str, version: str, url: str) -> "Package":
        """Return the package that a request spells out; EngineError if the version is no semantic version."""
        if version and not _VERSION.fullmatch(version):
            raise EngineError(
                f"{version!r} is no version of package {name!r}: expected <major>.<minor>.<patch>, as in "
                "'1.2.3', '1.2.3-beta.1' or '1.2.3+build'"
            )
        return cls(name, version, url.removesuffix("/"))


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
    goal = Goal(type=PROVIDER_PREFIX + package.name, name=_name(package), custom=True, inputs=inputs)
    return with_plugin(goal, package)


def denied(package: str, config: Mapping[str, str]) -> bool:
    """Say whether the stack's configuration forbids default providers of the package.

    EngineError if what it says there is no list of texts.
    """
    text = config.get(_DISABLED, "")
    if package == BUILTIN or not text:
        return False
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise EngineError(
            f"the configuration {_DISABLED} is {text!r}: expected a JSON list of package names, or '[\"*\"]'"
        )
    return not {"*", package}.isdisjoint(name.strip() for name in names)


def with_plugin(goal: Goal, package: Package) -> Goal:
    """Return the registration of a provider with the plugin's version and URL among the inputs, if given."""
    if not package.version and not package.url:
        return goal
    version = {"version": package.version} if package.version else {}
    internal = {"pluginDownloadURL": package.url} if package.url else {}
    return dataclasses.replace(goal, inputs={**goal.inputs, **version, "__internal": internal})


def _name(package: Package) -> str:
    """Return the name as Pulumi makes it: the version's parts, and what of the URL may stand in a name."""
    match = _VERSION.fullmatch(package.version)
    parts = [part for group in match.groups("") for part in group.split(".") if part] if match else []
    segments = (segment for segment in package.url.split("/") if segment)
    url = "/".join(re.sub(r"[^A-Za-z0-9_.-]", "_", segment) for segment in segments)
    return "_".join(["default", *parts, *([url] if url else [])])
