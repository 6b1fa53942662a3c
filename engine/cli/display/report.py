"""What is printed once an operation has ended: the changes in full, what was said, the outputs, the counts.

Pure: a board in, styled lines out.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from engine.cli.display import diff
from engine.cli.display.board import Board, Metadata
from engine.cli.display.tree import Choices
from engine.cli.display.words import REPLACEMENT_PARTS, changes_in_order, plural, wording
from engine.differences import Change, changes, reason
from engine.events import Op
from engine.paths import ABSENT
from engine.urns import STACK_TYPE

_HEAD = "bold magenta"


def ending(board: Board, choices: Choices, *, outputs: bool) -> list[Text]:
    """Return the closing sections; `outputs` says whether the stack's are among them."""
    found = diagnostics(board, choices)
    if outputs:
        found += output_lines(board)
    return found + summary(board)


def diagnostics(board: Board, choices: Choices) -> list[Text]:
    """Return everything that was said, by resource."""
    found: list[Text] = []
    for row in board:
        said = [m for m in row.lasting if (m.severity != "debug" or choices.debug) and m.text]
        if not said:
            continue
        found.append(
            Text(f"  {row.urn if choices.urns else f'{row.type} ({row.name})'}:", style="bright_blue")
        )
        for message in said:
            found += _message_lines(message.text, message.severity)
        found.append(Text())
    return [Text("Diagnostics:", style=_HEAD), *found] if found else []


def output_lines(board: Board) -> list[Text]:
    """Return the stack's outputs with what changes of them; nothing if there are none."""
    new, old = board.outputs, board.old_outputs
    if new is None or not (new or old):
        return []
    width = max(len(name) for name in {**new, **old})
    found = [
        _output(name.ljust(width), old.get(name, ABSENT), new.get(name, ABSENT), board)
        for name in sorted({**new, **old})
    ]
    return [Text("Outputs:", style=_HEAD), *found, Text()]


def summary(board: Board) -> list[Text]:
    """Return the counts by kind, and how long it took."""
    if board.summary is None:
        return []
    ordered = changes_in_order(board.summary.changes)
    found = [Text("Resources:", style=_HEAD)]
    for op, count in ordered:
        words = wording(op)
        text = f"{count} to {op}" if board.preview else f"{count} {words.done}"
        found.append(Text(f"    {words.sign.strip()} {text}", style=words.style))
    pieces = [plural(sum(count for _, count in ordered), "change")] if len(ordered) > 1 else []
    same = board.summary.changes.get(Op.SAME, 0)
    pieces += [f"{same} unchanged"] if same else []
    found += [Text(f"    {'. '.join(pieces)}")] if pieces else []
    found += [Text(f"    {board.errors} errored", style="red")] if board.errors else []
    if not board.preview:
        found += [
            Text(),
            Text("Duration: ", style=_HEAD).append(_duration(board.summary.seconds), style="default"),
        ]
    return [*found, Text()]


def differences(board: Board, choices: Choices) -> list[Text]:
    """Return the rich diff: every step with its properties, old and new, and why something is replaced."""
    found: list[Text] = []
    for step in board.steps:
        if _in_diff(step, choices):
            found += _step_lines(step, _depth(board, step))
    return found


def configuration(shown: Mapping[str, str]) -> list[Text]:
    """Return the configuration of a run, as it may be shown."""
    return [Text("Configuration:", style="dim"), *(Text(f"    {key}: {text}") for key, text in shown.items())]


def _message_lines(text: str, severity: str) -> Iterator[Text]:
    style = {"error": "red", "warning": "yellow"}.get(severity, "default")
    prefix = "" if severity.startswith("info") else f"{severity}: "
    for index, line in enumerate(text.rstrip().split("\n")):
        yield Text(f"    {prefix if index == 0 else ''}{line}".rstrip(), style=style)


def _output(name: str, old: Any, new: Any, board: Board) -> Text:
    change = Change(name, old, new)
    if old is ABSENT:
        fresh = board.rows[board.stack_urn].op == Op.CREATE
        return Text(
            f"  {' ' if fresh else '+'} {name}: {diff.shown(new)}", style="default" if fresh else "green"
        )
    if new is ABSENT:
        return Text(f"  - {name}: {diff.shown(old)}", style="red")
    if old == new:
        return Text(f"    {name}: {diff.shown(new)}")
    return Text(f"  {change.sign} {name}: {diff.shown(old)} => {diff.shown(new)}", style="yellow")


def _in_diff(step: Metadata, choices: Choices) -> bool:
    if step["op"] in (Op.SAME, Op.REFRESH):
        return choices.show_sames and step["op"] == Op.SAME and step["type"] != STACK_TYPE
    if step["op"] in (Op.READ, Op.READ_REPLACEMENT):
        return choices.show_reads
    return step["op"] not in REPLACEMENT_PARTS or choices.show_replacement_steps


def _step_lines(step: Metadata, depth: int) -> list[Text]:
    words = wording(step["op"])
    indent = "    " * depth
    state = step.get("new") or step.get("old") or {}
    found = [
        Text(
            f"{indent}{words.sign.rstrip()} {step['type']}: ({words.planned or step['op']})",
            style=words.style,
        )
    ]
    identity = (step.get("old") or {}).get("id") or state.get("id")
    found += [Text(f"{indent}    [id={identity}]", style="dim")] if identity else []
    found.append(Text(f"{indent}    [urn={step['urn']}]", style="dim"))
    why = reason(step)
    found += [Text(f"{indent}    [replaced because {why}]", style="magenta")] if why else []
    if step["op"] == Op.CREATE:
        found += [Text(f"{indent}    {line}") for line in _properties(state.get("inputs") or {})]
    for change in changes(step):
        found += _change_lines(change, indent)
    return found


def _change_lines(change: Change, indent: str) -> Iterator[Text]:
    style = {"+": "green", "-": "red", "~": "yellow"}[change.sign]
    for index, line in enumerate(diff.lines(change)):
        mark = change.sign if index == 0 else " "
        note = "  (replaces)" if change.replaces and index == 0 else ""
        yield Text(f"{indent}  {mark} {line}{note}", style=style)


def _properties(value: Mapping[str, Any]) -> Iterator[str]:
    shown = {name: item for name, item in value.items() if not name.startswith("__")}
    width = max(map(len, shown), default=0)
    for name, item in shown.items():
        yield f"{name.ljust(width)}: {diff.shown(item)}"


def _depth(board: Board, step: Metadata) -> int:
    depth, urn = 0, step["urn"]
    while urn in board.rows and urn != board.stack_urn and depth < len(board.rows):
        depth, urn = depth + 1, board.rows[urn].parent
    return depth


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{f'{hours}h' if hours else ''}{f'{minutes}m' if hours or minutes else ''}{rest}s"
