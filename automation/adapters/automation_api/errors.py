"""The CLI's failures, turned into the engine's errors. All that is known of them is text."""

import re
from typing import Final

from pulumi.automation import errors as pulumi_errors
from pulumi.automation.errors import CommandError

from engine.errors import (
    CheckpointRefused,
    ConcurrentUpdateError,
    EngineError,
    IncorrectPassphrase,
    StackAlreadyExists,
    StackNotFound,
    UpdateCanceled,
    UpdateFailed,
)

_TEXT_CHARACTERS: Final = 2048
"""So much of the CLI's text is shown: its first lines say what is wrong."""

_LOCKED: Final = re.compile(
    r"the stack is currently locked by.*|\[409\] Conflict: Another update.*", re.DOTALL
)
_REFUSED: Final = re.compile(
    r"could not deserialize deployment|could not load deployment|snapshot integrity|integrity check|"
    r"unsupported features?|deployment schema version|from a different stack|invalid character|"
    r"does not belong to|refusing to proceed"
)
_WARNING: Final = re.compile(r"^warning: (.+)$", re.MULTILINE)
_STDERR: Final = re.compile(r"\n stderr: (.*)\Z", re.DOTALL)
_STDOUT: Final = re.compile(r"\n stdout: (.*)\n stderr: ", re.DOTALL)


def translated(error: CommandError, what: str, stack: str) -> EngineError:
    """Return the engine's error for a command that is no operation on resources."""
    text = text_of(error)
    if isinstance(error, pulumi_errors.StackNotFoundError):
        return StackNotFound(f"no stack named {stack!r} found: {text}")
    if isinstance(error, pulumi_errors.StackAlreadyExistsError):
        return StackAlreadyExists(text)
    locked = _LOCKED.search(text)
    if locked or isinstance(error, pulumi_errors.ConcurrentUpdateError):
        return ConcurrentUpdateError(locked[0] if locked else text)
    if "incorrect passphrase" in text:
        return IncorrectPassphrase(f"incorrect passphrase: it does not open the secrets of {stack}")
    if _REFUSED.search(text):
        return CheckpointRefused(text)
    return EngineError(f"{what} of {stack} failed: {text}")


def failed(
    error: CommandError,
    what: str,
    stack: str,
    diagnostics: tuple[str, ...],
    *,
    canceled: bool,
    terminated: bool,
) -> EngineError:
    """Return the engine's error for an operation that began and did not succeed.

    `diagnostics` are the errors that its events told; without any it did not get so far as to touch a
    resource.
    """
    general = translated(error, what, stack)
    if canceled:
        return UpdateCanceled(f"{what} of {stack} was canceled", diagnostics, terminated=terminated)
    if type(general) is not EngineError:
        return general
    told = diagnostics or (text_of(error),)
    return UpdateFailed(f"{what} of {stack} failed: {told[0]}", told)


def warnings_in(stderr: str) -> tuple[str, ...]:
    """Return what a command that succeeded warned of."""
    return tuple(_WARNING.findall(stderr))


def text_of(error: CommandError) -> str:
    """Return what the CLI said is wrong: its error output, or else its output."""
    everything = str(error)
    for pattern in (_STDERR, _STDOUT):
        found = pattern.search(everything)
        if found and found[1].strip():
            return found[1].strip().removeprefix("error: ")[:_TEXT_CHARACTERS]
    return everything.strip()[:_TEXT_CHARACTERS]
