"""The entry: arguments to a command, its outcome to an exit code."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.text import Text

from engine.cli import (
    arguments,
    config_commands,
    manifest_commands,
    registry,
    stack_commands,
    state_commands,
    terminal,
)
from engine.cli.errors import CliError, Declined, Exit, exit_code, is_about_a_file, misused
from engine.cli.operations import Deployment
from engine.cli.session import Given, Session
from engine.cli.terminal import Terminal
from engine.errors import EngineError
from engine.provider import ProviderFactory

Command = Callable[[Session, argparse.Namespace], int]

COMMANDS: Final[Mapping[str, Command]] = {
    "up": lambda session, args: Deployment(session, args).up(),
    "preview": lambda session, args: Deployment(session, args).preview(),
    "refresh": lambda session, args: Deployment(session, args).refresh(),
    "destroy": lambda session, args: Deployment(session, args).destroy(),
    "cancel": stack_commands.cancel,
    "manifests": manifest_commands.write,
    "stack": stack_commands.show,
    "stack ls": stack_commands.ls,
    "stack init": stack_commands.init,
    "stack rm": stack_commands.rm,
    "stack rename": stack_commands.rename,
    "stack select": stack_commands.select,
    "stack unselect": stack_commands.unselect,
    "stack export": stack_commands.export,
    "stack import": stack_commands.import_deployment,
    "stack output": stack_commands.output,
    "stack history": stack_commands.history,
    "state protect": state_commands.protect,
    "state unprotect": state_commands.unprotect,
    "state remove": state_commands.remove,
    "config": config_commands.list_values,
    "config ls": config_commands.list_values,
    "config set": config_commands.set_value,
    "config get": config_commands.get_value,
    "config rm": config_commands.remove_value,
}
"""What carries out each command of the tree in `arguments`."""


def main(
    argv: Sequence[str] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    providers: Mapping[str, ProviderFactory] | None = None,
    prog: str = "python -m engine",
) -> int:
    """Run one command and return its exit code; `providers` come on top of those that are known.

    Reads and writes the process's standard streams; operations change its working folder while they run.
    """
    env = os.environ if env is None else env
    talk = terminal.connect(env, color="auto", non_interactive=True)
    verbose = False
    try:
        args = arguments.parser(prog).parse_args(argv, argparse.Namespace(**arguments.DEFAULTS))
        verbose = args.verbose
        talk = terminal.connect(env, color=args.color, non_interactive=args.non_interactive)
        return int(_run(args, env, talk, {**registry.factories(), **(providers or {})}))
    except SystemExit as error:  # argparse, after --help
        return int(error.code or 0)
    # The top of the program: whatever went wrong becomes a line for the user and an exit code.
    except (Exception, KeyboardInterrupt) as error:
        return int(_report(error, talk, verbose=verbose))


def _run(
    args: argparse.Namespace, env: Mapping[str, str], talk: Terminal, providers: Mapping[str, ProviderFactory]
) -> int:
    folder = _folder(args.cwd)
    named = getattr(args, "name", None) if args.command in _TAKES_STACK else None
    given = Given(stack=named or args.stack, backend=args.backend, config_file=args.config_file)
    session = Session(folder, given, env, talk, providers)
    try:
        return COMMANDS[args.command](session, args)
    finally:
        for factory in providers.values():
            if isinstance(factory, registry.LazyFactory):
                factory.close()


_TAKES_STACK: Final = frozenset({"cancel", "stack init", "stack rm", "stack select"})
"""Commands whose positional argument is a stack's name."""


def _folder(given: str) -> Path:
    folder = Path(given).expanduser().absolute() if given else Path.cwd()
    if not folder.is_dir():
        raise misused(f"--cwd {given}: there is no such folder")
    return folder


def _report(error: BaseException, talk: Terminal, *, verbose: bool) -> Exit:
    code = exit_code(error)
    if verbose or code == Exit.INTERNAL:
        talk.trace(error)
    if not isinstance(error, Declined):
        talk.warn(Text("error: ", style="bold red").append(_text(error), style="default"))
    return code


def _text(error: BaseException) -> str:
    if is_about_a_file(error):
        return f"cannot open or write {error.filename}: {error.strerror}"
    return str(error) if isinstance(error, CliError | EngineError) else f"{type(error).__name__}: {error}"


def run() -> None:
    """Run the command of this process and end it."""
    sys.exit(main())
