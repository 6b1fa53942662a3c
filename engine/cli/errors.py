"""What can go wrong before or around an operation, and the exit code of everything that can go wrong."""

import enum
from typing import TypeGuard

from engine import errors


class Exit(enum.IntEnum):
    """Exit codes: those of Pulumi's CLI (sdk/go/common/util/cmdutil/exit.go), as far as they occur here."""

    SUCCESS = 0
    FAILURE = 1
    """The operation failed, was cancelled gracefully or declined, or the command could not be carried out."""
    CONFIGURATION = 2
    """Wrong flags, project or configuration; or nobody to ask for a confirmation."""
    STACK_NOT_FOUND = 6
    """There is no such stack, or none was named or selected."""
    CHANGES = 7
    """There were changes although `--expect-no-changes` was given."""
    CANCELLED = 8
    """Stopped at once by a second interruption."""
    INTERNAL = 255
    """A mistake of this program."""


class CliError(Exception):
    """Says what is wrong with how the command was called, and how it ends. The text is for the user."""

    def __init__(self, message: str, code: Exit = Exit.FAILURE) -> None:
        super().__init__(message)
        self.code = code


class Declined(CliError):
    """The user did not want it; that has been said already."""


def misused(message: str) -> CliError:
    """Return the error for wrong flags, files or settings."""
    return CliError(message, Exit.CONFIGURATION)


def no_such_stack(name: str) -> errors.StackNotFound:
    """Return the error for a stack that the backend does not have."""
    return errors.StackNotFound(
        f"no stack named '{name}' found; `stack ls` lists those there are, `stack init {name}` makes it"
    )


def exit_code(error: BaseException) -> Exit:
    """Return how the process ends on an error."""
    if isinstance(error, CliError):
        return error.code
    if isinstance(error, errors.StackNotFound):
        return Exit.STACK_NOT_FOUND
    if isinstance(error, KeyboardInterrupt) or getattr(error, "terminated", False):
        return Exit.CANCELLED
    expected = isinstance(error, errors.EngineError | SystemExit) or is_about_a_file(error)
    return Exit.FAILURE if expected else Exit.INTERNAL


def is_about_a_file(error: BaseException) -> TypeGuard[OSError]:
    """Say whether the system refused a file or folder that the user named, or that a command needs."""
    return isinstance(error, OSError) and error.filename is not None
