"""Validation of metadata: names, labels, annotations, owner references, finalizers."""

from local.apiserver import kinds
from local.apiserver.errors import Cause
from local.apiserver.kinds import Kind
from local.apiserver.objects import Object
from local.apiserver.validation.fields import (
    dns_label,
    dns_label_1035,
    dns_subdomain,
    label_value,
    path_segment,
    qualified_name,
    required,
    too_long,
)

MAX_ANNOTATIONS_BYTES = 256 * 1024
NAME_RULES = {
    kinds.NAMESPACE: dns_label,
    kinds.SERVICE: dns_label_1035,
    kinds.KSERVICE: dns_label_1035,
    kinds.ROLE: path_segment,
    kinds.ROLEBINDING: path_segment,
    kinds.CLUSTERROLE: path_segment,
    kinds.CLUSTERROLEBINDING: path_segment,
}
"""How names of a kind are checked; DNS subdomains where it is not in here."""


def metadata_causes(kind: Kind, obj: Object) -> list[Cause]:
    """Return what is wrong with an object's metadata."""
    metadata = obj["metadata"]
    name = metadata.get("name")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    causes = NAME_RULES.get(kind, dns_subdomain)("metadata.name", name)
    for key, value in (metadata.get("labels") or {}).items():
        causes += qualified_name("metadata.labels", key)
        causes += label_value("metadata.labels", value)
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        causes += qualified_name("metadata.annotations", key.lower())
    if sum(len(key) + len(value) for key, value in annotations.items()) > MAX_ANNOTATIONS_BYTES:
        causes.append(too_long("metadata.annotations", MAX_ANNOTATIONS_BYTES))
    for index, reference in enumerate(metadata.get("ownerReferences") or ()):
        causes += _reference_causes(f"metadata.ownerReferences[{index}]", reference)
    return causes


def _reference_causes(path: str, reference: Object) -> list[Cause]:
    texts = {
        "apiVersion": "version must not be empty",
        "kind": "must not be empty",
        "name": "must not be empty",
        "uid": "must not be empty",
    }
    return [required(f"{path}.{field}", text) for field, text in texts.items() if not reference.get(field)]
