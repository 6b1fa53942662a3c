"""`python -m local run | demo | deploy FOLDER`: the command line of the local platform."""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console


def main() -> int:
    """Parse the arguments, carry the command out and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="start everything, deploy examples/, stay until Ctrl-C")
    commands.add_parser("demo", help="deploy examples/ once, print a table of phases, stop")
    one = commands.add_parser("deploy", help="deploy a folder to the running platform and call it")
    one.add_argument("folder", type=Path, help="a folder that holds a parser.py, such as examples/hello")
    parser.add_argument("--work", type=Path, help="folder for data and build cache (default: .local)")
    arguments = parser.parse_args()

    from local import console as commands_of
    from local.deploy import DeployFailed

    console = Console(soft_wrap=not sys.stdout.isatty())
    work = (arguments.work or commands_of.WORK).resolve()
    try:
        if arguments.command == "deploy":
            return asyncio.run(commands_of.deploy(console, arguments.folder, work))
        return asyncio.run(
            {"run": commands_of.run, "demo": commands_of.demo}[arguments.command](console, work)
        )
    except DeployFailed as error:
        console.print(f"[red]failed[/red]: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
