"""The invariants of a checkpoint, checked on load and with every write."""

import hashlib
from collections.abc import Iterable

from engine.state import ResourceState
from engine.urns import is_provider_type, parse_reference


def problem(resources: Iterable[ResourceState]) -> str | None:
    """Return the first broken invariant in words, or None.

    Every resource has a URN and a type; components have no id; what a resource refers to comes before it; a
    provider reference names the id that is recorded; only one entry per URN is alive.
    """
    alive: set[str] = set()
    seen: set[str] = set()
    provider_ids: set[str] = set()
    for state in resources:
        found = _own_problem(state) or _dangling(state, seen, provider_ids)
        if found is None and not state.delete and state.urn in alive:
            found = "is recorded twice without being marked for deletion"
        if found is not None:
            return f"resource {state.urn or '(without URN)'} {found}"
        seen.add(state.urn)
        if not state.delete:
            alive.add(state.urn)
        if state.custom and is_provider_type(state.type):
            provider_ids.add(f"{state.urn}::{state.id}")
    return None


def magic(version: str) -> str:
    """Return the manifest's check sum of a version; an empty version has an empty one."""
    return hashlib.sha256(version.encode()).hexdigest() if version else ""


def _own_problem(state: ResourceState) -> str | None:
    if not state.urn or not state.type:
        return "lacks its URN or its type"
    if not state.custom and state.id:
        return f"is a component but has the id {state.id!r}"
    if state.custom and not state.provider and not is_provider_type(state.type):
        return "is a custom resource without a provider"
    return None


def _dangling(state: ResourceState, seen: set[str], provider_ids: set[str]) -> str | None:
    if state.provider and not state.pending_replacement and state.provider not in provider_ids:
        try:
            parse_reference(state.provider)
        except ValueError as error:
            return str(error)
        return f"refers to the provider {state.provider}, which is not recorded before it"
    missing = state.needs() - seen
    if state.pending_replacement:
        missing.discard(state.provider.rpartition("::")[0])
    return f"refers to {min(missing)}, which is not recorded before it" if missing else None
