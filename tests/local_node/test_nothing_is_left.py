"""However the platform ends, its containers end with it."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local_node.world import FAST, alive, python, running_node, shell, until

PLATFORM = """
import asyncio, importlib, json, sys
from pathlib import Path
from tests.local_node.world import FAST, running_node, shell, until

async def main(folder):
    async with running_node(folder, FAST) as world:
        world.run("family", shell("trap '' TERM; sleep 600 & echo $!; while :; do sleep 600; done"))
        await world.logged("family", "\\n")
        child = int(await world.log("family"))
        print(json.dumps([world.pid("family"), child]), flush=True)
        await asyncio.sleep(600)

importlib.import_module(sys.argv[2]).run(main(Path(sys.argv[1])))
"""


async def test_stop_ends_every_process(tmp_path: Path) -> None:
    async with running_node(tmp_path, FAST) as world:
        world.run("calm", shell("sleep 600 & echo $!; exec sleep 600"))
        world.run(
            "stubborn",
            python("import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(600)"),
        )
        await world.logged("calm", "\n")
        await world.logged("stubborn", "1")
        processes = [world.pid("calm"), int(await world.log("calm")), world.pid("stubborn")]
        assert all(alive(pid) for pid in processes)

    await until(lambda: not any(alive(pid) for pid in processes))


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_processes_end_with_a_platform_that_is_killed(
    tmp_path: Path, number: signal.Signals, loop: str
) -> None:
    platform = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PLATFORM, str(tmp_path), loop, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert platform.stdout is not None
    processes = json.loads(await platform.stdout.readline())
    assert all(alive(pid) for pid in processes)

    platform.send_signal(number)

    await platform.wait()
    await until(lambda: not any(alive(pid) for pid in processes))
