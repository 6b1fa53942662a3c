"""What is sent for a create or an update, for ordinary resources and for patches."""

from typing import Any

from engine.kubernetes import apply, patches, state
from engine.kubernetes.addressing import Identity
from engine.kubernetes.settings import Settings
from engine.kubernetes.target import Target

Json = dict[str, Any]


def manager_of(urn: str, identity: Identity, document: Json, recorded: str | None) -> str:
    """Return the field manager that a resource is applied by."""
    if identity.patch:
        return patches.manager_of(urn, document, recorded)
    return apply.manager_of(document, recorded, state.new_manager())


def create(
    target: Target, document: Json, identity: Identity, settings: Settings, manager: str, deadline: float
) -> Json:
    """Create the object, or apply the patch, and return the object as the server has it.

    Raises ApiErrors and Unreachable.
    """
    if identity.patch:
        force = settings.patch_force or apply.forced(document)
        return patches.apply(target, document, manager=manager, previous=None, force=force)
    return apply.create(target, document, manager=manager, upsert=settings.upsert, deadline=deadline)


def update(
    target: Target,
    document: Json,
    live: Json,
    identity: Identity,
    settings: Settings,
    managers: tuple[str, str | None],
    ignored: tuple[str, ...],
) -> Json:
    """Bring the object to the document and return it as the server has it.

    `live` is the recorded object, `managers` are the one to apply by and the recorded one, `ignored` the
    paths of ignoreChanges. Raises ApiErrors and Unreachable.
    """
    manager, recorded = managers
    previous = recorded if recorded != manager else None
    force = settings.patch_force or apply.forced(document)
    if identity.patch:
        if ignored:
            document = apply.without_ignored(document, target.get(), ignored, manager)
        return patches.apply(target, document, manager=manager, previous=previous, force=force)
    return apply.update(
        target, document, live, manager=manager, previous=previous, force=force, ignored=ignored
    )
