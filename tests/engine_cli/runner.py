"""The command line as a process of its own, with the tests' provider: `python -m tests.engine_cli.runner`.

HANG names a resource whose creation waits until the process is interrupted twice.
"""

import os
import sys
import threading
from collections.abc import Mapping

from engine.cli import main
from engine.provider import Properties
from tests.engine.fake import World


def world(env: Mapping[str, str]) -> World:
    made = World()
    if "HANG" in env:
        made.faults["create", env["HANG"]] = _hang
    return made


def _hang(_: str, __: Properties) -> None:
    threading.Event().wait(30)


if __name__ == "__main__":
    sys.exit(main(providers={"fake": world(os.environ).provider}))
