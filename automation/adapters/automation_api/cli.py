"""Pulumi's CLI: found on the PATH, run as child processes, stopped as a person would stop it.

The SDK's own `PulumiCommand` waits for the CLI whatever happens, in the terminal's process group: Ctrl-C
would reach CLI and program alike, and SIGTERM nobody. Here each command has a session of its own, and what
stops it is a `Cancellation`.
"""

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from pulumi.automation import CommandResult, InvalidVersionError, OnOutput, PulumiCommand
from pulumi.automation.errors import create_command_error

from engine.cancellation import Cancellation

INSISTENCE_SECONDS: Final = 0.5
"""Pause between the interrupts by which a CLI is made to stop at once."""
INSISTENT_INTERRUPTS: Final = 20
"""After so many interrupts without an end the CLI is killed."""

_PASSPHRASES: Final = frozenset({"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"})


class CliMissing(ValueError):
    """There is no CLI that can be used; the text says what to do."""


def find() -> PulumiCommand:
    """Return the CLI that the PATH leads to. Raises CliMissing."""
    try:
        return PulumiCommand()
    except FileNotFoundError as error:
        raise CliMissing(
            "engine 'automation-api' needs Pulumi's CLI, and there is no `pulumi` on the PATH. Install it, "
            "for example by `python -c 'from pulumi.automation import PulumiCommand; "
            "print(PulumiCommand.install().command)'` (which downloads the version of the SDK), and add its "
            "folder to the PATH; or set the engine to embedded"
        ) from error
    except (InvalidVersionError, OSError, subprocess.CalledProcessError) as error:
        raise CliMissing(
            f"the `pulumi` on the PATH cannot be used: {error}. Install the version of the SDK "
            "(pulumi.automation.PulumiCommand.install), or set the engine to embedded"
        ) from error


class StoppableCommand(PulumiCommand):
    """The CLI for one operation, which a Cancellation stops.

    `own_session` keeps it apart from the terminal; a worker has a session already, which its CLI stays in, to
    be found there if the worker dies.
    """

    def __init__(self, found: PulumiCommand, cancellation: Cancellation, *, own_session: bool = True) -> None:
        # Not the base class's: that would run the CLI once more, for its version.
        self.command = found.command
        self.version = found.version
        self._cancellation = cancellation
        self._own_session = own_session

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Run a command to its end. Raises CommandError if it fails; nobody listens line by line."""
        with (
            subprocess.Popen(
                [self.command, "--non-interactive", *args],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env={**inherited_environment(), **additional_env, "PULUMI_AUTOMATION_API": "true"},
                encoding="utf-8",
                errors="replace",
                start_new_session=self._own_session,
            ) as process,
            stopped_by(self._cancellation, process),
        ):
            stdout, stderr = process.communicate()
        result = CommandResult(stdout=stdout, stderr=stderr, code=process.returncode)
        if result.code != 0:
            raise create_command_error(result)
        return result


@contextmanager
def stopped_by(cancellation: Cancellation, process: "subprocess.Popen[str]") -> Iterator[None]:
    """Interrupt the process once for a graceful stop, and until it ends for one at once."""
    requests: queue.SimpleQueue[bool] = queue.SimpleQueue()
    watcher = threading.Thread(target=_stop_on_request, args=(cancellation, process, requests))
    watcher.start()
    try:
        with cancellation.heard_by(lambda: requests.put(True)):
            yield
    finally:
        requests.put(False)
        watcher.join()


def _stop_on_request(
    cancellation: Cancellation, process: "subprocess.Popen[str]", requests: "queue.SimpleQueue[bool]"
) -> None:
    interrupted = False
    while requests.get():
        if not interrupted:
            process.send_signal(signal.SIGINT)
            interrupted = True
        if cancellation.terminated:
            _insist(process, requests)
            return


def _insist(process: "subprocess.Popen[str]", requests: "queue.SimpleQueue[bool]") -> None:
    # A signal sent twice at once is one signal, and the CLI takes the second for "at once" only after it has
    # taken the first.
    for _ in range(INSISTENT_INTERRUPTS):
        try:
            if not requests.get(timeout=INSISTENCE_SECONDS):
                return
        except queue.Empty:
            process.send_signal(signal.SIGINT)
    process.kill()


def end_session(leader: int) -> None:
    """Make whatever is left of a session whose leader is gone end; a CLI may give its lock back."""
    for _ in range(INSISTENT_INTERRUPTS):
        if not _signalled(leader, signal.SIGINT):
            return
        time.sleep(INSISTENCE_SECONDS)
    _signalled(leader, signal.SIGKILL)


def _signalled(leader: int, number: signal.Signals) -> bool:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return False
    return True


def inherited_environment() -> dict[str, str]:
    """Return this process's variables for a child: all but a passphrase, which may not be the engine's."""
    return {name: value for name, value in os.environ.items() if name not in _PASSPHRASES}
