"""A small process that outlives the platform for a moment, to end what the platform started.

The launcher tells it on standard input which process groups exist: `+<pid>` and `-<pid>`, one a line. The
kernel closes that pipe however the platform ends, `kill -9` included; then the guardian kills the groups
that are left. It runs by path with the standard library only and imports nothing of ours, so that it starts
fast and stays small.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Keep the list until standard input ends, then kill every group on it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        change = groups.add if line.startswith(b"+") else groups.discard
        change(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
