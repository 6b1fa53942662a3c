"""`python -m local.builder`: the executor's process. Exit status 0, or 1 with the reason on the last line."""

import os
import signal
import sys
from types import FrameType

from local.builder.arguments import parse
from local.builder.build import Settings, build
from local.builder.errors import BuildError, Terminated, UsageError
from local.builder.log import Log

_USAGE = """Usage:
  executor --context s3://bucket/key.tar.gz --destination registry/repository:tag [flags]

Flags are Kaniko's, among them --dockerfile, --context-sub-path, --build-arg, --cache, --cache-ttl,
--digest-file,
--no-push and --verbosity."""


def main(arguments: list[str]) -> int:
    """Build as the arguments say and return the exit status."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _terminate)
    # The digest covers modes: they must not depend on who builds.
    os.umask(0o022)
    try:
        options = parse(arguments)
        build(options, Settings.read(os.environ), Log(options.verbosity))
    except UsageError as error:
        return _fail(f"Error: {error}\n{_USAGE}\n\n{error}")
    except BuildError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"error building image: {error}")
    except Terminated as reason:
        _fail(f"error building image: {reason}")
        return 128 + signal.SIGTERM
    return 0


def _fail(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


def _terminate(number: int, _frame: FrameType | None) -> None:
    for again in (signal.SIGTERM, signal.SIGINT):
        signal.signal(again, signal.SIG_IGN)
    raise Terminated(f"context canceled: {signal.strsignal(number)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
