"""Certificates and their authority, as cert-manager takes them.

An authority of the environment's own is a self-signed certificate in the namespace where cert-manager looks
for the Secrets of ClusterIssuers. Every certificate's Secret also holds the authority's, as `ca.crt`: that is
how pods of several namespaces come to trust it without a copy of anybody's key.
"""

from dataclasses import dataclass
from typing import Any, Final

from components.manifests.metadata import Manifest, object_meta, platform_labels

LIFETIME: Final = "2160h0m0s"
RENEW_BEFORE: Final = "720h0m0s"
"""30 days before the end, contract section 7; the durations are as cert-manager writes them itself."""

AUTHORITY_LIFETIME: Final = "87600h0m0s"

_API: Final = "cert-manager.io/v1"


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A certificate for somebody."""

    name: str
    """Name of the Certificate and of its Secret (type kubernetes.io/tls, with `ca.crt`)."""
    namespace: Any
    """Where both are."""
    hosts: tuple[str, ...]
    """DNS names; the first one is the subject."""
    usages: tuple[str, ...]
    """`server auth`, `client auth`."""
    issuer: str
    """Name of the ClusterIssuer."""


def self_signed(name: str, namespace: str) -> Manifest:
    """Return the Issuer that signs the authority's certificate."""
    return {
        "apiVersion": _API,
        "kind": "Issuer",
        "metadata": object_meta(name, namespace, platform_labels("tls")),
        "spec": {"selfSigned": {}},
    }


def authority(name: str, namespace: str, *, issuer: str) -> Manifest:
    """Return the authority's certificate, which may sign servers and clients but no further authority."""
    spec = {
        "isCA": True,
        "commonName": name,
        "secretName": name,
        "duration": AUTHORITY_LIFETIME,
        "renewBefore": RENEW_BEFORE,
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
        "usages": ["cert sign", "crl sign"],
        "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": issuer},
    }
    return _certificate(name, namespace, spec)


def cluster_issuer(name: str, *, secret: str) -> Manifest:
    """Return the ClusterIssuer that signs with the authority in the Secret."""
    return {
        "apiVersion": _API,
        "kind": "ClusterIssuer",
        "metadata": {"name": name, "labels": platform_labels("tls")},
        "spec": {"ca": {"secretName": secret}},
    }


def leaf(args: Leaf) -> Manifest:
    """Return a certificate that is renewed, with a new key, 30 days before it ends."""
    spec = {
        "commonName": args.hosts[0][:64],
        "dnsNames": list(args.hosts),
        "secretName": args.name,
        "duration": LIFETIME,
        "renewBefore": RENEW_BEFORE,
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", *args.usages],
        "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": args.issuer},
    }
    return _certificate(args.name, args.namespace, spec)


def _certificate(name: str, namespace: Any, spec: Manifest) -> Manifest:
    return {
        "apiVersion": _API,
        "kind": "Certificate",
        "metadata": object_meta(name, namespace, platform_labels("tls")),
        "spec": spec,
    }
