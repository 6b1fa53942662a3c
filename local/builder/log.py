"""The build's log, in the form of Kaniko's: `INFO[0003] Taking snapshot of full filesystem...`."""

import sys
import time

_LEVELS = {"trace": 10, "debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50, "panic": 50}


class Log:
    """Writes lines to standard error, which is where the node takes a container's log from.

    `verbosity` is one of Kaniko's levels; the number in brackets is seconds since the log was made.
    """

    def __init__(self, verbosity: str = "info") -> None:
        self._threshold = _LEVELS[verbosity]
        self._began = time.monotonic()

    def debug(self, text: str) -> None:
        """Write a detail."""
        self._write("DEBU", 10, text)

    def info(self, text: str) -> None:
        """Write what happens."""
        self._write("INFO", 20, text)

    def warn(self, text: str) -> None:
        """Write what may surprise."""
        self._write("WARN", 30, text)

    def _write(self, label: str, level: int, text: str) -> None:
        if level >= self._threshold:
            seconds = int(time.monotonic() - self._began)
            sys.stderr.write(f"{label}[{seconds:04d}] {text}\n")
            # The commands of RUN write to the same place directly.
            sys.stderr.flush()
