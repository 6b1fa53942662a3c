"""A process of its own that updates the golden stack and then waits for a deployment that never gets ready.

Arguments: the backend's folder, the namespace, and the parts if not all are wanted. Somebody has to kill it.
"""

import sys

from engine import Engine, FileBackend
from engine.kubernetes import provider_factory
from tests.golden.edits import awaited
from tests.golden.program import program
from tests.golden.site import PASSPHRASE, STACK

if __name__ == "__main__":
    folder, namespace, *only = sys.argv[1:]
    engine = Engine(FileBackend(folder), {"kubernetes": provider_factory}, passphrase=PASSPHRASE)
    change = {"deployment": awaited("registry.local/nothing:2", seconds=300)}
    engine.up(STACK, program(only=only, namespace=namespace, change=change))
