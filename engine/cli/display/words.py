"""Pulumi's words, signs and colours for steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.events import Op


@dataclass(frozen=True)
class Wording:
    """How one kind of step is shown."""

    sign: str
    """Two characters that stand before the resource."""
    planned: str
    running: str
    done: str
    failed: str
    style: str
    """A style of rich."""


WORDS: Final[Mapping[str, Wording]] = {
    Op.SAME: Wording("  ", "", "", "", "failed", "dim"),
    Op.CREATE: Wording("+ ", "create", "creating", "created", "creating failed", "green"),
    Op.UPDATE: Wording("~ ", "update", "updating", "updated", "updating failed", "yellow"),
    Op.DELETE: Wording("- ", "delete", "deleting", "deleted", "deleting failed", "red"),
    Op.REPLACE: Wording("+-", "replace", "replacing", "replaced", "replacing failed", "magenta"),
    Op.CREATE_REPLACEMENT: Wording(
        "++", "create replacement", "creating replacement", "created replacement", "creating failed", "green"
    ),
    Op.DELETE_REPLACED: Wording(
        "--", "delete original", "deleting original", "deleted original", "deleting failed", "red"
    ),
    Op.READ: Wording("> ", "read", "reading", "read", "reading failed", "cyan"),
    Op.READ_REPLACEMENT: Wording(
        ">>",
        "read for replacement",
        "reading for replacement",
        "read for replacement",
        "reading failed",
        "cyan",
    ),
    Op.REFRESH: Wording("~ ", "refresh", "refreshing", "refreshed", "refreshing failed", "yellow"),
    Op.DISCARD: Wording("< ", "discard", "discarding", "discarded", "discarding failed", "red"),
    Op.DISCARD_REPLACED: Wording(
        "<<", "discard original", "discarding original", "discarded original", "discarding failed", "magenta"
    ),
    "import": Wording("= ", "import", "importing", "imported", "importing failed", "cyan"),
    "import-replacement": Wording(
        "=>",
        "import replacement",
        "importing replacement",
        "imported replacement",
        "importing failed",
        "cyan",
    ),
    Op.REMOVE_PENDING_REPLACE: Wording("~ ", "", "", "", "", "dim"),
}

REPLACEMENT_PARTS: Final = frozenset(
    {
        Op.CREATE_REPLACEMENT.value,
        Op.DELETE_REPLACED.value,
        Op.READ_REPLACEMENT.value,
        Op.DISCARD_REPLACED.value,
        "import-replacement",
    }
)
"""Steps of a replacement that are shown as one `replace` unless they are asked for."""

_SUMMARY: Final = ("create", "update", "delete", "replace", "refresh", "discard", "import")
"""Kinds of steps that a summary counts as changes, in its order; reads are none."""


def wording(op: str) -> Wording:
    """Return how a kind of step is shown; one that is not known here goes by its own name."""
    known = WORDS.get(op)
    return known or Wording("? ", op, op, op, f"{op} failed", "default")


def changes_in_order(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the counted changes in the order of a summary, without zeros, sames and reads."""
    unchanged = {Op.SAME.value, Op.READ.value}
    order = [*_SUMMARY, *(op for op in counts if op not in _SUMMARY and op not in unchanged)]
    return [(op, counts[op]) for op in order if counts.get(op)]


def plural(count: int, noun: str) -> str:
    """Return `1 change`, `2 changes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
