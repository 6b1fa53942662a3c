"""Nothing that the command line starts outlives it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def wait_until_gone(processes, seconds: float = 30) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=seconds)[1]


def start_demo(work: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "local", "--work", str(work), "demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def wait_for_children(demo: subprocess.Popen, count: int, seconds: float = 100) -> list[psutil.Process]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if demo.poll() is not None:
            raise AssertionError(f"it ended with {demo.returncode} before that:\n{demo.stdout.read()}")
        if len(found := descendants(demo.pid)) >= count:
            return found
        time.sleep(0.05)
    demo.kill()
    raise AssertionError(f"{count} processes were not started within {seconds} s:\n{demo.stdout.read()}")


@pytest.mark.timeout(400)  # Go compiles its standard library once a machine
def test_the_demo_prints_a_table_and_right_answers_and_leaves_no_process(tmp_path):
    with start_demo(tmp_path) as demo:
        children = wait_for_children(demo, 2)
        output = demo.stdout.read()
        status = demo.wait(timeout=100)

    assert status == 0, output
    assert "how long each phase took" in output
    assert "every answer is right" in output
    examples = [path.parent.name for path in (ROOT / "examples").glob("*/event.json")]
    left_out = "".join(line for line in output.splitlines() if "left out:" in line)
    assert [name for name in examples if f"{name} answered" not in output and name not in left_out] == []
    assert wait_until_gone(children) == []


def test_killing_the_command_line_takes_its_processes_with_it(tmp_path):
    with start_demo(tmp_path) as demo:
        children = wait_for_children(demo, 2)
        demo.send_signal(signal.SIGKILL)
        demo.wait(timeout=10)
    assert wait_until_gone(children) == []
