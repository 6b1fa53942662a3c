"""Names of resources: `urn:pulumi:<stack>::<project>::<type>::<name>`, and references to providers.

Pure string work. The type part is qualified: the types of the ancestors, joined by `$`, then the type itself.
"""

from typing import NamedTuple

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
_PREFIX = "urn:pulumi:"


class Urn(NamedTuple):
    """The parts of a URN. `name` may hold `::` itself."""

    stack: str
    project: str
    qualified_type: str
    name: str

    @property
    def type(self) -> str:
        """The type without its ancestors."""
        return self.qualified_type.rsplit("$", 1)[-1]

    def __str__(self) -> str:
        return f"{_PREFIX}{self.stack}::{self.project}::{self.qualified_type}::{self.name}"


def parse(urn: str) -> Urn:
    """Split a URN; ValueError if it is none."""
    if not urn.startswith(_PREFIX):
        raise ValueError(f"{urn!r} is no URN: it does not start with {_PREFIX!r}")
    parts = urn[len(_PREFIX) :].split("::", 3)
    if len(parts) != 4 or not all(parts):
        raise ValueError(f"{urn!r} is no URN: expected {_PREFIX}<stack>::<project>::<type>::<name>")
    return Urn(*parts)


def make(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """Return the URN of a resource; `parent` is the parent's URN, or empty."""
    parent_type = parse(parent).qualified_type if parent else STACK_TYPE
    qualified = type_ if parent_type == STACK_TYPE else f"{parent_type}${type_}"
    return str(Urn(stack, project, qualified, name))


def is_provider_type(type_: str) -> bool:
    """Say whether resources of this type are providers."""
    return type_.startswith(PROVIDER_PREFIX)


def package_of(type_: str) -> str:
    """Return the package that a resource type or a function token belongs to."""
    if is_provider_type(type_):
        return type_[len(PROVIDER_PREFIX) :]
    return type_.split(":", 1)[0]


def is_default_provider(urn: str) -> bool:
    """Say whether the URN names a provider that the engine made by itself: hidden from users, not counted."""
    parts = parse(urn)
    return is_provider_type(parts.qualified_type) and parts.name.startswith("default")


class ProviderReference(NamedTuple):
    """What a resource records about its provider: the provider's URN and id."""

    urn: str
    id: str

    def __str__(self) -> str:
        return f"{self.urn}::{self.id}"


def parse_reference(reference: str) -> ProviderReference:
    """Split `<urn>::<id>` at the last `::`; ValueError if it is no reference."""
    urn, separator, id_ = reference.rpartition("::")
    if not separator or not urn.startswith(_PREFIX) or not id_:
        raise ValueError(f"{reference!r} is no provider reference: expected <urn>::<id>")
    return ProviderReference(urn, id_)


def inherited_alias(*, name: str, type_: str, parent_name: str, parent_alias: str) -> str:
    """Return the URN that a child had under its parent's old URN.

    By the convention that a child's name starts with its parent's, a child so named was renamed with it.
    """
    old = parse(parent_alias)
    if name.startswith(parent_name):
        name = old.name + name[len(parent_name) :]
    return make(old.stack, old.project, parent_alias, type_, name)
