"""Changes of a checkpoint as a JSON document, without knowing what its resources mean.

Everything that a change is not about stays as it was written, members that this engine does not know
included. Pure; documents are changed in copies.
"""

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine import urns
from engine.errors import EngineError
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


def protect(resources: Sequence[Document], chosen: Collection[str] | None, *, wanted: bool) -> list[Document]:
    """Return the resources with the live ones among the chosen URNs protected, or not.

    None chooses all. EngineError for a URN that is none of theirs.
    """
    alive = [raw["urn"] for raw in resources if not raw.get("delete")]
    chosen = frozenset(alive if chosen is None else chosen)
    _refuse_unknown(chosen, alive)
    return [
        _with_protect(raw, wanted) if raw["urn"] in chosen and not raw.get("delete") else raw
        for raw in resources
    ]


def remove(
    resources: Sequence[Document],
    chosen: Iterable[str] | None,
    *,
    force: bool = False,
    dependents: bool = False,
) -> list[Document]:
    """Return the resources without those of the chosen URNs: the live one, else one waiting for its deletion.

    None chooses all. EngineError for a URN that is none of theirs, for what is protected unless by `force`,
    and for what others need unless these are to go too (`dependents`).
    """
    every = range(len(resources))
    doomed = set(every) if chosen is None else {_position(resources, urn) for urn in chosen}
    needing = _dependents(resources, doomed)
    if needing and not dependents:
        text = "".join(f"\n * {resources[index]['urn']}" for index in sorted(needing))
        roots = ", ".join(resources[index]["urn"] for index in sorted(doomed))
        raise EngineError(
            f"{roots} can't be safely deleted because the following resources depend on it:{text}\nDelete "
            "those resources first or pass --target-dependents"
        )
    doomed |= needing
    protected = [resources[index]["urn"] for index in sorted(doomed) if resources[index].get("protect")]
    if protected and not force:
        raise EngineError(
            f"{protected[0]} can't be safely deleted because it is protected. Re-run this command with "
            "--force to force deletion"
        )
    return [raw for index, raw in enumerate(resources) if index not in doomed]


def _with_protect(raw: Document, wanted: bool) -> Document:
    rest = {key: item for key, item in raw.items() if key != "protect"}
    return {**rest, "protect": True} if wanted else rest


def _position(resources: Sequence[Document], urn: str) -> int:
    found = [index for index, raw in enumerate(resources) if raw["urn"] == urn]
    _refuse_unknown([urn] if not found else (), [raw["urn"] for raw in resources])
    return next((index for index in found if not resources[index].get("delete")), found[0])


def _dependents(resources: Sequence[Document], roots: set[int]) -> set[int]:
    """Return where that is which needs one of the roots, directly or not: always behind what it needs."""
    gone = {resources[index]["urn"] for index in roots}
    found: set[int] = set()
    for index, raw in enumerate(resources):
        if index > min(roots, default=0) and index not in roots and not gone.isdisjoint(_needs(raw)):
            gone.add(raw["urn"])
            found.add(index)
    return found


def _needs(raw: Document) -> Iterable[str]:
    yield from (raw.get("parent") or "", raw.get("deletedWith") or "")
    yield (raw.get("provider") or "").rpartition("::")[0]
    yield from raw.get("dependencies") or ()
    yield from raw.get("replaceWith") or ()
    for urns_ in (raw.get("propertyDependencies") or {}).values():
        yield from urns_ or ()


def _refuse_unknown(chosen: Iterable[str], known: Sequence[str]) -> None:
    for urn in chosen:
        if urn not in known:
            similar = "".join(f"\n  {found}" for found in difflib.get_close_matches(urn, known))
            hint = f"\nDid you mean:{similar}" if similar else ""
            raise EngineError(
                f"No such resource {urn!r} exists in the current state{hint}\nTo see the list of URNs in a "
                "stack, use `stack --show-urns`"
            )


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
