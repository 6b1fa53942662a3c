"""Snapshots from and to checkpoint documents: resource records, values, secrets, the manifest.

Encoding is fast where it counts: json.dumps does the walking in C and calls back for special leaves only, and
the text of an unchanged resource is kept with it.
"""

import datetime
import importlib.metadata
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from engine import integrity, shapes, specials
from engine.checkpoint import Document, number
from engine.crypto import Secrets
from engine.errors import CheckpointRefused
from engine.specials import BYTES, SECRET, SIGNATURE, UNKNOWN_TEXTS
from engine.state import PendingOperation, ResourceState, Snapshot
from engine.values import UNKNOWN, Secret, secret

ENGINE_VERSION: Final = f"v{importlib.metadata.version('pulumi')}"
"""What the manifest names as the writer: the Pulumi release whose state this engine writes."""

_MEMBERS: Final = (  # JSON name, attribute; in the order in which Pulumi writes them
    ("urn", "urn"),
    ("custom", "custom"),
    ("delete", "delete"),
    ("id", "id"),
    ("type", "type"),
    ("inputs", "inputs"),
    ("outputs", "outputs"),
    ("parent", "parent"),
    ("protect", "protect"),
    ("taint", "taint"),
    ("external", "external"),
    ("dependencies", "dependencies"),
    ("initErrors", "init_errors"),
    ("provider", "provider"),
    ("propertyDependencies", "property_dependencies"),
    ("pendingReplacement", "pending_replacement"),
    ("additionalSecretOutputs", "additional_secret_outputs"),
    ("customTimeouts", "custom_timeouts"),
    ("importID", "import_id"),
    ("retainOnDelete", "retain_on_delete"),
    ("deletedWith", "deleted_with"),
    ("replaceWith", "replace_with"),
    ("replacementTrigger", "replacement_trigger"),
    ("created", "created"),
    ("modified", "modified"),
    ("ignoreChanges", "ignore_changes"),
    ("replaceOnChanges", "replace_on_changes"),
    ("hideDiff", "hide_diff"),
    ("refreshBeforeUpdate", "refresh_before_update"),
    ("viewOf", "view_of"),
    ("resourceHooks", "resource_hooks"),
)
_ATTRIBUTES: Final = dict(_MEMBERS)
_DROPPED: Final = frozenset({"aliases"})
_REQUIRED: Final = ("urn", "custom", "type")
_ZEROS: Final[tuple[Any, ...]] = (None, "", (), {}, False)
_OWN_MEMBERS: Final = frozenset(
    {"manifest", "secrets_providers", "resources", "pending_operations", "metadata"}
)


_MAGIC: Final = integrity.magic(ENGINE_VERSION)


class Codec:
    """Turns documents into snapshots and back, for one checkpoint and its secrets. Thread-safe."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        # Ciphertexts by the identity of the Secret they were made of: an unchanged secret is not encrypted
        # again.
        self._ciphertexts: dict[int, tuple[Secret, str]] = {}
        # Those that hold byte strings: a file that has one has to say so, although it does not show.
        self._with_bytes: set[str] = set()

    def decode(self, document: Document, *, verify: bool = True) -> Snapshot:
        """Return the snapshot of a document; CheckpointRefused if a value or an invariant is broken.

        Without `verify` the invariants are left to the caller.
        """
        latest = document.latest or {}
        transform = self.value if document.special else _identity
        try:
            _check_manifest(latest.get("manifest") or {})
            resources = tuple(self._resource(raw, transform) for raw in latest.get("resources") or ())
            pending = tuple(
                PendingOperation(self._resource(raw["resource"], transform), raw["type"])
                for raw in latest.get("pending_operations") or ()
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointRefused(f"the state holds what this engine cannot read: {error!r}") from error
        if verify and (broken := integrity.problem(resources)):
            raise CheckpointRefused(f"the state breaks an invariant: {broken}")
        extra = {key: item for key, item in latest.items() if key not in _OWN_MEMBERS}
        return Snapshot(resources=resources, pending=pending, extra=extra)

    def encode(self, stack: str, snapshot: Snapshot) -> bytes:
        """Return the checkpoint file of a snapshot; `stack` is the fully qualified name."""
        body = self._deployment(snapshot)
        features = _features(snapshot, self._with_bytes)
        head = f'{{"version":4,"features":{_dump(features)}' if features else '{"version":3'
        return f'{head},"checkpoint":{{"stack":{_dump(stack)},"latest":{body}}}}}'.encode()

    def value(self, value: Any) -> Any:
        """Decode a state value: special objects and unknowns, at any depth."""
        if isinstance(value, dict):
            decoded = {key: self.value(item) for key, item in value.items()}
            return self._special(decoded) if SIGNATURE in decoded else decoded
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return UNKNOWN if isinstance(value, str) and value in UNKNOWN_TEXTS else value

    def _special(self, fields: dict[str, Any]) -> Any:
        kind = fields.pop(SIGNATURE)
        if kind != SECRET:
            return specials.decode(kind, fields)
        if ("ciphertext" in fields) == ("plaintext" in fields):
            raise CheckpointRefused("a secret of the state has not exactly one of ciphertext and plaintext")
        if "plaintext" in fields:
            return secret(_Plain().value(json.loads(fields["plaintext"], parse_float=number)))
        ciphertext = fields["ciphertext"]
        plaintext = self._open(ciphertext)
        found = secret(_Plain().value(json.loads(plaintext, parse_float=number)))
        self._remember(found, plaintext, ciphertext)
        return found

    def _open(self, ciphertext: str) -> str:
        return self._secrets.decrypt(ciphertext)

    def _seal(self, value: Secret) -> dict[str, str]:
        known = self._ciphertexts.get(id(value))
        if known is None:
            plaintext = _dump(value.value, _Plain().leaf)
            known = self._remember(value, plaintext, self._secrets.encrypt(plaintext))
        return {SIGNATURE: SECRET, "ciphertext": known[1]}

    def _remember(self, value: Secret, plaintext: str, ciphertext: str) -> tuple[Secret, str]:
        self._ciphertexts[id(value)] = (value, ciphertext)
        if BYTES in plaintext:
            self._with_bytes.add(ciphertext)
        return self._ciphertexts[id(value)]

    def leaf(self, value: Any) -> Any:
        """Return the JSON form of a leaf that JSON does not know, for use as `default` of json.dumps."""
        return self._seal(value) if isinstance(value, Secret) else specials.encode(value)

    def _resource(self, raw: Mapping[str, Any], transform: Callable[[Any], Any]) -> ResourceState:
        known: dict[str, Any] = {"custom": False, "type": "", "urn": ""}
        extra: dict[str, Any] = {}
        for name, item in raw.items():
            attribute = _ATTRIBUTES.get(name)
            if attribute is None:
                if name not in _DROPPED:
                    extra[name] = item
            elif item is not None:
                known[attribute] = shapes.checked(attribute, item)
        for name in ("inputs", "outputs", "replacement_trigger"):
            if name in known:
                known[name] = transform(known[name])
        return ResourceState(**known, extra=extra)

    def _deployment(self, snapshot: Snapshot) -> str:
        resources = [self._fragment(state) for state in snapshot.resources]
        pending = [
            f'{{"resource":{self._fragment(op.resource)},"type":{_dump(op.kind)}}}' for op in snapshot.pending
        ]
        parts = [f'"manifest":{_manifest()}']
        if self._secrets.state is not None:
            provider = {"type": "passphrase", "state": {"salt": self._secrets.state}}
            parts.append(f'"secrets_providers":{_dump(provider)}')
        if resources:
            parts.append(f'"resources":[{",".join(resources)}]')
        if pending:
            parts.append(f'"pending_operations":[{",".join(pending)}]')
        parts += [f"{_dump(key)}:{_dump(item)}" for key, item in snapshot.extra.items()]
        parts.append(f'"metadata":{_metadata(snapshot.integrity_error)}')
        return "{" + ",".join(parts) + "}"

    def _fragment(self, state: ResourceState) -> str:
        if state.encoded is None:
            # A cache on an immutable value; two threads that race here store the same text.
            object.__setattr__(state, "encoded", _dump(_members(state), self.leaf))
        return state.encoded or ""


class _Plain(Codec):
    """Codec of what is inside a secret.

    Secrets nested in it stay marked but are not encrypted a second time.
    """

    def __init__(self) -> None:
        self._ciphertexts = {}
        self._with_bytes = set()

    def _open(self, ciphertext: str) -> str:
        return ciphertext

    def _seal(self, value: Secret) -> dict[str, str]:
        return {SIGNATURE: SECRET, "ciphertext": _dump(value.value, self.leaf)}


def now() -> str:
    """Return the present time as states record it: RFC 3339, UTC, microseconds."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _members(state: ResourceState) -> dict[str, Any]:
    members = {
        name: item
        for name, attribute in _MEMBERS
        if (item := getattr(state, attribute)) not in _ZEROS or name in _REQUIRED
    }
    if state.replacement_trigger is not None:
        members["replacementTrigger"] = state.replacement_trigger
    return {**members, **state.extra}


def _features(snapshot: Snapshot, with_bytes: set[str]) -> list[str]:
    """Return what the snapshot uses of version 4, once its states are encoded."""
    states = [*snapshot.resources, *(op.resource for op in snapshot.pending)]
    texts = [state.encoded or "" for state in states]
    used = {
        "byteString": any(BYTES in text for text in texts)
        or any(ciphertext in text for ciphertext in with_bytes for text in texts),
        "extensionParameterization": any("extensionRef" in state.extra for state in states),
        "hooks": any(state.resource_hooks for state in states),
        "refreshBeforeUpdate": any(state.refresh_before_update for state in states),
        "replaceWith": any(state.replace_with for state in states),
        "snippets-prototype": bool(snapshot.extra.get("snippets"))
        or any("snippetID" in state.extra for state in states),
        "taint": any(state.taint for state in states),
        "views": any(state.view_of for state in states),
    }
    return [name for name, present in used.items() if present]


def _check_manifest(manifest: Mapping[str, Any]) -> None:
    version = manifest.get("version") or ""
    if (manifest.get("magic") or "") != integrity.magic(version):
        raise CheckpointRefused(f"the manifest's check sum does not fit its version {version!r}")


def _manifest() -> str:
    return _dump({"time": now(), "magic": _MAGIC, "version": ENGINE_VERSION})


def _metadata(integrity_error: str) -> str:
    if not integrity_error:
        return "{}"
    return _dump({"integrity_error": {"version": ENGINE_VERSION, "command": "", "error": integrity_error}})


def _dump(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    try:
        return _dumps(value, default)
    except ValueError:
        return _dumps(_finite(value), default)


def _dumps(value: Any, default: Callable[[Any], Any] | None) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=default)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return (
        specials.encode_non_finite(value) if isinstance(value, float) and not math.isfinite(value) else value
    )


def _identity(value: Any) -> Any:
    return value
