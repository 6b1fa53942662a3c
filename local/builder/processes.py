"""The commands of RUN, as processes of this machine."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.builder.errors import StageError

_PASSED_PREFIXES = ("PIP_", "UV_", "NPM_CONFIG_", "npm_config_")
_PASSED = frozenset(
    (
        "ALL_PROXY",
        "CURL_CA_BUNDLE",
        "FTP_PROXY",
        "GOCACHE",
        "GOFLAGS",
        "GOMODCACHE",
        "GOPATH",
        "GOPROXY",
        "GOSUMDB",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NODE_EXTRA_CA_CERTS",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
    )
)
_PR_SET_PDEATHSIG = 1


def passed_through(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a package manager needs to reach its index: settings, proxies, certificates.

    HOME is part of it, for pip.conf and pip's cache. Nothing else of the environment reaches RUN.
    """
    return {
        name: value
        for name, value in environ.items()
        if name == "HOME" or name.upper() in _PASSED or name.startswith(_PASSED_PREFIXES)
    }


def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
    """Run the command to its end, its output going to standard error. Raises StageError.

    However this ends, with it end all processes of the command's group.
    """
    try:
        # A group of its own, so that the children of a shell end with it.
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            stderr=sys.stderr.fileno(),
            process_group=0,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    except OSError as error:
        raise StageError(
            f"failed to execute command: starting command: fork/exec {command[0]}: {error.strerror}"
        ) from error
    try:
        status = process.wait()
    finally:
        _end_group(process)
    if status != 0:
        how = f"exit status {status}" if status > 0 else f"signal: {signal.strsignal(-status)}".lower()
        raise StageError(f"failed to execute command: waiting for process to exit: {how}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    # Not permitted is what macOS says of a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    # A builder that is killed with SIGKILL cannot end its command; the kernel does.
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
