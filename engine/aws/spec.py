"""How a resource type is declared: its properties as a table, and the few functions that call the service.

Property names, types and defaults are pulumi-aws 7's (the `*Args` classes of its Python SDK, in
`sdk/python/pulumi_aws/<module>`); what forces a replacement, and what is computed, is
terraform-provider-aws's (`internal/service/<service>`).
Everything generic (checking, comparing, previews, recorded inputs) is made from these tables.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.aws.client import Aws

Json = dict[str, Any]


class Kind(enum.Enum):
    """What a property holds."""

    STRING = "a string"
    BOOL = "true or false"
    INT = "a whole number"
    DOCUMENT = "a JSON document, as text or as an object"
    LIST = "a list"
    SET = "a list (its order does not matter)"
    MAP = "a map of strings"
    OBJECT = "an object"
    ASSET = "a file or string asset"


@dataclass(frozen=True, kw_only=True)
class Prop:
    """One property, of a resource or of an object in one."""

    kind: Kind = Kind.STRING
    required: bool = False
    output: bool = False
    """Only ever set by the service; a program cannot give it."""
    computed: bool = False
    """Left to the service where the program says nothing: then no value of it is a difference."""
    local: bool = False
    """Kept in the state only; the service does not report it."""
    force_new: bool = False
    secret: bool = False
    """Marked as a secret in the outputs."""
    default: Any = None
    choices: tuple[str, ...] = ()
    length: int = 0
    """Longest allowed string; 0 for no limit of its own."""
    canonical: Callable[[Any], Any] | None = None
    """Brings values that mean the same into one form; gets no UNKNOWN and no None."""
    fields: "Mapping[str, Prop]" = field(default_factory=dict)
    """Of an OBJECT, or of the objects in a LIST or SET; empty for a list of strings."""
    api: str = ""
    """The name in the service's API where it is not the capitalised property name."""


def text(**options: Any) -> Prop:
    """Declare a string."""
    return Prop(**options)


def flag(**options: Any) -> Prop:
    """Declare a boolean."""
    return Prop(kind=Kind.BOOL, **options)


def number(**options: Any) -> Prop:
    """Declare an integer."""
    return Prop(kind=Kind.INT, **options)


def document(canonical: Callable[[Any], Any], **options: Any) -> Prop:
    """Declare a JSON document, which is compared by its meaning."""
    return Prop(kind=Kind.DOCUMENT, canonical=canonical, **options)


def strings(**options: Any) -> Prop:
    """Declare a set of strings."""
    return Prop(kind=Kind.SET, **options)


def mapping(**options: Any) -> Prop:
    """Declare a map of strings."""
    return Prop(kind=Kind.MAP, **options)


def block(fields: Mapping[str, Prop], **options: Any) -> Prop:
    """Declare an object."""
    return Prop(kind=Kind.OBJECT, fields=fields, **options)


def blocks(fields: Mapping[str, Prop], *, ordered: bool = True, **options: Any) -> Prop:
    """Declare a list (or set) of objects."""
    return Prop(kind=Kind.LIST if ordered else Kind.SET, fields=fields, **options)


OUTPUT = Prop(output=True)
"""A string that the service sets."""


@dataclass(frozen=True, kw_only=True)
class Autoname:
    """How a resource gets its physical name where the program gives none: `<name>-<7 hex digits>`.

    pulumi-aws: `tfbridge.AutoName` in provider/resources.go.
    """

    property: str = "name"
    length: int = 255
    """Longest allowed name."""
    form: Callable[[str, Json], str] = lambda name, inputs: name
    """Makes the name proper: lower case, a prefix, a suffix."""
    digits: int = 7
    unless: tuple[str, ...] = ()
    """Properties that make the service or the provider choose a name in another way."""


@dataclass(frozen=True, kw_only=True)
class Created:
    """What a create call returned: the id, and outputs that nobody can read later."""

    id: str
    outputs: Json = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Change:
    """An update in place: recorded outputs, new inputs, and the top-level properties that differ."""

    old: Json
    new: Json
    names: frozenset[str]

    def touches(self, *names: str) -> bool:
        """Say whether one of the properties differs."""
        return not self.names.isdisjoint(names)


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """A resource type. All functions get plain values: no secrets wrapped, nothing unknown."""

    type: str
    props: Mapping[str, Prop]
    create: Callable[[Aws, Json], Created]
    """Make the resource with one call that either takes effect or does not."""
    read: Callable[[Aws, str, Json], Json | None]
    """Return what the service says of the resource; None if there is none.

    Gets the id and what is recorded (outputs over inputs; empty on import).
    """
    delete: Callable[[Aws, str, Json], None]
    """Delete the resource of an id and recorded outputs; one that is gone is a success."""
    complete: Callable[[Aws, str, Json], None] | None = None
    """What creation needs besides its first call."""
    update: Callable[[Aws, str, Change], None] | None = None
    tag: "Callable[[Aws, str, Json, Mapping[str, str], list[str]], None] | None" = None
    """Set and remove tags of a resource, given by id and recorded outputs."""
    find: Callable[[Aws, Json], str | None] | None = None
    """Return the id that a create of these inputs has made or would have found, None if there is none.

    Left out where creating again is the same as creating once, or where inputs do not identify a resource.
    """
    autoname: Autoname | None = None
    regional: bool = True
    refused: Mapping[str, str] = field(default_factory=dict)
    """Properties of pulumi-aws that are not supported, with what to use instead."""
    exclusive: tuple[tuple[str, ...], ...] = ()
    """Groups of properties of which only one may be given."""
    forbidden: Callable[[Json, Json], str | None] | None = None
    """Say why the service cannot go from recorded outputs to new inputs, None if it can."""
    leaf: bool = False
    """A setting of something else: a replacement with the same identity has to be made after the deletion."""


def regional(props: Mapping[str, Prop]) -> dict[str, Prop]:
    """Add the `region` that all regional resources have since pulumi-aws 7."""
    return {**props, "region": text(computed=True, local=True, force_new=True)}


def tagged(props: Mapping[str, Prop]) -> dict[str, Prop]:
    """Add `tags` (the program's and the provider's default ones) and `tagsAll`."""
    return {**props, "tags": mapping(), "tagsAll": mapping(output=True)}
