"""Provider instances of a run: made by factories, configured once, found by reference.

Provider resources have a lifecycle like other resources; `ProviderResources` is the provider that carries it
out: check is CheckConfig, diff is DiffConfig, create configures and gives an id.
"""

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from engine import urns
from engine.errors import Unsupported
from engine.provider import (
    Cancelable,
    CheckResult,
    CreateResult,
    DiffResult,
    Properties,
    Provider,
    ProviderError,
    ProviderFactory,
    ReadResult,
)
from engine.specials import UNKNOWN_TEXT
from engine.state import ResourceState
from engine.values import contains_unknown

_RESERVED: Final = ("version", "__internal")
"""Inputs of a provider resource that are the engine's, not the provider's."""


class Providers:
    """The configured instances of a run, by provider reference. Thread-safe.

    `recorded` returns the state of a provider by URN and id, for those that the program does not register.
    """

    def __init__(
        self,
        factories: Mapping[str, ProviderFactory],
        recorded: Callable[[str, str], ResourceState | None],
    ) -> None:
        self._factories = factories
        self._recorded = recorded
        self._configured: dict[str, Provider] = {}
        self._lock = threading.RLock()

    def make(self, package: str) -> Provider:
        """Return a new instance; Unsupported if there is no provider for the package."""
        factory = self._factories.get(package)
        if factory is None:
            raise self._unsupported(package)
        return factory()

    def refuse_unsupported(self, states: Iterable[ResourceState]) -> None:
        """Raise Unsupported if a recorded resource needs a provider that there is not."""
        used = {
            state.provider: state
            for state in states
            if state.provider and not (state.retain_on_delete or state.pending_replacement)
        }
        for reference, state in used.items():
            package = urns.package_of(urns.parse(reference.rpartition("::")[0]).type)
            if package not in self._factories:
                raise Unsupported(f"{self._unsupported(package)} (the state holds {state.urn})")

    def _unsupported(self, package: str) -> Unsupported:
        known = ", ".join(sorted(self._factories)) or "none"
        return Unsupported(
            f"no provider for package {package!r}: the embedded engine has providers for {known}; "
            "run the stack with Pulumi's own engine, or leave the package out"
        )

    def configure(
        self,
        reference: str,
        inputs: Properties,
        instance: Provider | None = None,
        *,
        anew: bool = False,
    ) -> None:
        """Configure the instance of a reference, if it is not yet or is to be `anew`."""
        with self._lock:
            if reference in self._configured and not anew:
                return
            if contains_unknown(inputs):
                self._configured[reference] = Unconfigured()
                return
            provider = instance or self.make(urns.package_of(urns.parse(reference).type))
            provider.configure(own_config(inputs))
            self._configured[reference] = provider

    def get(self, reference: str) -> Provider:
        """Return the instance that a resource refers to; ProviderError if it is neither made nor recorded."""
        with self._lock:
            if reference not in self._configured:
                state = self._recorded(*urns.parse_reference(reference))
                if state is None:
                    raise ProviderError(f"the provider {reference} is neither registered nor recorded")
                self.configure(reference, state.inputs)
            return self._configured[reference]

    def cancel(self) -> None:
        """Ask every instance that can be asked to cut short what it is doing."""
        # Without the lock: who holds it may be waiting for a provider.
        for provider in tuple(self._configured.values()):
            if isinstance(provider, Cancelable):
                provider.cancel()


class ProviderResources:
    """The provider of provider resources themselves."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers
        self._checked: dict[str, Provider] = {}

    def check(self, *, urn: str, olds: Properties, news: Properties, random_seed: bytes) -> CheckResult:
        """Have the configuration checked; the engine's own inputs pass by."""
        provider = self._instance(urn)
        result = provider.check_config(urn, own_config(olds), own_config(news))
        reserved: Properties = {key: news[key] for key in _RESERVED if key in news}
        return CheckResult(inputs={**result.inputs, **reserved}, failures=result.failures)

    def diff(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        ignore_changes: tuple[str, ...] = (),
    ) -> DiffResult:
        """Have the configurations compared. A new version alone is an update."""
        result = self._instance(urn).diff_config(urn, own_config(old_inputs), own_config(news))
        reserved = tuple(key for key in _RESERVED if old_inputs.get(key) != news.get(key))
        if not result.changes and reserved:
            return DiffResult(changes=True, diffs=reserved)
        return result

    def create(
        self, *, urn: str, inputs: Properties, timeout: float | None = None, preview: bool = False
    ) -> CreateResult:
        """Configure the instance and give it an id; in a preview the id stays unknown."""
        id_ = "" if preview else str(uuid.uuid4())
        self._providers.configure(reference(urn, id_), inputs, self._checked.pop(urn, None))
        return CreateResult(id=id_, outputs=outputs(inputs))

    def update(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        timeout: float | None = None,
        ignore_changes: tuple[str, ...] = (),
        preview: bool = False,
    ) -> Properties:
        """Configure the instance anew under the same id: a refresh before used it as it was recorded."""
        self._providers.configure(reference(urn, id), news, self._checked.pop(urn, None), anew=True)
        return outputs(news)

    def keep(self, urn: str, id_: str, inputs: Properties) -> None:
        """Configure the instance of a provider that stays as it is."""
        self._providers.configure(reference(urn, id_), inputs, self._checked.pop(urn, None))

    def delete(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        timeout: float | None = None,
    ) -> None:
        """Do nothing: an instance lives no longer than the run."""

    def read(
        self,
        *,
        urn: str,
        id: str,
        inputs: Properties,
        outputs: Properties,
        timeout: float | None = None,
    ) -> ReadResult:
        """Return the provider as recorded."""
        return ReadResult(id=id, inputs=inputs, outputs=outputs)

    def invoke(self, token: str, args: Properties) -> Properties:
        """Refuse: provider resources have no functions."""
        raise ProviderError(f"{token} is no function")

    def check_config(self, urn: str, olds: Properties, news: Properties) -> CheckResult:
        """Return the configuration as given: this provider has none."""
        return CheckResult(inputs=news)

    def diff_config(self, urn: str, olds: Properties, news: Properties) -> DiffResult:
        """Find no difference: this provider has no configuration."""
        return DiffResult(changes=False)

    def configure(self, inputs: Properties) -> None:
        """Do nothing: this provider has no configuration."""

    def _instance(self, urn: str) -> Provider:
        if urn not in self._checked:
            self._checked[urn] = self._providers.make(urns.package_of(urns.parse(urn).type))
        return self._checked[urn]


class Unconfigured:
    """Stands for a provider whose configuration a preview does not know.

    Everything it would say is unknown.
    """

    def check_config(self, urn: str, olds: Properties, news: Properties) -> CheckResult:
        """Return the configuration as given."""
        return CheckResult(inputs=news)

    def diff_config(self, urn: str, olds: Properties, news: Properties) -> DiffResult:
        """Suppose a change."""
        return DiffResult(changes=True)

    def configure(self, inputs: Properties) -> None:
        """Do nothing."""

    def check(self, *, urn: str, olds: Properties, news: Properties, random_seed: bytes) -> CheckResult:
        """Return the inputs as given."""
        return CheckResult(inputs=news)

    def diff(self, **_: Any) -> DiffResult:
        """Suppose an update."""
        return DiffResult(changes=True)

    def create(self, **_: Any) -> CreateResult:
        """Return nothing known."""
        return CreateResult(id="", outputs={})

    def update(self, **_: Any) -> Properties:
        """Return nothing known."""
        return {}

    def delete(self, **_: Any) -> None:
        """Do nothing: previews delete nothing."""

    def read(
        self,
        *,
        urn: str,
        id: str,
        inputs: Properties,
        outputs: Properties,
        timeout: float | None = None,
    ) -> ReadResult:
        """Return the resource as given, with nothing known about it."""
        return ReadResult(id=id, inputs=inputs)

    def invoke(self, token: str, args: Properties) -> Properties:
        """Refuse; the monitor answers unknown before it comes to this."""
        raise ProviderError(f"{token} cannot be called: its provider's configuration is not known yet")


def reference(urn: str, id_: str) -> str:
    """Return the reference of a provider.

    An id that a preview does not know is written as the unknown text.
    """
    return f"{urn}::{id_ or UNKNOWN_TEXT}"


def own_config(inputs: Properties) -> Properties:
    """Return a provider resource's inputs without the engine's own."""
    return {key: value for key, value in inputs.items() if key not in _RESERVED}


def outputs(inputs: Properties) -> Properties:
    """Return what a provider resource records as outputs."""
    return {key: value for key, value in inputs.items() if key != "__internal"}
