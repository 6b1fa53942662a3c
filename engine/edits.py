"""Changes of a checkpoint as a JSON document, without knowing what its resources mean.

Everything that a change is not about stays as it was written, members that this engine does not know
included. Pure; documents are changed in copies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine import urns
from engine.names import StackRef
from engine.specials import OUTPUT, RESOURCE, SECRET, SIGNATURE
from engine.urns import Urn

Document = dict[str, Any]


def change_secrets(value: Any, change: Callable[[Document], Document]) -> Any:
    """Return the value with every secret in it, `{signature, ciphertext or plaintext}`, changed."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return change(value)
        return {key: change_secrets(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [change_secrets(item, change) for item in value]
    return value


def rename(checkpoint: Document, old: StackRef, new: StackRef) -> Document:
    """Return the checkpoint file of one stack as that of another: every URN of it is rewritten.

    URNs inside encrypted secrets stay, as Pulumi leaves them.
    """
    renamer = _Renamer(old, new)
    body = {**(checkpoint.get("checkpoint") or {}), "stack": new.full_name}
    latest = body.get("latest")
    if latest:
        latest = dict(latest)
        if latest.get("resources"):
            latest["resources"] = [renamer.resource(item) for item in latest["resources"]]
        if latest.get("pending_operations"):
            latest["pending_operations"] = [
                {**item, "resource": renamer.resource(item["resource"])}
                for item in latest["pending_operations"]
            ]
        body["latest"] = latest
    return {**checkpoint, "checkpoint": body}


@dataclass(frozen=True)
class _Renamer:
    old: StackRef
    new: StackRef

    def resource(self, raw: Document) -> Document:
        state = dict(raw)
        for name in ("urn", "parent", "deletedWith", "viewOf"):
            if state.get(name):
                state[name] = self.urn(state[name])
        for name in ("dependencies", "replaceWith", "aliases"):
            if state.get(name):
                state[name] = [self.urn(item) for item in state[name]]
        if state.get("propertyDependencies"):
            state["propertyDependencies"] = {
                key: [self.urn(item) for item in found or ()]
                for key, found in state["propertyDependencies"].items()
            }
        if state.get("provider"):
            urn, separator, id_ = state["provider"].rpartition("::")
            state["provider"] = f"{self.urn(urn)}{separator}{id_}"
        for name in ("inputs", "outputs", "replacementTrigger"):
            if name in state:
                state[name] = self.value(state[name])
        return state

    def urn(self, text: str) -> str:
        try:
            urn = urns.parse(text)
        except ValueError:
            return text
        if (urn.stack, urn.project) != (self.old.name, self.old.project):
            return text
        name = f"{self.new.project}-{self.new.name}" if urn.qualified_type == urns.STACK_TYPE else urn.name
        return str(Urn(self.new.name, self.new.project, urn.qualified_type, name))

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            return value
        kind = value.get(SIGNATURE)
        if kind == RESOURCE and isinstance(value.get("urn"), str):
            return {**value, "urn": self.urn(value["urn"])}
        changed = {key: self.value(item) for key, item in value.items()}
        if kind == OUTPUT and isinstance(value.get("dependencies"), list):
            changed["dependencies"] = [self.urn(item) for item in value["dependencies"]]
        return changed
