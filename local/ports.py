"""TCP ports on loopback."""

import contextlib
import random
import socket
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ports:
    """TCP ports on loopback; 0 takes any free one, and so does a port that is taken."""

    api: int = 0
    storage: int = 0
    eventing: int = 0
    gateway: int = 0
    service: int = 0
    desk: int = 0


FIXED_PORTS = Ports(api=16443, storage=19000, eventing=18081, gateway=18082, service=18080, desk=18083)
"""What `run` asks for, so that commands typed once work the next day too."""

_FREE_RANGE = range(20_000, 32_000)
"""Below the ports of outgoing connections, one of which could take a port before it is listened on."""


def or_any(wanted: int) -> int:
    """The wanted port if it is free on loopback, else 0, with which a server takes any."""
    return wanted if wanted and _is_free(wanted) else 0


def free_port(wanted: int) -> int:
    """The wanted port if it is free on loopback, else another that is, for a server that starts later."""
    if wanted and _is_free(wanted):
        return wanted
    candidates = random.sample(_FREE_RANGE, 200)
    try:
        return next(port for port in candidates if _is_free(port))
    except StopIteration:
        raise OSError(f"no free TCP port on 127.0.0.1 among 200 of {_FREE_RANGE}") from None


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False
