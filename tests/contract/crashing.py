"""An update in a process of its own, which a test kills in the middle of a provider's call."""

import importlib
import subprocess
import sys
from pathlib import Path

import psutil

from engine import StackRef
from tests.contract.engines import make_engine
from tests.contract.world import World


def crash(kind: str, root: Path, world: World, program: str, *, during: tuple[str, str]) -> None:
    """Run the update of stack proj/dev and kill all of it once the call (kind, name) has begun.

    `program` is `module:function`.
    """
    world.hang(*during)
    process = subprocess.Popen([sys.executable, "-m", __name__, kind, str(root), str(world.root), program])
    try:
        world.wait_for(*during)
    finally:
        _kill(process)
        world.heal()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill the process and everything that it started, at once."""
    doomed = [*psutil.Process(process.pid).children(recursive=True)]
    process.kill()
    for child in doomed:
        child.kill()
    process.wait()
    psutil.wait_procs(doomed, timeout=10)


def _main(kind: str, root: str, world: str, program: str) -> None:
    module, _, function = program.partition(":")
    engine = make_engine(kind, root, World(Path(world)))
    engine.up(StackRef("proj", "dev"), getattr(importlib.import_module(module), function))


if __name__ == "__main__":
    _main(*sys.argv[1:])
