"""The command line's words: commands, aliases and flags, all of them Pulumi's where it has them.

Only says what there is; `main` does it. docs/cli.md describes the same tree, and a test compares them.
"""

import argparse
import re
from typing import Final, NoReturn

from engine.cli.errors import misused

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

_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


class Parser(argparse.ArgumentParser):
    """Reports mistakes as errors of this program, and takes no abbreviated flags."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Raise the error for wrong flags."""
        raise misused(f"{message}\n{self.format_usage().rstrip()}\nSee `{self.prog} --help`")


def parser(prog: str) -> Parser:
    """Return the parser; the namespace says in `command` which command it is, such as `stack ls`."""
    common = _common()
    root = Parser(
        prog=prog,
        description="Deploy Pulumi programs in this process, with Pulumi's own state.",
        parents=[common],
    )
    commands = root.add_subparsers(metavar="command", required=True)
    operation, confirmed, changing, updating = _operation(), _confirmed(), _changing(), _updating()
    _add(
        commands,
        "up",
        "create or update the resources of a stack",
        [common, operation, confirmed, changing, updating],
        aliases=["update"],
    )
    _add(
        commands,
        "preview",
        "show what `up` would do",
        [common, operation, changing, updating],
        aliases=["pre"],
    )
    _refresh(_add(commands, "refresh", "record what the resources are now", [common, operation, confirmed]))
    _destroy(
        _add(
            commands,
            "destroy",
            "delete the resources of a stack",
            [common, operation, confirmed, changing],
            aliases=["down", "dn"],
        )
    )
    _cancel(_add(commands, "cancel", "break the lock of a stack", [common]))
    _stack(_add(commands, "stack", "manage stacks", [common]), common)
    _config(_add(commands, "config", "manage configuration", [common]), common)
    for name, text, fill in _SHARED:
        fill(
            _add(
                commands,
                name,
                f"{text}; the same as `stack {_OF_STACK.get(name, name)}`",
                [common],
                command=f"stack {_OF_STACK.get(name, name)}",
            )
        )
    return root


def seconds(text: str) -> float:
    """Return the seconds of `90`, `1.5s`, `2m30s` or `1h`; ValueError if it is none of these."""
    match = _DURATION.fullmatch(text)
    if not text or match is None or not any(match.groups()):
        raise ValueError(text)
    hours, minutes, rest = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0)


def _add(
    commands: "argparse._SubParsersAction[Parser]",
    name: str,
    text: str,
    parents: list[Parser],
    *,
    aliases: list[str] | None = None,
    command: str = "",
) -> Parser:
    added = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=parents, aliases=aliases or []
    )
    added.set_defaults(command=command or name)
    return added


def _common() -> Parser:
    # Every command takes them too: without defaults, a command's silence does not undo what came before it.
    found = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = found.add_argument_group("global flags")
    group.add_argument(
        "-s",
        "--stack",
        metavar="NAME",
        help="the stack to operate on; else PULUMI_STACK, else the selected one",
    )
    group.add_argument("-C", "--cwd", metavar="FOLDER", help="run as if started in that folder")
    group.add_argument(
        "--backend",
        metavar="URL",
        help="where the states are: file://… or s3://…; else PULUMI_BACKEND_URL, else Pulumi.yaml",
    )
    group.add_argument(
        "--config-file", metavar="FILE", help="use this file's configuration instead of the stack's own"
    )
    group.add_argument("--color", choices=["always", "never", "auto"], help="colorize output (default auto)")
    group.add_argument("--non-interactive", action="store_true", help="ask nothing, draw no live tree")
    group.add_argument("-v", "--verbose", action="store_true", help="show stack traces of errors")
    return found


def _operation() -> Parser:
    found = Parser(add_help=False)
    add = found.add_argument
    add(
        "-c",
        "--config",
        action="append",
        metavar="KEY=VALUE",
        help="configuration to use, and to save in the stack's file; may be repeated",
    )
    add("--config-path", action="store_true", help="keys of --config are paths into maps and lists")
    add("-d", "--debug", action="store_true", help="show debugging messages too")
    add(
        "--diff",
        action="store_true",
        help="show a rich diff: every property, old and new, and why something is replaced",
    )
    add(
        "-t",
        "--target",
        action="append",
        metavar="URN",
        help="change only these resources; `*` and `**` are wildcards; may be repeated",
    )
    add("--target-dependents", action="store_true", help="targets bring along what depends on them")
    add(
        "-x",
        "--exclude",
        action="append",
        metavar="URN",
        help="leave these resources as they are; may be repeated",
    )
    add("--exclude-dependents", action="store_true", help="leave what depends on excluded resources, too")
    add("--expect-no-changes", action="store_true", help="fail if there are changes (exit code 7)")
    add("-j", "--json", action="store_true", help="print the engine's events, one JSON object a line")
    add("-m", "--message", default="", metavar="TEXT", help="a message for the stack's history")
    add("-p", "--parallel", type=_positive, metavar="N", help="run at most so many provider calls at once")
    add(
        "--lock-timeout",
        type=_seconds,
        default=0.0,
        metavar="TIME",
        help="wait so long for somebody else's lock (such as 30s, 5m)",
    )
    add("--show-config", action="store_true", help="show the configuration first")
    add("--show-reads", action="store_true", help="show resources that are only read")
    add(
        "--show-replacement-steps",
        action="store_true",
        help="show the creations and deletions that replacements are made of",
    )
    add("--show-sames", action="store_true", help="show resources that do not change")
    add("--suppress-outputs", action="store_true", help="do not show the stack's outputs")
    add("--urns", action="store_true", help="show URNs instead of types and names")
    found.set_defaults(refresh="", replace=[], target_replace=[], continue_on_error=False)
    return found


def _confirmed() -> Parser:
    found = Parser(add_help=False)
    found.add_argument("-y", "--yes", action="store_true", help="go on after the preview without asking")
    found.add_argument("-f", "--skip-preview", action="store_true", help="make no preview, and do not ask")
    found.add_argument("--preview-only", action="store_true", help="stop after the preview")
    return found


def _changing() -> Parser:
    found = Parser(add_help=False)
    found.add_argument(
        "-r",
        "--refresh",
        nargs="?",
        const="true",
        default="",
        choices=["true", "false"],
        help="read what the resources are now, first",
    )
    found.add_argument(
        "--continue-on-error",
        action="store_true",
        help="go on with what does not depend on a failed resource",
    )
    return found


def _updating() -> Parser:
    found = Parser(add_help=False)
    found.add_argument(
        "--replace", action="append", metavar="URN", help="replace these resources; may be repeated"
    )
    found.add_argument(
        "--target-replace",
        action="append",
        metavar="URN",
        help="--target and --replace in one; may be repeated",
    )
    return found


def _refresh(command: Parser) -> None:
    command.add_argument(
        "--clear-pending-creates",
        action="store_true",
        help="forget creations of crashed runs that never reported back",
    )


def _destroy(command: Parser) -> None:
    command.add_argument(
        "--run-program", action="store_true", help="run the program first, so that its hooks exist"
    )
    command.add_argument("--remove", action="store_true", help="then remove the stack and its file")


def _cancel(command: Parser) -> None:
    command.add_argument("name", nargs="?", metavar="stack-name", help="the stack, instead of --stack")
    command.add_argument("-y", "--yes", action="store_true", help="do not ask")


def _stack(command: Parser, common: Parser) -> None:
    command.add_argument("--show-secrets", action="store_true", help="show secret outputs")
    command.add_argument("-u", "--show-urns", action="store_true", help="show URNs instead of names")
    commands = command.add_subparsers(metavar="command")

    def add(name: str, text: str, *, aliases: list[str] | None = None) -> Parser:
        return _add(commands, name, text, [common], aliases=aliases, command=f"stack {name}")

    listing = add("ls", "list stacks", aliases=["list"])
    listing.add_argument("-a", "--all", action="store_true", help="of all projects")
    listing.add_argument("--project", default="", metavar="NAME", help="of this project")
    listing.add_argument("-j", "--json", action="store_true", help="print JSON")
    making = add("init", "create an empty stack and select it", aliases=["new", "create"])
    making.add_argument("name", nargs="?", metavar="stack-name", help="the stack, instead of --stack")
    making.add_argument("--no-select", action="store_true", help="do not select it")
    removing = add("rm", "remove a stack, its history and its file", aliases=["remove"])
    removing.add_argument("name", nargs="?", metavar="stack-name", help="the stack, instead of --stack")
    removing.add_argument("-y", "--yes", action="store_true", help="do not ask")
    removing.add_argument(
        "-f", "--force", action="store_true", help="even if resources are left, which stay as they are"
    )
    removing.add_argument("--preserve-config", action="store_true", help="keep the stack's file")
    add("rename", "rename a stack").add_argument("new_name", metavar="new-stack-name", help="its new name")
    selecting = add("select", "make a stack the current one")
    selecting.add_argument("name", nargs="?", metavar="stack-name", help="the stack, instead of --stack")
    selecting.add_argument("-c", "--create", action="store_true", help="create it if there is none")
    add("unselect", "select no stack")
    for name, text, fill in _SHARED:
        short = _OF_STACK.get(name, name)
        fill(add(short, text, aliases=["hist"] if short == "history" else None))


def _config(command: Parser, common: Parser) -> None:
    _listing(command)
    commands = command.add_subparsers(metavar="command")

    def add(name: str, text: str, *, aliases: list[str] | None = None) -> Parser:
        return _add(commands, name, text, [common], aliases=aliases, command=f"config {name}")

    _listing(add("ls", "list the values", aliases=["list"]))
    setting = add("set", "set a value")
    setting.add_argument("key", help="<name> or <namespace>:<name>")
    setting.add_argument("value", nargs="?", help="the value; else it is read from the standard input")
    setting.add_argument(
        "--path", action="store_true", help="the key is a path into a map or list, such as a.b[0]"
    )
    kinds = setting.add_mutually_exclusive_group()
    kinds.add_argument("--secret", action="store_true", help="encrypt the value")
    kinds.add_argument("--plaintext", action="store_true", help="do not encrypt the value (the default)")
    setting.add_argument(
        "--type", choices=["string", "bool", "int", "float"], help="save the value as of this type"
    )
    getting = add("get", "print a value, decrypted")
    getting.add_argument("key", help="<name> or <namespace>:<name>")
    getting.add_argument("--path", action="store_true", help="the key is a path into a map or list")
    getting.add_argument("-j", "--json", action="store_true", help="print JSON")
    removing = add("rm", "remove a value", aliases=["remove"])
    removing.add_argument("key", help="<name> or <namespace>:<name>")
    removing.add_argument("--path", action="store_true", help="the key is a path into a map or list")


def _listing(command: Parser) -> None:
    command.add_argument("-j", "--json", action="store_true", help="print JSON")
    command.add_argument("--show-secrets", action="store_true", help="show secret values")


def _export(command: Parser) -> None:
    command.add_argument(
        "--file", default="", metavar="FILE", help="write to this file instead of the standard output"
    )
    command.add_argument("--show-secrets", action="store_true", help="decrypt the secrets")


def _import(command: Parser) -> None:
    command.add_argument(
        "--file", default="", metavar="FILE", help="read this file instead of the standard input"
    )
    command.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="even if the deployment breaks rules or is of another stack",
    )


def _output(command: Parser) -> None:
    command.add_argument("name", nargs="?", metavar="property-name", help="only this output")
    command.add_argument("-j", "--json", action="store_true", help="print JSON")
    command.add_argument("--shell", action="store_true", help="print assignments for a shell")
    command.add_argument("--show-secrets", action="store_true", help="show secret outputs")


def _history(command: Parser) -> None:
    command.add_argument("-j", "--json", action="store_true", help="print JSON")
    command.add_argument("--full-dates", action="store_true", help="show dates instead of ages")
    command.add_argument("--page", type=_positive, default=1, metavar="N", help="the page (default 1)")
    command.add_argument(
        "--page-size", type=_positive, default=10, metavar="N", help="entries a page (default 10)"
    )
    command.add_argument("--show-secrets", action="store_true", help="show secret configuration")


_SHARED: Final = (
    ("export", "print the state", _export),
    ("import", "replace the state by an exported one", _import),
    ("outputs", "print the stack's outputs", _output),
    ("history", "print what was done to the stack", _history),
)
"""Commands of `stack` that may also be called without it."""

_OF_STACK: Final = {"outputs": "output"}
"""Names under `stack` that differ."""


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    return seconds(text)
