"""Rules of each kind beyond types and required fields."""

import base64
from collections.abc import Callable

from local.apiserver import kinds
from local.apiserver.errors import Cause
from local.apiserver.kinds import Kind
from local.apiserver.objects import Object
from local.apiserver.selectors import selector_matches
from local.apiserver.validation.fields import (
    CONFIG_KEY,
    CONFIG_KEY_TEXT,
    bad,
    not_negative,
    port_number,
    required,
    too_long,
    unsupported,
)
from local.apiserver.validation.immutable import webhook_denied
from local.apiserver.validation.pods import pod_causes

MAX_DATA_BYTES = 1024 * 1024


def rule_causes(kind: Kind, obj: Object) -> list[Cause]:
    """Return what breaks the rules of the object's kind."""
    check = RULES.get(kind)
    return check(obj) if check is not None else []


def _pod(pod: Object) -> list[Cause]:
    return pod_causes(pod["spec"])


def _job(job: Object) -> list[Cause]:
    spec = job["spec"]
    causes = []
    for field in (
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ):
        causes += not_negative(f"spec.{field}", spec.get(field))
    template = spec["template"].get("spec", {})
    causes += pod_causes(template, "spec.template.spec")
    if template.get("restartPolicy") == "Always":
        causes.append(required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"'))
    return causes


def _workload(obj: Object) -> list[Cause]:
    spec = obj["spec"]
    template = spec.get("template", {})
    causes = not_negative("spec.replicas", spec.get("replicas")) + pod_causes(
        template.get("spec", {}), "spec.template.spec"
    )
    selector = spec.get("selector")
    labels = template.get("metadata", {}).get("labels") or {}
    if not selector:
        causes.insert(0, required("spec.selector"))
    elif not selector_matches(selector, labels):
        text = "`selector` does not match template `labels`"
        causes.append(bad("spec.template.metadata.labels", labels, text))
    return causes


def _data(obj: Object) -> list[Cause]:
    causes = []
    size = 0
    for field in ("data", "binaryData"):
        encoded = field == "binaryData" or obj["kind"] == "Secret"
        for key, value in (obj.get(field) or {}).items():
            if not CONFIG_KEY.fullmatch(key) or key in (".", ".."):
                causes.append(bad(f"{field}[{key}]", key, CONFIG_KEY_TEXT))
            size += len(base64.b64decode(value)) if encoded else len(value.encode())
    if size > MAX_DATA_BYTES:
        causes.append(too_long("data" if obj["kind"] == "Secret" else "", MAX_DATA_BYTES))
    return causes


def _role(role: Object) -> list[Cause]:
    causes = []
    for index, rule in enumerate(role.get("rules") or ()):
        if not rule.get("verbs"):
            causes.append(required(f"rules[{index}].verbs", "verbs must contain at least one value"))
        if not rule.get("nonResourceURLs"):
            if "apiGroups" not in rule:
                text = "resource rules must supply at least one api group"
                causes.append(required(f"rules[{index}].apiGroups", text))
            if not rule.get("resources"):
                text = "resource rules must supply at least one resource"
                causes.append(required(f"rules[{index}].resources", text))
    return causes


def _binding(binding: Object) -> list[Cause]:
    causes = []
    allowed = ("ClusterRole",) if binding["kind"] == "ClusterRoleBinding" else ("ClusterRole", "Role")
    if binding["roleRef"].get("kind") not in allowed:
        causes.append(unsupported("roleRef.kind", binding["roleRef"].get("kind", ""), allowed))
    for index, subject in enumerate(binding.get("subjects") or ()):
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            causes.append(required(f"subjects[{index}].namespace"))
    return causes


def _service(service: Object) -> list[Cause]:
    spec = service["spec"]
    causes: list[Cause] = []
    if not spec.get("ports") and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        causes.append(required("spec.ports"))
    for index, port in enumerate(spec.get("ports") or ()):
        causes += port_number(f"spec.ports[{index}].port", port.get("port"))
        if len(spec["ports"]) > 1 and not port.get("name"):
            causes.append(required(f"spec.ports[{index}].name"))
    return causes


def _knative_template(obj: Object) -> list[Cause]:
    spec = obj.get("spec", {}).get("template", {}).get("spec", {})
    return _revision_spec(spec, "spec.template.spec")


def _revision(revision: Object) -> list[Cause]:
    return _revision_spec(revision.get("spec", {}), "spec")


def _revision_spec(spec: Object, path: str) -> list[Cause]:
    containers = spec.get("containers")
    if not containers:
        raise webhook_denied("serving", f"validation failed: missing field(s): {path}.containers")
    for index, container in enumerate(containers):
        if not container.get("image"):
            raise webhook_denied(
                "serving", f"validation failed: missing field(s): {path}.containers[{index}].image"
            )
    concurrency = spec.get("containerConcurrency", 0)
    if not 0 <= concurrency <= 1000:
        text = f"expected 0 <= {concurrency} <= 1000: {path}.containerConcurrency"
        raise webhook_denied("serving", f"validation failed: {text}")
    return []


def _trigger(trigger: Object) -> list[Cause]:
    subscriber = trigger.get("spec", {}).get("subscriber") or {}
    if not subscriber.get("ref") and not subscriber.get("uri"):
        text = "expected at least one, got none: spec.subscriber.ref, spec.subscriber.uri"
        raise webhook_denied("eventing", f"validation failed: {text}")
    return []


RULES: dict[Kind, Callable[[Object], list[Cause]]] = {
    kinds.POD: _pod,
    kinds.JOB: _job,
    kinds.DEPLOYMENT: _workload,
    kinds.REPLICASET: _workload,
    kinds.STATEFULSET: _workload,
    kinds.DAEMONSET: _workload,
    kinds.CONFIGMAP: _data,
    kinds.SECRET: _data,
    kinds.ROLE: _role,
    kinds.CLUSTERROLE: _role,
    kinds.ROLEBINDING: _binding,
    kinds.CLUSTERROLEBINDING: _binding,
    kinds.SERVICE: _service,
    kinds.KSERVICE: _knative_template,
    kinds.CONFIGURATION: _knative_template,
    kinds.REVISION: _revision,
    kinds.TRIGGER: _trigger,
}
"""The rules of each kind that has any."""
