"""What an event would change, before it does: steps with their differences, rights, and an id to approve by.

Pure. A plan is made of the steps that the engine announces for the state that the decision core would go to.
Its id is a digest of the stack's version and of what would change: as long as that stays so, the same event
makes the same plan, and the id says so without anything being stored.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from automation import rights
from automation.rights import Right

ID_PREFIX: Final = "plan-"
_ID_DIGITS: Final = 32


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One property that differs. `before` or `after` is None where there is nothing."""

    path: str
    """Such as `spec.template.spec.containers[0].image`."""
    before: Any
    after: Any
    replaces: bool = False
    """Whether it cannot be changed in place."""

    def as_json(self) -> dict[str, object]:
        """Return the fields of a plan's JSON."""
        return {"path": self.path, "before": self.before, "after": self.after, "replaces": self.replaces}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What would happen to one resource. Secrets in the inputs are masked."""

    op: str
    """In Pulumi's words: create, update, replace, delete, and others where they occur."""
    type: str
    """Pulumi's type, such as `kubernetes:batch/v1:Job`."""
    name: str
    """Its name in the program."""
    id: str
    """What the provider calls it, such as `namespace/name`; empty for what is to be created."""
    reason: str = ""
    """Why it would be replaced."""
    differences: tuple[Difference, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    """All inputs as they are; empty for what is to be created."""
    after: Mapping[str, Any] = field(default_factory=dict)
    """All inputs as they would be; empty for what is to be deleted."""

    def as_json(self) -> dict[str, object]:
        """Return the fields of a plan's JSON: of what is created all inputs, else what differs."""
        return {
            "op": self.op,
            "type": self.type,
            "name": self.name,
            "id": self.id or _object(self.after),
            **({"reason": self.reason} if self.reason else {}),
            **({"after": self.after} if not self.before else {}),
            "differences": [difference.as_json() for difference in self.differences],
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All steps of one update, and the version of the stack that they start from."""

    version: str
    steps: tuple[Step, ...]

    def id(self, names: Iterable[str]) -> str:
        """Return what the plan is approved by.

        `names` are texts that differ from one sending of an event to the next (a trace, ids that are made of
        the event's); two plans that differ in nothing else have one id.
        """
        # Recording a state may reorder a stack's resources, and so what would be deleted of them.
        steps = sorted(self.steps, key=lambda step: (step.type, step.name, step.op))
        text = json.dumps([self.version, [step.as_json() for step in steps]], sort_keys=True)
        for name in sorted(filter(None, names), key=len, reverse=True):
            # As a word of its own: an event called `e1` has nothing to do with a hash that has these digits.
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(json.dumps(name)[1:-1])}(?![A-Za-z0-9])", "*", text)
        return ID_PREFIX + hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]

    @property
    def counts(self) -> dict[str, int]:
        """How many steps there are, by what they do."""
        return dict(Counter(step.op for step in self.steps))

    def as_json(self) -> dict[str, object]:
        """Return steps, counts by kind, and the rights that accounts gain and lose."""
        before = {right for step in self.steps for right in rights.granted(step.before)}
        after = {right for step in self.steps for right in rights.granted(step.after)}
        return {
            "base_version": self.version,
            "changes": self.counts,
            "steps": [step.as_json() for step in self.steps],
            "rights_gained": _texts(after - before),
            "rights_lost": _texts(before - after),
        }


def _texts(found: set[Right]) -> list[str]:
    return sorted(map(str, found))


def _object(inputs: Mapping[str, Any]) -> str:
    """Return `namespace/name` of a Kubernetes object that is to be created, else nothing."""
    metadata = inputs.get("metadata")
    named = metadata if isinstance(metadata, Mapping) else {}
    return "/".join(str(named[key]) for key in ("namespace", "name") if named.get(key))
