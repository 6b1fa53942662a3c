"""Fields that stay as they were when the object was made."""

import json
from typing import Any

from local.apiserver import kinds
from local.apiserver.errors import ApiError, Cause, bad_request
from local.apiserver.kinds import Kind
from local.apiserver.objects import Object
from local.apiserver.validation.fields import bad, disallowed

FROZEN: dict[Kind, tuple[str, ...]] = {
    kinds.JOB: ("spec.completions", "spec.selector", "spec.template", "spec.completionMode"),
    kinds.DEPLOYMENT: ("spec.selector",),
    kinds.REPLICASET: ("spec.selector",),
    kinds.DAEMONSET: ("spec.selector",),
    kinds.STATEFULSET: ("spec.selector", "spec.serviceName", "spec.podManagementPolicy"),
    kinds.SECRET: ("type",),
    kinds.PRIORITYCLASS: ("value",),
    kinds.STORAGECLASS: ("provisioner", "parameters"),
}
"""Paths that answer 'field is immutable'."""
POD_CHANGEABLE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations")


def frozen_causes(kind: Kind, live: Object, obj: Object) -> list[Cause]:
    """Return a cause for every immutable field that differs. Raises ApiError 400 where a webhook would."""
    causes = []
    for path in FROZEN.get(kind, ()):
        old, new = _at(live, path), _at(obj, path)
        if old != new:
            causes.append(bad(path, new, "field is immutable"))
    if kind in (kinds.ROLEBINDING, kinds.CLUSTERROLEBINDING) and live.get("roleRef") != obj.get("roleRef"):
        causes.append(bad("roleRef", obj.get("roleRef"), "cannot change roleRef"))
    if kind in (kinds.CONFIGMAP, kinds.SECRET) and live.get("immutable"):
        causes += _immutable_data(live, obj)
    if kind is kinds.POD and _pod_core(live, live) != _pod_core(obj, live):
        causes.append(_pod_cause())
    if kind is kinds.TRIGGER:
        _refuse_other_broker(live, obj)
    return causes


def _at(obj: Object, path: str) -> Any:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _immutable_data(live: Object, obj: Object) -> list[Cause]:
    text = "field is immutable when `immutable` is set"
    fields = [field for field in ("data", "binaryData", "immutable") if live.get(field) != obj.get(field)]
    return [disallowed(field, text) for field in fields]


def _pod_core(pod: Object, live: Object) -> Any:
    """Return a pod's spec without what may change: images, a few fields, and the node of an unbound pod."""
    changeable = POD_CHANGEABLE if live["spec"].get("nodeName") else (*POD_CHANGEABLE, "nodeName")
    spec = {key: value for key, value in pod["spec"].items() if key not in changeable}
    for group in ("containers", "initContainers"):
        if group in spec:
            spec[group] = [{**container, "image": ""} for container in spec[group]]
    return spec


def _pod_cause() -> Cause:
    images = "`spec.containers[*].image`,`spec.initContainers[*].image`"
    fields = f"{images},`spec.activeDeadlineSeconds`,`spec.tolerations`"
    return disallowed(
        "spec",
        f"pod updates may not change fields other than {fields} (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    )


def _refuse_other_broker(live: Object, obj: Object) -> None:
    old, new = _at(live, "spec.broker"), _at(obj, "spec.broker")
    if old != new:
        raise webhook_denied(
            "eventing",
            "validation failed: Immutable fields changed (-old +new): broker, spec\n"
            f"{{string}}:\n\t-: {json.dumps(old)}\n\t+: {json.dumps(new)}",
        )


def webhook_denied(part: str, why: str) -> ApiError:
    """Return the 400 of a Knative webhook (`serving` or `eventing`)."""
    domain = {"serving": "validation.webhook.serving", "eventing": "validation.webhook.eventing"}[part]
    return bad_request(f'admission webhook "{domain}.knative.dev" denied the request: {why}')
