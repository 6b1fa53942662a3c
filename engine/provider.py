"""What a resource provider is to the engine.

The protocol mirrors the calls of Pulumi's resource provider interface (CheckConfig, DiffConfig, Configure,
Check, Diff, Create, Update, Delete, Read, Invoke), as plain Python objects in this process. Property values
are plain JSON values with two kinds of extra leaves: `engine.values.Secret` around a secret value, and
`engine.values.UNKNOWN` for a value that only a real run will know. Integral numbers are `int`.

Providers are called from worker threads, several calls at once; they must be thread-safe.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

Properties = dict[str, Any]
"""Property values by name: JSON values, `Secret` and `UNKNOWN` leaves."""


_SUFFIX: Final = "-replace"


class DiffKind(enum.StrEnum):
    """How one property differs, in the words of Pulumi's detailed diff."""

    ADD = "add"
    ADD_REPLACE = "add-replace"
    DELETE = "delete"
    DELETE_REPLACE = "delete-replace"
    UPDATE = "update"
    UPDATE_REPLACE = "update-replace"

    @classmethod
    def between(cls, old: Mapping[str, Any], new: Mapping[str, Any], key: str) -> "DiffKind":
        """Return how two objects differ in a property that at least one of them has."""
        if key not in old:
            return cls.ADD
        return cls.UPDATE if key in new else cls.DELETE

    @property
    def replacing(self) -> "DiffKind":
        """The same difference where it forces a replacement."""
        return self if self.endswith(_SUFFIX) else DiffKind(self + _SUFFIX)

    @property
    def inverse(self) -> "DiffKind":
        """The same difference seen from the other side: what was added is missing there."""
        return _INVERSE.get(self, self)


_INVERSE: Final = {
    DiffKind.ADD: DiffKind.DELETE,
    DiffKind.ADD_REPLACE: DiffKind.DELETE_REPLACE,
    DiffKind.DELETE: DiffKind.ADD,
    DiffKind.DELETE_REPLACE: DiffKind.ADD_REPLACE,
}


@dataclass(frozen=True)
class PropertyDiff:
    """One differing property: the kind, and whether old *inputs* (not outputs) were compared."""

    kind: DiffKind
    input_diff: bool = False


@dataclass(frozen=True)
class CheckFailure:
    """One property that was refused, and why. `property` is a path such as `spec.replicas`, or empty."""

    property: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """Checked inputs, defaults filled in; with failures the inputs are not to be used."""

    inputs: Properties
    failures: tuple[CheckFailure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DiffResult:
    """The provider's verdict on old state against new inputs.

    `changes` is None where the provider cannot tell; the engine then compares inputs itself.
    """

    changes: bool | None
    replaces: tuple[str, ...] = ()
    diffs: tuple[str, ...] = ()
    detailed: Mapping[str, PropertyDiff] = field(default_factory=dict)
    delete_before_replace: bool = False


@dataclass(frozen=True, kw_only=True)
class CreateResult:
    """A created resource. `id` is empty only in a preview."""

    id: str
    outputs: Properties


@dataclass(frozen=True, kw_only=True)
class ReadResult:
    """A resource as it is now; `id` is None when it no longer exists.

    Without `inputs` the recorded ones stay. `reasons` say what keeps it from being ready or whole; they are
    recorded as the resource's initErrors.
    """

    id: str | None
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


class ProviderError(Exception):
    """A provider call failed and nothing is known to have changed. The text is for the user."""


class InvokeRefused(ProviderError):
    """A function was called with arguments that it does not accept; `failures` has them, and why."""

    def __init__(self, *failures: CheckFailure) -> None:
        super().__init__("; ".join(f"{failure.property}: {failure.reason}" for failure in failures))
        self.failures = failures


class ResourceGone(ProviderError):
    """The resource that was to be updated is no longer there: a refresh takes it out of the state."""


class OutcomeUnknown(Exception):
    """A create or update got no answer: it may have taken effect. The call stays on record as pending."""


class PartialFailure(ProviderError):
    """The resource exists now (or was changed) but did not become ready or whole.

    The engine records `id`, `outputs` and `reasons` (as initErrors) and fails the step.
    """

    def __init__(self, *, id: str, outputs: Properties, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.id = id
        self.outputs = outputs
        self.reasons = reasons


class Provider(Protocol):
    """One configured provider instance of one package, as seen by the engine."""

    def check_config(self, urn: str, olds: Properties, news: Properties) -> CheckResult:
        """Validate the provider's own configuration (without `version` and `__internal`)."""

    def diff_config(self, urn: str, olds: Properties, news: Properties) -> DiffResult:
        """Say whether resources of the old configuration survive under the new one."""

    def configure(self, inputs: Properties) -> None:
        """Take the checked configuration; called once before any resource call."""

    def check(self, *, urn: str, olds: Properties, news: Properties, random_seed: bytes) -> CheckResult:
        """Fill defaults and validate. `olds` are the old *inputs*, empty on create and replace."""

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
        """Compare the recorded resource with new checked inputs; no side effects."""

    def create(
        self, *, urn: str, inputs: Properties, timeout: float | None = None, preview: bool = False
    ) -> CreateResult:
        """Create the resource. `timeout` is in seconds. Raises ProviderError or PartialFailure."""

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
        """Update in place and return the new outputs. Raises ProviderError or PartialFailure."""

    def delete(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        timeout: float | None = None,
    ) -> None:
        """Delete the resource; one that is already gone is a success."""

    def read(
        self,
        *,
        urn: str,
        id: str,
        inputs: Properties,
        outputs: Properties,
        timeout: float | None = None,
    ) -> ReadResult:
        """Read the resource as it is. `inputs` and `outputs` are empty on import. `timeout` is in seconds."""

    def invoke(self, token: str, args: Properties) -> Properties:
        """Call a provider function. Raises InvokeRefused for bad arguments, ProviderError otherwise."""


@runtime_checkable
class FindsCreated(Provider, Protocol):
    """A provider that can also find by the inputs alone what a create made that never reported back."""

    def find_created(self, *, urn: str, inputs: Properties) -> CreateResult | None:
        """Return what the create has made, None if nothing. Raises ProviderError."""


@runtime_checkable
class Cancelable(Provider, Protocol):
    """A provider that can also cut short what it is doing."""

    def cancel(self) -> None:
        """Have calls that are under way end soon, with an error or in part. Called once, from any thread.

        It must not wait for them.
        """


ProviderFactory = Callable[[], Provider]
"""Makes one unconfigured provider instance; the engine makes one per provider resource and run."""
