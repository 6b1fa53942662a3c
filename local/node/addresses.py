"""Gives each pod a loopback address of its own, so that every container can listen on the port of its spec.

On Linux all of 127.0.0.0/8 is the loopback interface. Where only 127.0.0.1 is (macOS), pods share that
address and each of their ports is mapped to a free one: the process learns it from PORT, others from the
pod's annotation.
"""

import contextlib
import json
import random
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from local.node.objects import Json

PORTS_ANNOTATION = "node.local/ports"
"""JSON object on a pod: ports of the spec and the real ones, where they differ."""
SHARED = "127.0.0.1"
_ATTEMPTS = 1000


@dataclass(frozen=True)
class PodAddress:
    """Where a pod listens. `ports` holds only the ports that are mapped."""

    ip: str
    ports: Mapping[int, int] = field(default_factory=dict)

    def port(self, port: int) -> int:
        """Return the real port of one of the spec."""
        return self.ports.get(port, port)


def container_ports(pod: Json) -> list[int]:
    """Return the ports that the pod's containers declare."""
    containers = pod["spec"]["containers"]
    return [int(port["containerPort"]) for container in containers for port in container.get("ports", ())]


def real_port(pod: Json, port: int) -> int:
    """Return where a declared port of a running pod really is, read from the pod object."""
    mapped = json.loads(pod["metadata"].get("annotations", {}).get(PORTS_ANNOTATION, "{}"))
    return int(mapped.get(str(port), port))


class Addresses:
    """Hands out addresses. `own` says whether each pod gets its own; None: find out."""

    def __init__(self, own: bool | None = None) -> None:
        self.own = _has_loopback_network() if own is None else own
        self._used: set[str] = set()
        self._random = random.Random()  # noqa: S311 - spreads platforms of one machine, guards nothing

    def allocate(self, ports: Iterable[int]) -> PodAddress:
        """Return an address that nothing listens on; raises OSError if there is none."""
        if not self.own:
            return PodAddress(SHARED, {port: _free_port() for port in ports})
        wanted = list(ports)
        for _ in range(_ATTEMPTS):
            ip = "127." + ".".join(str(self._random.randint(1, 254)) for _ in range(3))
            if ip not in self._used and all(_bindable(ip, port) for port in wanted):
                self._used.add(ip)
                return PodAddress(ip)
        raise OSError(f"no loopback address found with the ports {wanted} free")

    def release(self, address: PodAddress) -> None:
        """Take an address back."""
        self._used.discard(address.ip)


def _has_loopback_network() -> bool:
    return _bindable("127.77.77.77", 0)


def _bindable(ip: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((ip, port))
        return True
    return False


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((SHARED, 0))
        return int(probe.getsockname()[1])
