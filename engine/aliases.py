"""Which other URNs a resource may be recorded under: its own aliases, and those implied by its parent's."""

from engine import urns
from engine.goals import Alias, Goal


def candidates(goal: Goal, *, stack: str, project: str, parent_alias: str | None) -> list[str]:
    """Return the possible old URNs, most likely first.

    `parent_alias` is the URN under which the parent was found, if that was not its present one.
    """
    own = [_collapsed(alias, goal, stack, project) for alias in goal.aliases]
    if not parent_alias:
        return list(dict.fromkeys(own))
    parent_name = urns.parse(goal.parent).name
    identities = [(goal.name, goal.type), *((urns.parse(urn).name, urns.parse(urn).type) for urn in own)]
    implied = [
        urns.inherited_alias(name=name, type_=type_, parent_name=parent_name, parent_alias=parent_alias)
        for name, type_ in identities
    ]
    return list(dict.fromkeys([*own, *implied]))


def _collapsed(alias: Alias, goal: Goal, stack: str, project: str) -> str:
    if alias.urn:
        return alias.urn
    parent = alias.parent or ("" if alias.no_parent else goal.parent)
    return urns.make(
        alias.stack or stack,
        alias.project or project,
        parent,
        alias.type or goal.type,
        alias.name or goal.name,
    )
