"""The tree of resources as lines: sign, type under its parent, name, status, and what there is to say.

Pure: a board and a moment in, styled lines out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.text import Text

from engine.cli.display import diff
from engine.cli.display.board import Board, Row
from engine.cli.display.words import REPLACEMENT_PARTS, plural, wording
from engine.differences import reason
from engine.events import Op

_SEVERITIES = (("error", "error", "red"), ("warning", "warning", "yellow"), ("info", "message", "default"))
_GAP = "  "


@dataclass(frozen=True)
class Choices:
    """What the user wants to see."""

    show_sames: bool = False
    show_reads: bool = False
    show_replacement_steps: bool = False
    urns: bool = False
    debug: bool = False


def lines(board: Board, now: float, choices: Choices, *, height: int | None = None) -> list[Text]:
    """Return the tree, the header first.

    With a `height`, at most so many lines: resources that are done make room for those at work.
    """
    shown = _with_ancestors(board, [row for row in board if visible(row, board, choices)])
    fitted = _fitted(board, shown, height)
    cells = [_header(board, choices), *_cells(board, fitted, now, choices)]
    widths = [max(row[column].cell_len for row in cells) for column in range(len(cells[0]))]
    found = [_line(row, widths) for row in cells]
    if len(fitted) < len(shown):
        found.append(Text(f"     … and {len(shown) - len(fitted)} more", style="dim"))
    return found


def line(row: Row, board: Board, now: float, choices: Choices) -> Text:
    """Return one resource as a line of a log."""
    name = row.urn if choices.urns else f"{row.type} {row.name}"
    parts = (
        _sign(row, board, choices),
        Text(name),
        status(row, board, now, choices),
        info(row, board, choices),
    )
    return Text(" ").append_text(Text(" ").join(part for part in parts if part.plain))


def visible(row: Row, board: Board, choices: Choices) -> bool:
    """Say whether a resource is worth a line for its own sake."""
    if row.urn == board.stack_urn or row.failed or any(_is_shown(m.severity, choices) for m in row.lasting):
        return True
    if row.op == Op.REFRESH:  # what a refresh finds is told by the step that follows
        return row.running and not board.done
    if row.op == Op.SAME:
        return choices.show_sames or _protection_changed(row.metadata or {})
    return choices.show_reads if row.op in (Op.READ, Op.READ_REPLACEMENT) else True


def status(row: Row, board: Board, now: float, choices: Choices) -> Text:
    """Return what is being or was done to the resource, and how long it took."""
    op = _shown_op(row, board, choices)
    words = wording(op)
    if row.urn == board.stack_urn and op == Op.SAME:
        return Text("" if board.done else "running")
    if row.failed:
        return Text(f"**{words.failed}**", style="bold red")
    if board.preview or row.metadata is None:
        return Text("" if row.metadata is None else words.planned, style=words.style)
    if row.running:
        return _unfinished(row, board, now, words.running, words.style)
    if op == Op.SAME or row.began is None or row.ended is None:
        return Text(words.done, style=words.style)
    return Text(f"{words.done} ({_seconds(row.ended - row.began)})", style=words.style)


def info(row: Row, board: Board, choices: Choices) -> Text:
    """Return what differs and why, then how much was said, or what was said last while it is at work."""
    parts = []
    if row.why is not None and row.op != Op.SAME:
        short = diff.short(row.why)
        parts += [Text(f"[diff: {short}]")] if short else []
        why = reason(row.why)
        parts += [Text(why, style="magenta")] if why else []
    parts += _counts(row) if board.done else _last_message(row, choices)
    return Text("; ").join(parts)


def _with_ancestors(board: Board, rows: Iterable[Row]) -> list[Row]:
    wanted = set()
    for row in rows:
        urn = row.urn
        while urn in board.rows and urn not in wanted:
            wanted.add(urn)
            urn = board.rows[urn].parent
    return [row for row in board if row.urn in wanted]


def _fitted(board: Board, rows: list[Row], height: int | None) -> list[Row]:
    room = len(rows) if height is None else max(height - 2, 1)
    if len(rows) <= room:
        return rows
    urgent = sorted(rows, key=lambda row: (row.urn != board.stack_urn, not row.running, not row.failed))
    chosen = {row.urn for row in urgent[:room]}
    return [row for row in rows if row.urn in chosen]


def _cells(board: Board, rows: list[Row], now: float, choices: Choices) -> list[list[Text]]:
    children: dict[str, list[Row]] = {}
    known = {row.urn for row in rows}
    for row in rows:
        if row.urn != board.stack_urn:
            children.setdefault(row.parent if row.parent in known else board.stack_urn, []).append(row)
    found: list[list[Text]] = []

    def add(row: Row, before: str, inside: str) -> None:
        found.append(_row_cells(row, board, now, choices, before))
        below = children.get(row.urn, [])
        for child in below:
            last = child is below[-1]
            add(child, f"{inside}{'└─ ' if last else '├─ '}", f"{inside}{'   ' if last else '│  '}")

    add(board.rows[board.stack_urn], "", "")
    return found


def _row_cells(row: Row, board: Board, now: float, choices: Choices, branch: str) -> list[Text]:
    names = [Text(branch + row.urn)] if choices.urns else [Text(branch + row.type), Text(row.name)]
    return [
        _sign(row, board, choices),
        *names,
        status(row, board, now, choices),
        info(row, board, choices),
    ]


def _header(board: Board, choices: Choices) -> list[Text]:
    names = ["URN"] if choices.urns else ["Type", "Name"]
    titles = ["", *names, "Plan" if board.preview else "Status", "Info"]
    return [Text(title, style="bold blue") for title in titles]


def _line(cells: list[Text], widths: list[int]) -> Text:
    found = Text(" ")
    for cell, width in zip(cells, widths, strict=True):
        found.append_text(cell).append(" " * (width - cell.cell_len)).append(_GAP)
    found.rstrip()
    return found


def _sign(row: Row, board: Board, choices: Choices) -> Text:
    words = wording(_shown_op(row, board, choices))
    return Text(words.sign, style=words.style)


def _shown_op(row: Row, board: Board, choices: Choices) -> str:
    merged = (board.preview or board.done) and not choices.show_replacement_steps and not row.failed
    return Op.REPLACE.value if merged and row.op in REPLACEMENT_PARTS else row.op


def _unfinished(row: Row, board: Board, now: float, text: str, style: str) -> Text:
    if not board.done:
        began = now if row.began is None else row.began
        return Text(f"{text} ({int(now - began)}s)" if text else "", style=style)
    custom = ((row.metadata or {}).get("new") or (row.metadata or {}).get("old") or {}).get("custom")
    return Text(f"{text} (interrupted)" if custom and text else "", style="yellow")


def _counts(row: Row) -> list[Text]:
    found = []
    for severity, noun, style in _SEVERITIES:
        count = row.count(severity) + (row.count("info#err") if severity == "info" else 0)
        found += [Text(plural(count, noun), style=style)] if count else []
    return found


def _last_message(row: Row, choices: Choices) -> list[Text]:
    said = [m for m in row.messages if _is_shown(m.severity, choices)]
    errors = [m for m in said if m.severity == "error"]
    for message in (errors or said)[-1:]:
        first = message.text.strip().split("\n")[0]
        prefix = "" if message.severity.startswith("info") else f"{message.severity}: "
        return [Text(prefix + first, style="red" if errors else "default")]
    return []


def _is_shown(severity: str, choices: Choices) -> bool:
    return severity != "debug" or choices.debug


def _protection_changed(metadata: Mapping[str, object]) -> bool:
    old, new = metadata.get("old"), metadata.get("new")
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return False
    return bool(old.get("protect")) != bool(new.get("protect"))


def _seconds(duration: float) -> str:
    return f"{duration:.2f}s" if duration < 1 else f"{int(duration)}s"
