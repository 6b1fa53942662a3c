"""Secrets that the External Secrets operator copies from a store, and keeps like it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from components.manifests import kaniko, topology
from components.manifests.metadata import Manifest, object_meta, platform_labels
from components.manifests.service_environment import PASSPHRASE, STATE_SECRET

STORAGE: Final = "storage"
STATE: Final = "state"
REGISTRY: Final = "registry"
RABBITMQ: Final = "rabbitmq"
KINDS: Final = (STORAGE, STATE, REGISTRY, RABBITMQ)
"""What can come from a store: the storage's static key, the passphrase of functions' states, what opens the
registry, and the credentials of RabbitMQ's users."""

REFRESH: Final = "1h0m0s"
"""Contract section 7; as the operator writes it itself."""

STORES: Final = ("ClusterSecretStore", "SecretStore")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One Secret from one entry of the store."""

    name: str
    """Name of the ExternalSecret and of its Secret."""
    entry: str
    """Name of the entry; its properties are named as the keys."""
    keys: tuple[str, ...]
    """Keys of the Secret that come from the store."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Further keys with values that are no secret."""
    type: str = "Opaque"
    """Type of the Secret."""


def planned(
    kinds: Sequence[str], prefix: str, users: Sequence[str], connection: Mapping[str, str]
) -> list[Stored]:
    """Return the Secrets of some KINDS.

    `users` are RabbitMQ's; `connection` is what the Secret of a RabbitmqSource holds besides.
    """
    found = [stored for kind in kinds if kind in _OF for stored in _OF[kind](f"{prefix}/")]
    return [*found, *(_rabbitmq(f"{prefix}/", users, connection) if RABBITMQ in kinds else [])]


def _storage(prefix: str) -> list[Stored]:
    keys = (kaniko.ACCESS_KEY_ID, kaniko.SECRET_ACCESS_KEY)
    return [Stored(name=kaniko.STORAGE_SECRET, entry=f"{prefix}storage", keys=keys)]


def _state(prefix: str) -> list[Stored]:
    return [Stored(name=STATE_SECRET, entry=f"{prefix}state", keys=(PASSPHRASE,))]


def _registry(prefix: str) -> list[Stored]:
    return [
        Stored(
            name=f"knative-lambda-registry-{use}",
            entry=f"{prefix}registry-{use}",
            keys=(".dockerconfigjson",),
            type="kubernetes.io/dockerconfigjson",
        )
        for use in ("pull", "push")
    ]


def _rabbitmq(prefix: str, users: Sequence[str], connection: Mapping[str, str]) -> list[Stored]:
    """Return each user's credentials; the source's are also what eventing-rabbitmq connects with."""
    return [
        Stored(
            name=topology.stored_secret(user),
            entry=f"{prefix}rabbitmq/{user}",
            keys=("username", "password"),
            constants=connection if user == topology.SOURCE_USER else {},
        )
        for user in users
    ]


_OF: Final = {STORAGE: _storage, STATE: _state, REGISTRY: _registry}


def external_secret(stored: Stored, namespace: Any, *, store: str, store_kind: str) -> Manifest:
    """Return the ExternalSecret; its Secret goes when it goes."""
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": object_meta(stored.name, namespace, platform_labels("secrets")),
        "spec": {
            "refreshInterval": REFRESH,
            "secretStoreRef": {"kind": store_kind, "name": store},
            "target": {
                "name": stored.name,
                "creationPolicy": "Owner",
                "deletionPolicy": "Retain",
                "template": _template(stored),
            },
            "data": [
                {"secretKey": _variable(key), "remoteRef": {"key": stored.entry, "property": key}}
                for key in stored.keys
            ],
        },
    }


def _template(stored: Stored) -> Manifest:
    data = {key: f"{{{{ .{_variable(key)} }}}}" for key in stored.keys}
    return {
        "engineVersion": "v2",
        "type": stored.type,
        "metadata": {"labels": platform_labels("secrets")},
        "data": {**data, **stored.constants},
    }


def _variable(key: str) -> str:
    """Return a key as a template may name it: letters, digits and underscores."""
    return "".join(char if char.isalnum() else "_" for char in key)
