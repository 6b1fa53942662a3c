"""The command line's words: commands and their aliases, all of them Pulumi's where it has them.

Only says what there is; `main` does it. docs/cli.md describes the same tree, and a test compares them.
"""

import argparse
import difflib
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from engine.cli import flags
from engine.cli.errors import misused
from engine.cli.flags import Flag

DEFAULTS: Final = {
    "stack": "",
    "cwd": "",
    "backend": "",
    "color": "auto",
    "non_interactive": False,
    "verbose": False,
    "config_file": "",
}
"""What the global flags are where they are not given."""


class Parser(argparse.ArgumentParser):
    """Reports mistakes as errors of this program, and takes no abbreviated flags."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})  # type: ignore[arg-type]

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the namespace; what nobody knows is an error of the command that it was given to."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            parser: Parser = found.parser
            parser.error(f"unrecognized arguments: {' '.join(unknown)}{parser.meant(unknown[0])}")
        return found

    def meant(self, word: str) -> str:
        """Return a question for the flag that a mistyped one resembles; empty if it resembles none."""
        near = difflib.get_close_matches(word, self._option_string_actions, 1)
        return f"; did you mean {near[0]}?" if near else ""

    def error(self, message: str) -> NoReturn:
        """Raise the error for wrong flags."""
        raise misused(f"{message}\n{self.format_usage().rstrip()}\nSee `{self.prog} --help`")


@dataclass(frozen=True)
class _Command:
    name: str
    text: str
    flags: tuple[Flag, ...] = ()
    aliases: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()
    """Flags of which one may be given."""


_OPERATIONS: Final = (
    _Command(
        "up",
        "create or update the resources of a stack",
        (*flags.OPERATION, *flags.CONFIRMED, *flags.CHANGING, *flags.UPDATING),
        ("update",),
    ),
    _Command(
        "preview",
        "show what `up` would do",
        (*flags.OPERATION, *flags.CHANGING, *flags.UPDATING),
        ("pre",),
    ),
    _Command(
        "refresh",
        "record what the resources are now",
        (*flags.OPERATION, *flags.CONFIRMED, *flags.REFRESH),
    ),
    _Command(
        "destroy",
        "delete the resources of a stack",
        (*flags.OPERATION, *flags.CONFIRMED, *flags.CHANGING, *flags.DESTROY),
        ("down", "dn"),
    ),
)

_SHARED: Final = (
    ("export", _Command("export", "print the state", flags.EXPORT)),
    ("import", _Command("import", "replace the state by an exported one", flags.IMPORT)),
    ("outputs", _Command("output", "print the stack's outputs", flags.OUTPUT)),
    ("history", _Command("history", "print what was done to the stack", flags.HISTORY, ("hist",))),
)
"""Commands of `stack` that may also be called without it, by that name."""

_STACK: Final = (
    _Command("ls", "list stacks", flags.LS, ("list",)),
    _Command(
        "init",
        "create an empty stack and select it",
        (flags.STACK_NAME, flags.switch("--no-select", "do not select it")),
        ("new", "create"),
    ),
    _Command("rm", "remove a stack, its history and its file", flags.RM, ("remove",)),
    _Command(
        "rename", "rename a stack", (Flag(("new_name",), "its new name", {"metavar": "new-stack-name"}),)
    ),
    _Command(
        "select",
        "make a stack the current one",
        (flags.STACK_NAME, flags.switch("-c --create", "create it if there is none")),
    ),
    _Command("unselect", "select no stack"),
    *(command for _, command in _SHARED),
)

_STATE: Final = (
    _Command("protect", "protect resources against deletion", flags.STATE_EDIT),
    _Command("unprotect", "allow the deletion of resources", flags.STATE_EDIT),
    _Command(
        "remove",
        "forget resources, which stay as they are",
        (*flags.STATE_EDIT, *flags.STATE_REMOVE),
        ("rm", "delete"),
    ),
)

_CONFIG: Final = (
    _Command("ls", "list the values", (flags.JSON, flags.SHOW_SECRETS), ("list",)),
    _Command("set", "set a value", flags.CONFIG_SET, exclusive=("--secret", "--plaintext")),
    _Command("get", "print a value, decrypted", (flags.KEY, flags.PATH, flags.JSON)),
    _Command("rm", "remove a value", (flags.KEY, flags.PATH), ("remove",)),
)

_GROUPS: Final = (  # whether one of the group's commands has to be given comes last
    (
        _Command(
            "stack",
            "manage stacks; alone: show the resources and outputs of one",
            (flags.SHOW_SECRETS, flags.switch("-u --show-urns", "show URNs instead of names")),
        ),
        _STACK,
        False,
    ),
    (_Command("state", "edit what is recorded of single resources"), _STATE, True),
    (
        _Command("config", "manage configuration; alone: list it", (flags.JSON, flags.SHOW_SECRETS)),
        _CONFIG,
        False,
    ),
)


def parser(prog: str) -> Parser:
    """Return the parser; the namespace says in `command` which command it is, such as `stack ls`."""
    text = "Deploy Pulumi programs in this process, with Pulumi's own state."
    root = Parser(prog=prog, description=text, parents=[_common()])
    commands = root.add_subparsers(metavar="command", required=True)
    for command in _OPERATIONS:
        _add(commands, command).set_defaults(**_unless_given(command))
    _add(commands, _Command("cancel", "break the lock of a stack", (flags.STACK_NAME, flags.YES)))
    _add(commands, _Command("manifests", "write the stack's objects as manifests", flags.MANIFESTS))
    for command, members, required in _GROUPS:
        group = _add(commands, command)
        if required:
            group.set_defaults(command="")
        inner = group.add_subparsers(metavar="command", required=required)
        for member in members:
            _add(inner, member, f"{command.name} {member.name}")
    for name, command in _SHARED:
        meaning = f"stack {command.name}"
        short = _Command(name, f"{command.text}; the same as `{meaning}`", command.flags)
        _add(commands, short, meaning)
    return root


def _common() -> Parser:
    # Every command takes them too: without defaults, a command's silence does not undo what came before it.
    found = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = found.add_argument_group("global flags")
    for flag in flags.GLOBAL:
        group.add_argument(*flag.words, help=flag.help, **flag.settings)
    return found


def _add(commands: "argparse._SubParsersAction[Parser]", command: _Command, meaning: str = "") -> Parser:
    text = command.text
    added = commands.add_parser(
        command.name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        parents=[_common()],
        aliases=command.aliases,
    )
    added.set_defaults(command=meaning or command.name, parser=added)
    one_of = added.add_mutually_exclusive_group() if command.exclusive else added
    for flag in command.flags:
        place = one_of if set(flag.words) & set(command.exclusive) else added
        place.add_argument(*flag.words, help=flag.help, **flag.settings)
    return added


def _unless_given(command: _Command) -> dict[str, object]:
    known = {word.lstrip("-").replace("-", "_") for flag in command.flags for word in flag.words}
    return {name: value for name, value in flags.ABSENT.items() if name not in known}
