"""TCP ports on loopback."""

import contextlib
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


FIXED_PORTS = Ports(api=16443, storage=19000, eventing=18081, gateway=18082, service=18080)
"""What `run` asks for, so that commands typed once work the next day too."""


def free_port(wanted: int) -> int:
    """The wanted port if it is free on loopback, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("no free TCP port on 127.0.0.1")
