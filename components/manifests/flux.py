"""What the platform knows of Flux: kinds that are reconciled, how a Receiver is addressed, what it takes.

A Receiver answers POSTs to an address that nobody can guess, by asking for the reconciliation of its
resources. What it takes depends on its type (notification-controller at 2e46958,
internal/server/receiver_handlers.go): `generic` takes anything, so a Trigger may bring it the platform's own
events; `cdevents` refuses every body that is no CDEvent of version 0.4; `generic-hmac` wants a signature,
which no Trigger can make.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

GENERIC: Final = "generic"
CDEVENTS: Final = "cdevents"
HMAC: Final = "generic-hmac"
RECEIVER_TYPES: Final = (GENERIC, CDEVENTS, HMAC)
"""The platform's own events; CDEvents that others publish to the Broker; signed requests from outside."""

ALERT_TYPES: Final = ("alertmanager", "discord", "generic", "googlechat", "msteams", "rocket", "slack")
"""Types of Flux's Provider that need an address only."""

KINDS: Final = {
    "Bucket": "source.toolkit.fluxcd.io/v1",
    "GitRepository": "source.toolkit.fluxcd.io/v1",
    "HelmChart": "source.toolkit.fluxcd.io/v1",
    "HelmRelease": "helm.toolkit.fluxcd.io/v2",
    "HelmRepository": "source.toolkit.fluxcd.io/v1",
    "ImagePolicy": "image.toolkit.fluxcd.io/v1",
    "ImageRepository": "image.toolkit.fluxcd.io/v1",
    "ImageUpdateAutomation": "image.toolkit.fluxcd.io/v1",
    "Kustomization": "kustomize.toolkit.fluxcd.io/v1",
    "OCIRepository": "source.toolkit.fluxcd.io/v1",
}
"""With their versions: a Receiver knows those of sources only by itself."""

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class FluxResource:
    """One object of Flux that a Receiver has reconciled."""

    kind: str
    """One of the kinds that Flux reconciles."""
    name: str
    """Its name."""
    namespace: str = ""
    """Its namespace; empty: Flux's own."""


def flux_resource(text: str) -> FluxResource:
    """Read `Kind/name` or `Kind/namespace/name`; ValueError with what is allowed."""
    kind, *rest = text.split("/")
    if kind not in KINDS or len(rest) not in (1, 2) or not all(map(_NAME.fullmatch, rest)):
        raise ValueError(
            f"{text!r} is none of Flux's: give Kind/name or Kind/namespace/name, several separated by commas;"
            f" the kinds are {', '.join(KINDS)}"
        )
    return FluxResource(kind=kind, name=rest[-1], namespace=rest[0] if len(rest) == 2 else "")


def webhook_path(token: str, name: str, namespace: str) -> str:
    """Return where a Receiver of that name and namespace takes requests."""
    return f"/hook/{hashlib.sha256(f'{token}{name}{namespace}'.encode()).hexdigest()}"


def webhook_url(path: str, flux_namespace: str) -> str:
    """Return a Receiver's address in the cluster; the Service `notification-controller` is another."""
    return f"http://webhook-receiver.{flux_namespace}.svc.cluster.local{path}"
