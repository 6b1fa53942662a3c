"""What a checkpoint records: resources, operations in flight, and the deployment around them.

States are immutable and shared freely between threads; a change makes a new one (`altered`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.provider import Properties

__all__ = ("PendingOperation", "ResourceState", "Snapshot", "altered")


@dataclass(frozen=True, kw_only=True)
class ResourceState:
    """One resource as recorded. Fields mean what they mean in Pulumi's state; URNs are strings."""

    urn: str
    custom: bool
    type: str
    id: str = ""
    """The provider's id; always empty for components."""
    delete: bool = False
    """The old half of a replacement, still to be deleted."""
    inputs: Properties = field(default_factory=dict)
    """What the provider's check returned."""
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    protect: bool = False
    taint: bool = False
    external: bool = False
    """Read, not managed: never deleted."""
    dependencies: tuple[str, ...] = ()
    init_errors: tuple[str, ...] = ()
    provider: str = ""
    """Reference `<urn>::<id>`; empty for components and for providers themselves."""
    property_dependencies: Mapping[str, list[str]] = field(default_factory=dict)
    pending_replacement: bool = False
    """Deleted already, not yet created anew."""
    additional_secret_outputs: tuple[str, ...] = ()
    custom_timeouts: Mapping[str, float] = field(default_factory=dict)
    """Seconds by `create`, `update`, `delete`, `read`."""
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    replace_with: tuple[str, ...] = ()
    replacement_trigger: Any = None
    created: str = ""
    """RFC 3339, UTC; so is `modified`."""
    modified: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    hide_diff: tuple[str, ...] = ()
    refresh_before_update: bool = False
    """Whether the provider asked for a read before each update."""
    view_of: str = ""
    """URN of the resource that this one shows a part of."""
    resource_hooks: Mapping[str, list[str]] = field(default_factory=dict)
    """Names of hooks by when they run, such as `AfterCreate`."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Members that this engine keeps without using them, such as `sourcePosition`."""
    encoded: str | None = field(default=None, init=False, compare=False, repr=False)
    """The state's JSON once it was written, so that an unchanged state is encoded once.

    Set by the codec only.
    """

    def needs(self) -> set[str]:
        """Return the URNs of everything that has to exist as long as this resource does."""
        found = {*self.dependencies, *self.replace_with, self.parent, self.deleted_with}
        for urns in self.property_dependencies.values():
            found.update(urns)
        found.add(self.provider.rpartition("::")[0])
        found.discard("")
        return found


if TYPE_CHECKING:
    from dataclasses import replace as altered  # so that names and types of the changes are checked
else:

    def altered(state: ResourceState, /, **changes: Any) -> ResourceState:
        """Return the state with some of its fields changed; TypeError for names that are no fields.

        It is what `dataclasses.replace` does, in an eighth of the time: that goes through all fields twice,
        and every resource of an update is changed four times.
        """
        if unknown := changes.keys() - ResourceState.__dataclass_fields__.keys():
            raise TypeError(f"ResourceState has no field {', '.join(sorted(unknown))}")
        new = object.__new__(ResourceState)
        new.__dict__.update(state.__dict__, **changes)
        new.__dict__.pop("encoded", None)
        return new


@dataclass(frozen=True)
class PendingOperation:
    """A provider call that was begun; `kind` is creating, updating, deleting, reading or importing."""

    resource: ResourceState
    kind: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A deployment: the `latest` member of a checkpoint.

    `resources` are in dependency order: what a resource needs comes before it.
    """

    resources: tuple[ResourceState, ...] = ()
    pending: tuple[PendingOperation, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Members of the deployment that this engine keeps without using them."""
    integrity_error: str = ""
    """Written into the metadata when the engine had to store a state that breaks an invariant."""
