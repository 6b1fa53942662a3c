"""What the node gives to every pod: its settings and the services that pods use."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from local.apiserver.errors import ApiError
from local.apiserver.kinds import Kind
from local.apiserver.store import Store
from local.apiserver.tokens import Tokens
from local.images import ImageStore
from local.node.addresses import Addresses
from local.node.launch import Launcher
from local.node.objects import Json
from local.node.recorder import Recorder


@dataclass(frozen=True, kw_only=True)
class NodeOptions:
    """Settings of a node. The defaults are the kubelet's where it has the same setting."""

    max_concurrent_jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Pods of Jobs that run at the same time; further ones stay Pending."""
    backoff_seconds: tuple[float, float] = (10.0, 300.0)
    """First and longest wait before a container is started, or an image looked for, again."""
    retry_seconds: float = 1.0
    """Wait before a missing ConfigMap or Secret is looked for again; the kubelet takes up to a minute."""
    stop_grace_seconds: float = 5.0
    """Longest time that containers get to end when the platform stops, whatever their grace period."""
    own_addresses: bool | None = None
    """Whether each pod gets a loopback address of its own; None: where the system has them."""
    search_path: str = ""
    """PATH in containers. Empty: this platform's interpreter without its packages, then the system's."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """The services of one running node."""

    store: Store
    tokens: Tokens
    images: ImageStore
    launcher: Launcher
    recorder: Recorder
    addresses: Addresses
    options: NodeOptions
    api_url: str
    folder: Path
    """Absolute; every pod has its folder below it."""
    search_path: str

    def find(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Return an object of the store, None if there is none."""
        try:
            return self.store.get(kind, namespace, name)
        except ApiError as error:
            if error.code != 404:
                raise
            return None


def make_search_path(folder: Path) -> str:
    """Return a PATH that finds this machine's Python as `python`, without the packages of our environment."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(getattr(sys, "_base_executable", sys.executable))
    return f"{folder}:/usr/local/bin:/usr/bin:/bin"
