"""Destinations of Broker and Trigger specs, resolved to URLs."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from local.apiserver.errors import ApiError
from local.apiserver.kinds import BROKER, KSERVICE, SERVICE, Kind
from local.apiserver.store import Store

Place = tuple[Kind, str, str]
"""Kind, namespace and name of what a destination refers to."""


class UnresolvedError(Exception):
    """The destination has no URL, at least not now; the text is for the status."""


def place_of(destination: Mapping[str, Any] | None, namespace: str) -> Place | None:
    """Return what the destination refers to; None when it refers to nothing that can change."""
    reference = (destination or {}).get("ref")
    if not reference:
        return None
    for kind in (KSERVICE, SERVICE, BROKER):
        if (reference.get("apiVersion"), reference.get("kind")) == (kind.api_version, kind.kind):
            return kind, reference.get("namespace") or namespace, reference.get("name", "")
    return None


def resolve(store: Store, destination: Mapping[str, Any], namespace: str) -> str:
    """Return the URL of a destination: its `uri`, its `ref`'s address, or the one relative to the other.

    Raises UnresolvedError.
    """
    uri = destination.get("uri")
    if not destination.get("ref"):
        return _absolute(uri)
    place = place_of(destination, namespace)
    if place is None:
        reference = destination["ref"]
        raise UnresolvedError(
            f"{reference.get('apiVersion')} {reference.get('kind')} is not addressable here; allowed are"
            " a Knative"
            " Service, a core Service and a Broker"
        )
    address = _address(store, *place)
    return urljoin(address, uri) if uri else address


def _address(store: Store, kind: Kind, namespace: str, name: str) -> str:
    if kind is SERVICE and _exists(store, KSERVICE, namespace, name):
        # Knative gives each of its Services a core Service of the same name.
        kind = KSERVICE
    try:
        found = store.get(kind, namespace, name)
    except ApiError as error:
        raise UnresolvedError(f"failed to get object {namespace}/{name}: {error}") from None
    if kind is SERVICE:
        return _service_address(found, namespace, name)
    url = found.get("status", {}).get("address", {}).get("url")
    if not url:
        raise UnresolvedError(f"address not set for {kind.kind} {namespace}/{name}")
    return str(url)


def _service_address(service: Mapping[str, Any], namespace: str, name: str) -> str:
    spec = service.get("spec", {})
    host = spec.get("externalName") if spec.get("type") == "ExternalName" else None
    ports = spec.get("ports") or []
    port = ports[0].get("port", 80) if ports else 80
    suffix = "" if port == 80 else f":{port}"
    return f"http://{host or f'{name}.{namespace}.svc.cluster.local'}{suffix}"


def _exists(store: Store, kind: Kind, namespace: str, name: str) -> bool:
    try:
        store.get(kind, namespace, name)
    except ApiError:
        return False
    return True


def _absolute(uri: Any) -> str:
    parts = urlsplit(uri) if isinstance(uri, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnresolvedError(f"destination missing Ref and URI, expected at least one: uri is {uri!r}")
    return str(uri)
