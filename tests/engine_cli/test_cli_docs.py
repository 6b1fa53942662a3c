"""docs/cli.md says what there is: every command, alias, flag and exit code, and none that there is not."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from engine.cli import arguments
from engine.cli.arguments import Parser
from engine.cli.errors import Exit
from engine.cli.main import COMMANDS

TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
OPERATIONS = ("up", "preview", "refresh", "destroy")


def section(title: str) -> list[list[str]]:
    """The cells of all tables below a title, without their heads."""
    body = TEXT.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set(row[0]) <= set("-")]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def commands(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, list[str], Parser]]:
    """Each command with its other names and its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            names: dict[int, list[str]] = {}
            for name, sub in action.choices.items():
                names.setdefault(id(sub), []).append(name)
            for name, sub in action.choices.items():
                if names[id(sub)][0] == name:
                    full = f"{path} {name}".strip()
                    yield full, names[id(sub)][1:], sub
                    yield from commands(sub, full)


TREE = {name: (aliases, parser) for name, aliases, parser in commands(arguments.parser("engine"))}
GLOBAL = {tuple(quoted(row[0])) for row in section("Flags") if len(row) == 2 and quoted(row[0])}


def flags(parser: Parser) -> set[tuple[str, ...]]:
    return {tuple(action.option_strings) for action in parser._actions if action.option_strings}


def test_the_documented_commands_are_those_that_there_are() -> None:
    documented = {quoted(row[0])[0]: quoted(row[1]) for row in section("Commands") if quoted(row[0])}

    assert documented == {name: aliases for name, (aliases, _) in TREE.items()}


def test_every_command_is_carried_out_by_something() -> None:
    named = {parser.get_default("command") for _, parser in TREE.values()}

    assert named - {""} == set(COMMANDS)


def test_every_command_takes_the_global_flags() -> None:
    for name, (_, parser) in TREE.items():
        assert flags(parser) >= GLOBAL, name


def test_the_documented_flags_are_those_that_there_are() -> None:
    documented: dict[str, set[tuple[str, ...]]] = {name: set() for name in TREE}
    for row in section("Flags"):
        if len(row) == 3 and quoted(row[0]):
            for name in quoted(row[1]) or OPERATIONS:
                documented[name].add(tuple(quoted(row[0])))
    for short in ("export", "import", "history", "outputs"):
        documented[short] = documented[f"stack {short.removesuffix('s')}"]

    assert documented == {name: flags(parser) - GLOBAL for name, (_, parser) in TREE.items()}


def test_the_documented_exit_codes_are_those_that_there_are() -> None:
    documented = {int(row[0]) for row in section("Exit codes") if row[0].isdigit()}

    assert documented == {code.value for code in Exit}
