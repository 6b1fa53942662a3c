"""References between states when resources got other URNs in a run, by aliases. Pure."""

from collections.abc import Iterator, Mapping, Set

from engine.state import ResourceState, altered
from engine.urns import is_provider_type


def renamed(states: tuple[ResourceState, ...], names: Mapping[str, str]) -> Iterator[ResourceState]:
    """Return the states with the present names in their references.

    The old half of a replaced provider keeps its URN, and so do the references to it, known by its id.
    """
    standing = {f"{state.urn}::{state.id}" for state in states if is_provider_type(state.type)}
    for state in states:
        yield _referring(state, names, standing) if names.keys() & state.needs() else state


def _referring(state: ResourceState, names: Mapping[str, str], standing: Set[str]) -> ResourceState:
    urn, separator, id_ = state.provider.rpartition("::")
    provider = state.provider if state.provider in standing else f"{names.get(urn, urn)}{separator}{id_}"
    return altered(
        state,
        parent=names.get(state.parent, state.parent),
        deleted_with=names.get(state.deleted_with, state.deleted_with),
        provider=provider,
        dependencies=tuple(names.get(item, item) for item in state.dependencies),
        replace_with=tuple(names.get(item, item) for item in state.replace_with),
        property_dependencies={
            key: [names.get(item, item) for item in urns] for key, urns in state.property_dependencies.items()
        },
    )
