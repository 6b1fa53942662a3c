"""What a provider is to the engine that also implements component types (`remote` ones, to the SDK).

In Pulumi such a component lives in a provider plugin, which registers the component and its children with the
engine by itself. Here the provider is handed the function to register with; what it registers goes the way of
everything that the program registers: inheritance from the parent, transforms, aliases, default providers.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from engine.goals import Goal
from engine.provider import Properties, Provider


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A resource after its registration; `id` is empty for components, and for what only a preview knows."""

    urn: str
    id: str
    outputs: Properties


Register = Callable[[Goal], "Future[Registered]"]
"""Registers a resource, at once and without waiting; thread-safe.

Its future is done when the resource is as wanted. It raises what made the run stop. Who needs outputs of one
resource for another waits for the first, and names its URN in the other's `dependencies` (and in
`property_dependencies`, by input). The parent is to be registered before its children.
"""


@dataclass(frozen=True, kw_only=True)
class Constructed:
    """A finished component: its URN, what it gives to the program, and which URNs each output depends on."""

    urn: str
    outputs: Properties = field(default_factory=dict)
    dependencies: dict[str, tuple[str, ...]] = field(default_factory=dict)


@runtime_checkable
class Constructs(Provider, Protocol):
    """A provider that also implements component types."""

    def construct(self, component: Goal, register: Register, *, preview: bool) -> Constructed:
        """Register the component and its children, and return when they are done.

        `component` is the program's registration: type, name, inputs and options. The provider registers it
        as it is, or with other inputs (`dataclasses.replace`), and its children with the resulting URN as
        their `parent`; from it they inherit providers, protection and so on. The outputs are recorded with
        the component. Raises ProviderError for inputs that are refused; errors of `register` go through.
        """
