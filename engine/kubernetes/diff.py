"""The difference between what was applied and what is wanted, computed from the state alone.

The last live object is cut down to the shape of the last inputs, both sides are brought into normal form, and
what then differs from the new inputs is the change. No call to the API server is made: drift shows after a
refresh.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine import paths
from engine.kubernetes.normal import normal
from engine.kubernetes.replacement import Path, replaces, replacing_fields
from engine.provider import DiffKind, DiffResult, PropertyDiff
from engine.values import Unknown, contains_unknown

Json = dict[str, Any]

SERVER_METADATA = frozenset(
    (
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "uid",
    )
)
"""Metadata that only the API server writes; never part of inputs."""

AUTONAMED = "pulumi.com/autonamed"
"""Annotation of objects whose name was made up by the provider."""

_MISSING: Any = object()


@dataclass(frozen=True)
class Change:
    """One difference: where, `add`, `update` or `delete`."""

    path: Path
    kind: str


def prune(live: Any, shape: Any) -> Any:
    """Return the parts of `live` that `shape` has too.

    Common keys, and list items up to the shorter length.
    """
    if isinstance(live, dict) and isinstance(shape, dict):
        return {key: prune(value, shape[key]) for key, value in live.items() if key in shape}
    if isinstance(live, list) and isinstance(shape, list):
        return [prune(value, item) for value, item in zip(live, shape, strict=False)]
    return live


def changes(base: Any, new: Any, old: Any = _MISSING, path: Path = ()) -> Iterator[Change]:
    """Yield how `new` differs from `base`, in order of keys.

    `old` are the inputs that led to `base`: what the server dropped of them (a misspelt field) and what
    stands unchanged in `new` is no difference.
    """
    if base is _MISSING:
        if not (old is not _MISSING and equal(old, new)):
            yield Change(path, "add")
    elif new is _MISSING:
        yield Change(path, "delete")
    elif isinstance(base, dict) and isinstance(new, dict):
        for key in sorted(base.keys() | new.keys()):
            yield from changes(base.get(key, _MISSING), new.get(key, _MISSING), _item(old, key), (*path, key))
    elif isinstance(base, list) and isinstance(new, list):
        for index in range(max(len(base), len(new))):
            items = (_item(base, index), _item(new, index), _item(old, index))
            yield from changes(*items, (*path, index))
    elif not equal(base, new):
        yield Change(path, "update")


def equal(left: Any, right: Any) -> bool:
    """Say whether two values are equal as JSON: 1 is 1.0 but not true; UNKNOWN equals nothing."""
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def path_text(path: Path) -> str:
    """Write a path as Pulumi does: `spec.containers[0].image`, `metadata.labels["a.b/c"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part or any(character in part for character in '."[]'):
            escaped = part.replace('"', '\\"')
            text += f'["{escaped}"]'
        else:
            text += f".{part}" if text else part
    return text


def compare(
    *,
    old_inputs: Json,
    live: Json,
    news: Json,
    namespaced: bool,
    mutable_data: bool = False,
    ignored: tuple[str, ...] = (),
    force_replace: bool = False,
    patch: bool = False,
) -> DiffResult:
    """Return the verdict on a recorded object against new checked inputs; all three with secrets unwrapped.

    `old_inputs` are the state's `__inputs`, `live` is the state's object without the keys that start with
    `__`, `ignored` the paths of ignoreChanges, `force_replace` asks for a replacement whatever the
    difference, `patch` says that it is a Patch resource, which only another object replaces.
    """
    old = normal(_without_server_metadata(old_inputs))
    new = _canonical(normal(_without_server_metadata(news)), namespaced)
    base = _canonical(normal(prune(live, old)), namespaced)
    if name := (live.get("metadata") or {}).get("name"):
        base.setdefault("metadata", {})["name"] = name
    skipped = tuple(map(paths.parse, ignored))
    found = [change for change in changes(base, new, old) if not _is_ignored(change.path, skipped)]
    kind = str(news.get("kind", ""))
    fields = replacing_fields(str(news.get("apiVersion", "")), kind, mutable_data=mutable_data, patch=patch)
    replacing = _Replacing(fields, "" if patch else kind, force_replace)
    return _verdict(found, replacing, deletes_first=_same_identity(live, news, namespaced))


@dataclass(frozen=True)
class _Replacing:
    """What replaces an object: changes of these fields of this kind, or anything where it is `forced`."""

    fields: tuple[Path, ...]
    kind: str
    forced: bool

    def by(self, change: Change) -> bool:
        return replaces(change.path, self.fields, self.kind, deleted=change.kind == "delete")


def _verdict(found: list[Change], replacing: _Replacing, *, deletes_first: bool) -> DiffResult:
    detailed: dict[str, PropertyDiff] = {}
    replaced: list[str] = []
    for change in found:
        text = path_text(change.path)
        by_this = replacing.by(change)
        if by_this:
            replaced.append(text)
        detailed[text] = PropertyDiff(
            DiffKind(change.kind + "-replace" * by_this), input_diff=change.kind == "delete"
        )
    if replacing.forced and not replaced:
        replaced.append("metadata.annotations")
    return DiffResult(
        changes=bool(found or replaced),
        replaces=tuple(replaced),
        diffs=tuple(dict.fromkeys(str(change.path[0]) for change in found)),
        detailed=detailed,
        delete_before_replace=bool(replaced) and deletes_first,
    )


def _same_identity(live: Json, news: Json, namespaced: bool) -> bool:
    """Say whether a replacement would have the old object's name: then the old one has to go first."""
    old, new = live.get("metadata") or {}, news.get("metadata") or {}
    if contains_unknown([new.get("name"), new.get("namespace")] if isinstance(new, dict) else new):
        return False
    if not new.get("name") or (new.get("annotations") or {}).get(AUTONAMED) == "true":
        return False
    same_namespace = not namespaced or (old.get("namespace") or "default") == (
        new.get("namespace") or "default"
    )
    return bool(old.get("name") == new["name"] and same_namespace)


def _canonical(document: Json, namespaced: bool) -> Json:
    """Write the namespace out; drop it where the kind has none."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return document
    rest = {key: value for key, value in metadata.items() if key != "namespace"}
    if namespaced:
        rest["namespace"] = metadata.get("namespace") or "default"
    return {**document, "metadata": rest}


def _without_server_metadata(document: Json) -> Json:
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return document
    return {**document, "metadata": {k: v for k, v in metadata.items() if k not in SERVER_METADATA}}


def _item(container: Any, key: str | int) -> Any:
    if isinstance(key, str):
        return container.get(key, _MISSING) if isinstance(container, dict) else _MISSING
    return container[key] if isinstance(container, list) and key < len(container) else _MISSING


def _is_ignored(path: Path, ignored: tuple[paths.Path, ...]) -> bool:
    """Say whether the path is one of the ignored ones or below it."""
    return any(paths.covers(one, path) for one in ignored)
