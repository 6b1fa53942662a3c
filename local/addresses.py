"""Where the parts of a running local platform are: written by `run`, read by the other commands."""

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = "local"
NAMESPACE = f"knative-lambda-{ENVIRONMENT}"
BROKER = f"knative-lambda-broker-{ENVIRONMENT}"
SOURCE_BUCKET = f"knative-lambda-{ENVIRONMENT}-fusion-modules-tmp"
CONTEXT_BUCKET = f"knative-lambda-{ENVIRONMENT}-context-tmp"
REGISTRY = "localhost:5001"
"""What image references begin with. Nothing listens there: the node and the builder share a folder."""
KANIKO_IMAGE = f"{REGISTRY}/kaniko-executor:local"
MONITOR_IMAGE = f"{REGISTRY}/knative-lambda:local"
PYTHON_IMAGE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
"""The base image of functions: it stands for this machine's interpreter, so it has its version."""
ACCESS_KEY, SECRET_KEY = "local", "local-secret"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Base URLs without a trailing slash, and files, of one running platform."""

    api: str
    """Kubernetes API server."""
    storage: str
    """S3 endpoint."""
    eventing: str
    """Broker ingress; events go to `/{namespace}/{broker}` below it."""
    gateway: str
    """Where requests to Knative Services enter, told apart by their Host header."""
    service: str
    """The automation service; empty until it runs."""
    desk: str = ""
    """Where dead letters are gone through; empty: nowhere."""
    data: str
    """Folder that holds everything of this platform."""

    @property
    def broker(self) -> str:
        """URL of the environment's broker."""
        return f"{self.eventing}/{NAMESPACE}/{BROKER}"

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig."""
        return Path(self.data) / "kubeconfig"

    @property
    def buckets(self) -> Path:
        """The folder behind the object storage: one sub-folder for each bucket."""
        return Path(self.data) / "buckets"

    def save(self) -> None:
        """Write `addresses.json` into the data folder, whole or not at all."""
        target = Path(self.data) / "addresses.json"
        draft = target.with_suffix(".tmp")
        draft.write_text(json.dumps(dataclasses.asdict(self), indent=1))
        draft.replace(target)

    @classmethod
    def load(cls, data: Path) -> "Addresses":
        """Read what `save` wrote. Raises FileNotFoundError where no platform has run in this folder."""
        return cls(**json.loads((data / "addresses.json").read_text()))
