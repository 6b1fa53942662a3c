"""Pure decisions of the lifecycle: what differs, what forces a replacement, which secrets outputs inherit."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Final

from engine import paths
from engine.goals import Goal
from engine.provider import DiffKind, DiffResult, Properties, PropertyDiff
from engine.state import ResourceState
from engine.values import UNKNOWN, Secret, contains_unknown, same, secret, unwrap

_INIT_ERROR: Final = "#initerror"
"""The property that stands for a resource's unfinished initialisation in replaceOnChanges."""


def settled(diff: DiffResult, old_inputs: Properties, news: Properties) -> DiffResult:
    """Return the provider's verdict; where it could not tell, one made by comparing the inputs."""
    return input_diff(old_inputs, news) if diff.changes is None else diff


def input_diff(old_inputs: Properties, news: Properties) -> DiffResult:
    """Compare inputs property by property, whether secret or not."""
    old, new = unwrap(old_inputs), unwrap(news)
    changed = tuple(key for key in {**old, **new} if not _both(old, new, key))
    detailed = {key: PropertyDiff(DiffKind.between(old, new, key), input_diff=True) for key in changed}
    return DiffResult(changes=bool(changed), diffs=changed, detailed=detailed)


def with_replacements(
    diff: DiffResult, replace_on_changes: Iterable[str], *, init_errors: bool
) -> DiffResult:
    """Turn changes under replaceOnChanges into replacements."""
    under = [paths.parse(path) for path in replace_on_changes]
    if not under or not (diff.changes or init_errors):
        return diff
    detailed = {
        path: PropertyDiff(item.kind.replacing, item.input_diff) if _covered(path, under) else item
        for path, item in diff.detailed.items()
    }
    keys = [key for key in (*diff.diffs, *diff.detailed) if _covered(key, under)]
    if init_errors and _covered(_INIT_ERROR, under):
        keys.append(_INIT_ERROR)
    return dataclasses.replace(
        diff,
        changes=diff.changes or bool(keys),
        replaces=tuple(dict.fromkeys((*diff.replaces, *keys))),
        detailed=detailed,
    )


def forced_by(old: ResourceState, goal: Goal, replaced: Iterable[str]) -> str | None:
    """Return what forces a replacement whatever the provider says: a mark, a partner, or the trigger."""
    if old.taint:
        return "id"
    done = set(replaced)
    if done.intersection(goal.replace_with):
        return "replaceWith"
    if goal.deleted_with in done:
        return "deletedWith"
    return "replacementTrigger" if _triggered(old.replacement_trigger, goal.replacement_trigger) else None


def with_unknowns(state: ResourceState, replaced: set[str]) -> Properties | None:
    """Return the inputs with those unknown that come from replaced resources; None if there are none."""
    affected = {
        key
        for key, needed in state.property_dependencies.items()
        if key in state.inputs and replaced.intersection(needed)
    }
    if not affected:
        return None
    return {key: UNKNOWN if key in affected else value for key, value in state.inputs.items()}


def with_secrets(outputs: Properties, state: ResourceState) -> Properties:
    """Mark outputs as secret that are declared so, or whose same-named input is."""
    marked = {
        key: secret(value) if key in state.additional_secret_outputs else value
        for key, value in outputs.items()
    }
    return marked_like(marked, state.inputs)


def marked_like(outputs: Properties, inputs: Properties) -> Properties:
    """Mark values as secret where the inputs of the same name are."""
    found = dict(outputs)
    for key, value in inputs.items():
        if key in found:
            if isinstance(value, Secret):
                found[key] = secret(found[key])
            elif isinstance(value, dict) and isinstance(found[key], dict):
                found[key] = marked_like(found[key], value)
    return found


def _triggered(old: Any, new: Any) -> bool:
    old, new = unwrap(old), unwrap(new)
    if contains_unknown(old) or contains_unknown(new):
        return True
    return old is not None and new is not None and not same(old, new)


def _covered(path: str, under: Iterable[paths.Path]) -> bool:
    try:
        steps = paths.parse(path)
    except ValueError:  # a provider's own notation; it names no property of the program
        return False
    return any(paths.covers(item, steps) for item in under)


def _both(old: Properties, new: Properties, key: str) -> bool:
    return key in old and key in new and same(old[key], new[key])
