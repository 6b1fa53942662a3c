"""The command line as a process: on a terminal of its own, and without one."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.engine_cli.conftest import Shop

ROOT = Path(__file__).parents[2]
RUNNER = (sys.executable, "-m", "tests.engine_cli.runner")
DEADLINE = 90.0
"""Seconds after which a process that still runs has failed its test."""


def environment(shop: Shop, **more: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in ("CI", "COLUMNS", "LINES")}
    return {**inherited, **shop.env, "PYTHONPATH": str(ROOT), "TERM": "xterm", **more}


class Screen:
    """A process on a terminal: what it shows, and a keyboard."""

    def __init__(self, shop: Shop, *argv: str, **env: str) -> None:
        self.shown = ""
        pid, self._terminal = pty.fork()
        if pid == 0:
            os.execvpe(RUNNER[0], [*RUNNER, *argv, "--cwd", str(shop.folder)], environment(shop, **env))
        self._pid = pid
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        self._deadline = time.monotonic() + DEADLINE

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def wait_for(self, text: str) -> None:
        """Read on until the text is shown; what was read before it is gone."""
        while text not in self.shown:
            assert self._read(), f"{text!r} never came, but: {self.shown}"
        self.shown = self.shown.split(text, 1)[1]

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self) -> bool:
        left = self._deadline - time.monotonic()
        if left <= 0:
            os.kill(self._pid, signal.SIGKILL)
            raise AssertionError(f"it did not end in time; it showed: {self.shown}")
        if not select.select([self._terminal], [], [], left)[0]:
            return True
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # how Linux tells that the other side has closed
            return False
        self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode()).replace("\r", "")
        return bool(data)


def test_on_a_terminal_the_tree_is_shown_and_asked_about(dev: Shop) -> None:
    screen = Screen(dev, "up")

    screen.wait_for("Do you want to perform this update? (yes/no/details) [no]: ")
    screen.type("details\n")
    screen.wait_for('forced: "a"')
    screen.wait_for("[no]: ")
    screen.type("yes\n")
    screen.wait_for("Updating (dev):")
    code = screen.end()

    assert code == 0
    assert re.search(r" \+   ├─ fake:index:Group +group +created", screen.shown)
    assert re.search(r" \+   │  └─ fake:index:Thing +first +created", screen.shown)
    assert "hunter2" not in screen.shown


@pytest.mark.parametrize("answer", ["no\n", "\n", "n\n"])
def test_a_no_changes_nothing(dev: Shop, answer: str) -> None:
    screen = Screen(dev, "up")

    screen.wait_for("[no]: ")
    screen.type(answer)
    code = screen.end()

    assert code == 1
    assert "confirmation declined, not proceeding with the update" in screen.shown
    assert "Updating" not in screen.shown


def test_an_interruption_is_told_in_the_live_view_and_a_second_one_ends_it(dev: Shop) -> None:
    screen = Screen(dev, "up", "--yes", "--skip-preview", HANG="first")

    screen.wait_for("creating (")
    screen.type("\x03")
    screen.wait_for("press ^C again")
    screen.type("\x03")
    code = screen.end()

    assert code == 8
    assert "update canceled" in screen.shown
    assert "Traceback" not in screen.shown


def test_a_passphrase_is_asked_for_and_not_shown(dev: Shop) -> None:
    del dev.env["PULUMI_CONFIG_PASSPHRASE"]
    screen = Screen(dev, "config", "set", "--secret", "token", "x")

    screen.wait_for("to remember): ")
    screen.type("pw\n")
    code = screen.end()

    assert code == 0
    assert "pw" not in screen.shown


def test_removing_a_stack_wants_its_name_typed(dev: Shop) -> None:
    screen = Screen(dev, "stack", "rm")

    screen.wait_for("typing `dev`: ")
    screen.type("prd\n")

    assert screen.end() == 1
    assert "dev" in dev.ok("stack", "ls")


def run(shop: Shop, *argv: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        argv,
        cwd=shop.folder,
        env=environment(shop, **env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_module_is_the_command(dev: Shop) -> None:
    ended = run(dev, sys.executable, "-m", "engine", "stack", "ls")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "dev*" in ended.stdout


def test_a_reader_that_goes_away_does_not_cut_a_deployment_short(dev: Shop) -> None:
    many = "from tests.engine.fake import Thing\nfor n in range(200): Thing(f'thing-{n}')\n"
    dev.write("__main__.py", many)
    argv = [*RUNNER, "up", "--yes", "--skip-preview"]

    with subprocess.Popen(
        argv, cwd=dev.folder, env=environment(dev), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert (process.returncode, errors) == (0, "")
    assert dev.ok("export").count('"type": "fake:index:Thing"') == 200


def test_texts_are_printed_to_the_letter(dev: Shop) -> None:
    dev.ok("config", "set", "odd", "a\tb :smile: [red]x[/red]")

    ended = run(dev, sys.executable, "-m", "engine", "config", "get", "odd")

    assert ended.stdout == "a\tb :smile: [red]x[/red]\n"


def test_a_log_has_no_colours_unless_asked_for(dev: Shop) -> None:
    plain = run(dev, *RUNNER, "preview")
    coloured = run(dev, *RUNNER, "preview", "--color", "always")

    assert "\x1b[" not in plain.stdout
    assert "\x1b[" in coloured.stdout
    assert plain.returncode == coloured.returncode == 0


def test_a_package_without_a_provider_is_refused_by_name(dev: Shop) -> None:
    dev.write("__main__.py", "import pulumi\npulumi.CustomResource('random:index:Id', 'id', {})\n")

    ended = run(dev, sys.executable, "-m", "engine", "preview")

    assert ended.returncode == 1
    assert "no provider for package 'random'" in ended.stdout
