"""What has to agree between a recorded entry of a state and ours, and what may differ."""

import json
from typing import Any

from engine.results import StepRecord

Json = dict[str, Any]

_OF_THE_RUN = ("created", "modified", "provider", "sourcePosition", "stackTrace")
_OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
_ASSIGNED = (
    "clusterIP",
    "clusterIPs",
    "nodePort",
    "batch.kubernetes.io/controller-uid",
    "controller-uid",
    "deployment.kubernetes.io/revision",
)
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


def told(steps: tuple[StepRecord, ...]) -> list[Json]:
    """Return the steps in the words of the golden files.

    Without those that stay the same, and without components, the stack and providers.
    """
    return [_told(step) for step in steps if step.op != "same" and step.type.startswith("kubernetes:")]


def _told(step: StepRecord) -> Json:
    row: Json = {"name": step.urn.split("::")[-1], "op": step.op}
    if step.keys:
        row["keys"] = list(step.keys)
    if step.detailed:
        row["detailed"] = {
            path: item.kind.value + " input" * item.input_diff for path, item in step.detailed.items()
        }
    return row


def comparable(entry: Json) -> Json:
    """Return an entry of a state without what differs from run to run.

    Times, uids, versions, minted names and field managers, ciphertexts, and what servers and controllers
    assign.
    """
    kept = _plain({key: value for key, value in entry.items() if key not in _OF_THE_RUN})
    outputs = kept["outputs"]
    manager = outputs.pop("__fieldManager")
    outputs.pop("status", None)
    kept["managed"] = sorted(
        (item["operation"], "its own" if item["manager"] == manager else item["manager"])
        for item in outputs["metadata"].get("managedFields", [])
        if item["manager"].startswith("pulumi")
    )
    for key in _OF_THE_SERVER:
        outputs["metadata"].pop(key, None)
    return _without_made_up_name(kept)


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Return what differs in meaning; nothing does where a quantity or a zero value is spelt otherwise."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = {**ours, **theirs}
        return [text for key in keys for text in differences(ours.get(key), theirs.get(key), f"{path}.{key}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [text for index, (a, b) in pairs for text in differences(a, b, f"{path}[{index}]")]
    if ours == theirs or (theirs is None and ours in ("", False)) or _same_quantity(ours, theirs):
        return []
    return [f"{path}: ours {ours!r}, theirs {theirs!r}"]


def _same_quantity(ours: Any, theirs: Any) -> bool:
    try:
        return abs(_amount(ours) - _amount(theirs)) < 1e-9
    except ValueError:
        return False


def _amount(text: Any) -> float:
    number = str(text).rstrip("mkKMGi")
    return float(number) * _UNITS.get(str(text)[len(number) :], float("nan"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if "ciphertext" in value:
            return "[secret]"
        return {key: _plain(item) for key, item in value.items() if key not in _ASSIGNED}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _without_made_up_name(entry: Json) -> Json:
    name = entry["id"].split("/")[-1]
    if not name.startswith("configmap-autonamed-"):
        return entry
    plain: Json = json.loads(json.dumps(entry).replace(name, "configmap-autonamed-01234567"))
    return plain
