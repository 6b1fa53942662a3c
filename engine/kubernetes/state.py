"""The shape of a Kubernetes resource in Pulumi's state.

The live object and three keys of our own beside it.
"""

import secrets
from collections.abc import Callable
from typing import Any

from engine.kubernetes.check import marked
from engine.kubernetes.diff import SERVER_METADATA, prune
from engine.kubernetes.normal import integral, schema_dashed, schema_underscored
from engine.provider import Properties
from engine.values import Secret, unwrap

Json = dict[str, Any]

INPUTS, INITIAL_API_VERSION, FIELD_MANAGER = "__inputs", "__initialApiVersion", "__fieldManager"

_SECRET_KEYS = ("data", "stringData")
_IMPORT_DROPS = frozenset(
    ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")
)


def recorded_live(outputs: Properties) -> Json:
    """Return the live object of recorded outputs, in plain text and in the API server's spelling."""
    live = {key: unwrap(value) for key, value in outputs.items() if not key.startswith("__")}
    return _spelt(live, schema_dashed)


def recorded_inputs(outputs: Properties) -> Json:
    """Return the `__inputs` of recorded outputs, in plain text and in the API server's spelling."""
    inputs = unwrap(outputs.get(INPUTS)) or {}
    return _spelt(inputs, schema_dashed)


def document_of(inputs: Properties) -> Json:
    """Return checked inputs as the document to send: secrets in plain text."""
    plain: Json = integral(unwrap(inputs))
    return plain


def outputs_of(live: Json, inputs: Properties, *, manager: str, initial_api_version: str) -> Properties:
    """Return the outputs to record for a live object and the inputs that made it; secrets are marked."""
    outputs: Properties = marked(live, inputs)
    kept = inputs
    if live.get("kind") == "Secret" and live.get("apiVersion") == "v1":
        outputs = {key: _secret(value) if key in _SECRET_KEYS else value for key, value in outputs.items()}
    if live.get("kind") == "CustomResourceDefinition":
        outputs, kept = schema_underscored(outputs), schema_underscored(inputs)
    return {**outputs, INPUTS: kept, INITIAL_API_VERSION: initial_api_version, FIELD_MANAGER: manager}


def refreshed_inputs(live: Json, inputs: Properties) -> Properties:
    """Return the inputs as the live object has them now: what was set, with the values found."""
    refreshed: Properties = marked(prune(live, unwrap(inputs)), inputs)
    return _secret_inputs(refreshed)


def read(
    live: Json, inputs: Properties, outputs: Properties, *, builtin: bool
) -> tuple[Properties, Properties]:
    """Return inputs and outputs for a live object that was read: refreshed, or imported if never recorded.

    `inputs` and `outputs` are the recorded ones, empty for an import.
    """
    if outputs.get(INPUTS):
        found = refreshed_inputs(live, inputs or outputs[INPUTS])
    else:
        found = imported_inputs(live, builtin=builtin)
    manager = outputs.get(FIELD_MANAGER) or new_manager()
    initial = outputs.get(INITIAL_API_VERSION) or live["apiVersion"]
    return found, outputs_of(live, found, manager=manager, initial_api_version=initial)


def imported_inputs(live: Json, *, builtin: bool) -> Properties:
    """Return inputs for an object that was never recorded.

    Of a custom resource only its identity comes back, as with Pulumi's provider: nothing says which of its
    fields were written by people.
    """
    metadata = live["metadata"]
    if not builtin:
        identity = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
        return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": identity}
    inputs = {key: value for key, value in live.items() if key != "status"}
    dropped = SERVER_METADATA - {"deletionGracePeriodSeconds", "deletionTimestamp"}
    kept = {key: value for key, value in metadata.items() if key not in dropped}
    if "annotations" in kept:
        kept["annotations"] = {key: v for key, v in kept["annotations"].items() if key not in _IMPORT_DROPS}
        if not kept["annotations"]:
            del kept["annotations"]
    return _secret_inputs({**inputs, "metadata": kept})


def new_manager() -> str:
    """Return a field manager of a resource's own: `pulumi-kubernetes-` and 8 random hex digits."""
    return f"pulumi-kubernetes-{secrets.token_hex(4)}"


def preview_outputs(live: Json, old_inputs: Json, news: Properties) -> Properties:
    """Return what an update will probably give.

    The live object with the new inputs, without what will change.

    Status and version metadata are left out, so that they count as unknown.
    """
    return unsettled(_overlay(live, old_inputs, news))


def unsettled(outputs: Properties, *, new: bool = False) -> Properties:
    """Return outputs of a preview without what only the real run will settle: status, version metadata.

    Of a `new` object the identity that the server gives it, too.
    """
    rest = {key: value for key, value in outputs.items() if key != "status"}
    if isinstance(rest.get("metadata"), dict):
        gone = ("generation", "managedFields", "resourceVersion") + ("creationTimestamp", "uid") * new
        rest["metadata"] = {key: value for key, value in rest["metadata"].items() if key not in gone}
    return rest


def _overlay(live: Any, old: Any, new: Any) -> Any:
    """Return `new` over `live`; what stood in `old` and not in `new` is dropped."""
    if isinstance(live, dict) and isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        kept = {key: value for key, value in live.items() if key not in before and key not in new}
        return {
            **kept,
            **{key: _overlay(live.get(key), before.get(key), value) for key, value in new.items()},
        }
    if isinstance(live, list) and isinstance(new, list) and len(live) == len(new):
        olds = old if isinstance(old, list) and len(old) == len(new) else [None] * len(new)
        return [_overlay(*items) for items in zip(live, olds, new, strict=True)]
    return new


def _spelt(document: Json, spelling: Callable[[Any], Any]) -> Json:
    return dict(spelling(document)) if document.get("kind") == "CustomResourceDefinition" else document


def _secret_inputs(inputs: Properties) -> Properties:
    if inputs.get("kind") != "Secret" or inputs.get("apiVersion") != "v1":
        return inputs
    return {key: _secret(value) if key in _SECRET_KEYS else value for key, value in inputs.items()}


def _secret(value: Any) -> Any:
    return value if isinstance(value, Secret) else Secret(unwrap(value))
