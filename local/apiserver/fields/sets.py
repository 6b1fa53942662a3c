"""Sets of field paths, in the very form in which `managedFields` shows them (fieldsV1).

A set is a tree of dictionaries. Keys are `f:name` for fields, `k:{"name":"x"}` for items of keyed lists and
`v:"x"` for items of sets; a node is itself a member of the set if it is empty or has the key `.`. At the root
an empty dictionary is the empty set. Functions return new trees that may share parts with their arguments; no
tree is ever changed in place.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

FieldSet = dict[str, Any]
LEAF: Final[FieldSet] = {}


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths that are in either set."""
    if not left or not right:
        return left or right
    return _union(left, right)


def _union(left: FieldSet, right: FieldSet) -> FieldSet:
    if left is right:
        return left
    if not left or not right:
        node = left or right
        return node if not node or "." in node else {".": LEAF, **node}
    merged = dict(left)
    for key, child in right.items():
        known = merged.get(key)
        merged[key] = child if known is None else _union(known, child)
    return merged


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths of `left` that are not in `right`; only equal paths count, not what is below them."""
    if not left or not right:
        return left
    return _difference(left, right) or {}


def _difference(left: FieldSet, right: FieldSet) -> FieldSet | None:
    """Return what stays of a node, None where nothing does."""
    if not left:
        return None if is_member(right) else left
    rest = {}
    for key, child in left.items():
        other = right.get(key)
        if key == ".":
            if not is_member(right):
                rest[key] = child
        elif other is None:
            rest[key] = child
        else:
            kept = _difference(child, other)
            if kept is not None:
                rest[key] = kept
    if len(rest) == 1 and "." in rest:
        return LEAF
    return rest or None


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths that are in both sets."""
    if not left or not right:
        return {}
    return _children_of_both(left, right)


def _children_of_both(left: FieldSet, right: FieldSet) -> FieldSet:
    both = {}
    for key, child in left.items():
        other = right.get(key)
        if key != "." and other is not None:
            below = _children_of_both(child, other)
            member = is_member(child) and is_member(other)
            if member:
                both[key] = {".": LEAF, **below} if below else LEAF
            elif below:
                both[key] = below
    return both


def is_member(node: FieldSet) -> bool:
    """Say whether a node below the root is itself in the set."""
    return not node or "." in node


def without(fields: FieldSet, *path: str) -> FieldSet:
    """Return the set without one path and everything below it."""
    head, *rest = path
    child = fields.get(head)
    if child is None:
        return fields
    result = {key: value for key, value in fields.items() if key != head}
    if rest and child:
        kept = without(child, *rest)
        if kept:
            result[head] = kept
    return result


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """Yield every path of the set as error texts write it: `.spec.containers[name="x"].image`."""
    for key, child in fields.items():
        if key != ".":
            path = prefix + _element(key)
            if is_member(child):
                yield path
            yield from paths(child, path)


def _element(key: str) -> str:
    if key.startswith("f:"):
        return f".{key[2:]}"
    if key.startswith("k:"):
        return (
            "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in json.loads(key[2:]).items()) + "]"
        )
    return f"[={key[2:]}]"
