"""The normal form in which objects are compared: what Kubernetes' own Go structs make of a document.

For built-in kinds a round trip through the structs drops zero values of `omitempty` fields that are no
pointers (`hostNetwork: false`, `env: []`) and rewrites quantities (`1024Mi` -> `1Gi`). The API server stores
the result, so comparing a program's words with the server's needs the same treatment on both sides. Derived
from the struct tags of Kubernetes 1.34. Where a name is a pointer in one struct and a value in another the
zero is kept: the worst that follows is one superfluous apply, never a change that is missed.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from fractions import Fraction
from typing import Any

from engine.kubernetes.kinds import is_builtin
from engine.values import contains_unknown

Json = dict[str, Any]

_OMITTED_SCALARS = frozenset(
    [
        "action",
        "allocationMode",
        "audience",
        "clusterIP",
        "concurrencyPolicy",
        "count",
        "description",
        "directory",
        "dnsPolicy",
        "effect",
        "externalName",
        "externalTrafficPolicy",
        "failureThreshold",
        "fieldPath",
        "globalDefault",
        "group",
        "healthCheckNodePort",
        "host",
        "hostIP",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostPort",
        "image",
        "imagePullPolicy",
        "initialDelaySeconds",
        "key",
        "loadBalancerIP",
        "medium",
        "message",
        "messageExpression",
        "minReadySeconds",
        "name",
        "nodePort",
        "note",
        "number",
        "operator",
        "paused",
        "periodSeconds",
        "persistentVolumeReclaimPolicy",
        "podCIDR",
        "podManagementPolicy",
        "policyName",
        "pool",
        "prefix",
        "priorityClassName",
        "publishNotReadyAddresses",
        "pullPolicy",
        "readOnly",
        "resource",
        "role",
        "schedulerName",
        "scheme",
        "secretName",
        "serviceAccount",
        "serviceAccountName",
        "sessionAffinity",
        "stdin",
        "stdinOnce",
        "subPath",
        "subPathExpr",
        "subdomain",
        "successThreshold",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "type",
        "unschedulable",
        "user",
        "username",
        "value",
        "volumeName",
        "whenDeleted",
        "whenScaled",
        "workingDir",
    ]
)
"""Scalar fields whose zero value is not written.

`name`, `readOnly` and `value` are pointers only in rare structs.
"""

_KEYED_BY_USER = frozenset(
    [
        "annotations",
        "binaryData",
        "capacity",
        "counters",
        "data",
        "default",
        "defaultRequest",
        "hard",
        "labels",
        "limits",
        "matchLabels",
        "max",
        "maxLimitRequestRatio",
        "min",
        "nodeSelector",
        "overhead",
        "parameters",
        "requests",
        "stringData",
        "volumeAttributes",
    ]
)
"""Maps whose keys are the user's: empty ones are not written, and inside them no key is a field."""

_KEPT_NUMBERS = frozenset(["value"])
"""Names whose zero is written where it is a number: the value of a PriorityClass, not of a variable."""

_KEPT_AT_TOP = "rules"
"""A list that is written even when empty in (Cluster)Roles, and left out deeper down (Ingress)."""

_KEPT_LISTS = frozenset(
    ["containers", "drivers", "nodeSelectorTerms", "rules", "topologyKeys", "verbs", "limits"]
)
"""Lists that are written even when empty."""

_QUANTITY_MAPS = frozenset(
    [
        "capacity",
        "counters",
        "default",
        "defaultRequest",
        "hard",
        "limits",
        "max",
        "maxLimitRequestRatio",
        "min",
        "overhead",
        "requests",
    ]
)
_QUANTITIES = frozenset(["averageValue", "capacity", "divisor", "maximumVolumeSize", "sizeLimit"])
"""Scalar fields that are quantities; `capacity` is one in CSIStorageCapacity, and a map elsewhere."""

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_UNITS |= {f"{prefix}i": 1024**power for power, prefix in enumerate("KMGTPE", 1)}
_FRACTIONS = {"m": Fraction(1, 10**3), "u": Fraction(1, 10**6), "n": Fraction(1, 10**9)}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)")

SCHEMA_KEYS = {
    f"x_kubernetes_{key.replace('-', '_')}": f"x-kubernetes-{key}"
    for key in (
        "embedded-resource",
        "int-or-string",
        "list-map-keys",
        "list-type",
        "map-type",
        "preserve-unknown-fields",
        "validations",
    )
}
"""How the SDK spells the extension keys of a CRD's schema, and how Kubernetes does."""


def normal(document: Json) -> Json:
    """Return an object (inputs or live, secrets unwrapped) in normal form; quantities become exact fractions.

    For comparison only: the result is not an object to send.
    """
    api_version, kind = document.get("apiVersion", ""), document.get("kind", "")
    if kind == "CustomResourceDefinition":
        return _normal_definition(document)
    if (api_version, kind) == ("v1", "Secret"):
        return encoded_secret(document)
    if isinstance(api_version, str) and is_builtin(api_version):
        return dict(_fields(document))
    return dict(_without_nulls(document))


def quantity(value: Any) -> Any:
    """Return the exact value of a quantity such as `500m`, `0.5Gi` or 1.

    Anything else comes back unchanged.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    match = _QUANTITY.fullmatch(str(value))
    if not match:
        return value
    number, exponent, suffix = match.groups()
    factor = _FRACTIONS.get(suffix or "") or _UNITS.get(suffix or "")
    if exponent:
        factor = Fraction(10) ** int(exponent)
    return value if factor is None else Fraction(number) * factor


def encoded_secret(document: Json) -> Json:
    """Return a Secret with `stringData` merged into `data` as base64, the way the API server stores it.

    A Secret with unknown values stays as it is.
    """
    if contains_unknown([document.get("data"), document.get("stringData")]):
        return document
    plain = document.get("stringData") or {}
    data = {key: _recoded(value) for key, value in (document.get("data") or {}).items()}
    data |= {key: b64encode(str(value).encode()).decode() for key, value in plain.items()}
    rest = {key: value for key, value in document.items() if key not in ("data", "stringData")}
    return {**rest, "data": data} if data else rest


def schema_dashed(value: Any) -> Any:
    """Return a CRD's document with the extension keys of schemas as Kubernetes spells them."""
    return _renamed(value, SCHEMA_KEYS)


def schema_underscored(value: Any) -> Any:
    """Return a CRD's document with the extension keys of schemas as the SDK spells them."""
    return _renamed(value, {dashed: underscored for underscored, dashed in SCHEMA_KEYS.items()})


def integral(value: Any) -> Any:
    """Return the value with floats that are whole numbers as ints, at any depth.

    `replicas: 1.0` is refused.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: integral(item) for key, item in value.items()}
    if isinstance(value, list):
        return [integral(item) for item in value]
    return value


def _recoded(value: Any) -> Any:
    """Return base64 text without line breaks and blanks.

    What is no base64 is left for the server to refuse.
    """
    if not isinstance(value, str):
        return value
    try:
        return b64encode(b64decode("".join(value.split()), validate=True)).decode()
    except Base64Error:
        return value


def _fields(value: Any, name: str = "", parent: str = "") -> Any:
    if isinstance(value, dict):
        if name in _KEYED_BY_USER:
            return {key: _amount(item) for key, item in value.items()} if name in _QUANTITY_MAPS else value
        fields = {key: _fields(_listed(key, item), key, name) for key, item in value.items()}
        return {key: item for key, item in fields.items() if not _omitted(key, item, name)}
    if isinstance(value, list):
        return [_fields(item) for item in value]
    if name in _QUANTITIES or (name, parent) == ("value", "target"):
        return quantity(value)
    return value


def _amount(value: Any) -> Any:
    """Return a quantity in exact form: one by itself, or the `value` of an object."""
    if isinstance(value, dict) and "value" in value:
        return {**value, "value": quantity(value["value"])}
    return quantity(value)


def _listed(name: str, value: Any) -> Any:
    """Return an empty list for null where the API server writes null for a list that is empty."""
    return [] if value is None and name in _KEPT_LISTS else value


def _omitted(name: str, value: Any, parent: str) -> bool:
    """Say whether Go would leave the field out of the JSON it writes."""
    if value is None:
        return True
    if isinstance(value, list):
        return not value and (name not in _KEPT_LISTS or (name == _KEPT_AT_TOP and parent != ""))
    if isinstance(value, dict):
        return not value and name in _KEYED_BY_USER
    kinds = str if name in _KEPT_NUMBERS else str | int | float
    return name in _OMITTED_SCALARS and isinstance(value, kinds) and not value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _normal_definition(document: Json) -> Json:
    result: Json = _without_nulls(
        schema_dashed({key: item for key, item in document.items() if key != "status"})
    )
    spec = result.get("spec")
    if isinstance(spec, dict) and spec.get("preserveUnknownFields") is False:
        result["spec"] = {key: item for key, item in spec.items() if key != "preserveUnknownFields"}
    return result


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value
