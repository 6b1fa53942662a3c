"""Where the command line talks to its user: two consoles, and questions if somebody is there to answer."""

import getpass
import io
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TextIO, cast

from rich.console import Console
from rich.text import Text

from engine.cli.errors import CliError
from engine.masking import masked


@dataclass(frozen=True)
class Terminal:
    """Results go to `out`, everything else to `err`. Questions may be asked only if `interactive`."""

    out: Console
    err: Console
    interactive: bool
    read_line: Callable[[str], str] = input
    read_secret: Callable[[str], str] = getpass.getpass
    hidden: set[str] = field(default_factory=set)
    """Secrets that a trace must not show, as they become known."""

    def say(self, text: str | Text = "") -> None:
        """Write lines to the standard output: texts to the letter, for they may be for other programs."""
        if isinstance(text, str):
            self.out.file.write(f"{text}\n")
            self.out.file.flush()
        else:
            self.out.print(text, soft_wrap=True)

    def warn(self, text: str | Text) -> None:
        """Write lines to the standard error."""
        self.err.print(text, markup=False, highlight=False, soft_wrap=True)

    def trace(self, error: BaseException) -> None:
        """Write a stack trace to the standard error, with all that the error was raised from."""
        self.warn(masked("".join(traceback.format_exception(error)).rstrip(), self.hidden))

    def ask(self, question: str) -> str:
        """Return the answer, stripped; CliError if the input ends or is interrupted."""
        return self._answer(self.read_line, question).strip()

    def ask_secret(self, question: str) -> str:
        """Return an answer that is not shown."""
        return self._answer(self.read_secret, question)

    @staticmethod
    def _answer(read: Callable[[str], str], question: str) -> str:
        try:
            return read(question)
        except (EOFError, KeyboardInterrupt) as error:
            raise CliError("confirmation cancelled: there was no answer") from error


def connect(env: Mapping[str, str], *, color: str, non_interactive: bool) -> Terminal:
    """Return the terminal of this process's standard streams.

    `color` is always, never or auto. As with Pulumi, nobody is asked where `CI` is set.
    """
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not non_interactive and not env.get("CI")
    return Terminal(_console(sys.stdout, color), _console(sys.stderr, color), interactive)


class Lasting(io.TextIOBase):
    """A stream whose reader may go away, as `head` does: what is written then is dropped.

    Otherwise a deployment would be cut short because nobody watches it any more.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self._stream.encoding

    def writable(self) -> bool:
        """Say that this is a stream to write to."""
        return True

    def isatty(self) -> bool:
        """Say whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write, or drop what nobody reads."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            return self._drop(text)

    def flush(self) -> None:
        """Hand over what was written."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop("")

    def _drop(self, text: str) -> int:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        return len(text)


def _console(stream: TextIO, color: str) -> Console:
    # Lines of a stream that is no terminal belong to other programs, so no width may break them.
    width = None if stream.isatty() else 10_000
    force = True if color == "always" else None
    return Console(
        file=cast(TextIO, Lasting(stream)),
        no_color=True if color == "never" else None,
        force_terminal=force,
        width=width,
        emoji=False,
    )
