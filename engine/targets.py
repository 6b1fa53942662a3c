"""Which resources an operation may touch: what targets and excludes select, and what their dependents add."""

import re
from collections.abc import Collection, Iterable, Sequence

from engine.options import Options
from engine.state import ResourceState
from engine.urns import STACK_TYPE, is_provider_type


class Patterns:
    """URNs and patterns of URNs; `*` stands for any text without `:`, `**` for any text."""

    def __init__(self, texts: Iterable[str]) -> None:
        texts = tuple(texts)
        self.literals = tuple(text for text in texts if "*" not in text)
        """Those that name one resource, in the order given."""
        self._globs = tuple(re.compile(_expression(text)) for text in texts if "*" in text)
        self._known = frozenset(self.literals)

    def __bool__(self) -> bool:
        return bool(self.literals or self._globs)

    def match(self, urn: str) -> bool:
        """Say whether the URN is one of them."""
        if urn in self._known:
            return True
        return bool(self._globs) and any(glob.fullmatch(urn) for glob in self._globs)

    def unknown(self, known: Collection[str]) -> list[str]:
        """Return the URNs, not patterns, that are none of the known ones."""
        return [urn for urn in self.literals if urn not in known]


class Targets:
    """The selection of one operation.

    Resources are asked for in order of dependency, so that what is selected along with others is known when
    its own dependents are asked for. Thread-safe.
    """

    def __init__(self, options: Options) -> None:
        self.named = Patterns(options.targets)
        self.replaced = Patterns(options.replace)
        self.excluded = Patterns(options.excludes)
        self._with_dependents = options.target_dependents
        self._without_dependents = options.exclude_dependents
        self._reached: set[str] = set()  # targets, or excluded ones, so far: for their dependents
        self.limited = bool(self.named or self.excluded)
        """Whether anything is left out at all."""

    def covers(self, state: ResourceState) -> bool:
        """Say whether a resource may be changed. The stack and providers always may."""
        if not self.limited:
            return True
        return self._decide(state) or is_provider_type(state.type) or state.type == STACK_TYPE

    def readable(self, states: Iterable[ResourceState]) -> list[ResourceState]:
        """Return which recorded resources a refresh may read; `states` are in file order."""
        return [state for state in states if not self.limited or self._decide(state)]

    def deletable(self, states: Sequence[ResourceState]) -> set[str]:
        """Return the URNs of recorded resources that may be deleted, or would have to be with others.

        Of targets these are the targets and all that depends on them, of which `stray` tells whether that is
        allowed. What the excluded ones need may not be deleted. `states` are in file order.
        """
        if self.named:
            return dependents(states, {state.urn for state in states if self.named.match(state.urn)})
        kept = {state.urn for state in states if self.excluded.match(state.urn)}
        if self._without_dependents:
            kept = dependents(states, kept)
        kept = _needed(states, kept)
        return {state.urn for state in states} - kept

    def stray(self, urn: str) -> bool:
        """Say whether the deletion of a resource goes further than the targets allow."""
        return bool(self.named) and not self._with_dependents and not self.named.match(urn)

    def _decide(self, state: ResourceState) -> bool:
        by_target = bool(self.named)
        brings_along = self._with_dependents if by_target else self._without_dependents
        met = (self.named if by_target else self.excluded).match(state.urn)
        if met or (brings_along and not self._reached.isdisjoint(state.needs())):
            self._reached.add(state.urn)
            return by_target
        return not by_target


def dependents(states: Iterable[ResourceState], roots: set[str]) -> set[str]:
    """Return the roots and all that depends on them; `states` are in file order."""
    found = set(roots)
    for state in states:
        if not found.isdisjoint(state.needs()):
            found.add(state.urn)
    return found


def _needed(states: Sequence[ResourceState], roots: set[str]) -> set[str]:
    found = set(roots)
    for state in reversed(states):
        if state.urn in found:
            found |= state.needs()
    return found


def _expression(pattern: str) -> str:
    """Return the regular expression of a pattern."""
    return ".*".join("[^:]*".join(map(re.escape, part.split("*"))) for part in pattern.split("**"))


def unknown_target(urn: str) -> str:
    """Return what to tell about a target that neither the state nor the program has."""
    text = f"Target {urn!r} could not be found in the stack."
    return text if "$" in urn else f"{text} Did you forget to escape $ in your shell?"
