"""Validation of whole objects: what a kind needs, and which fields stay as they were made.

Light on purpose: it checks what our own manifests and their mistakes touch, with the real server's texts.
"""

from local.apiserver.errors import Cause
from local.apiserver.kinds import Kind
from local.apiserver.objects import Object
from local.apiserver.schemas.types import Struct
from local.apiserver.validation.immutable import frozen_causes
from local.apiserver.validation.metadata import metadata_causes
from local.apiserver.validation.required import required_causes
from local.apiserver.validation.rules import rule_causes


def validate_create(kind: Kind, obj: Object, type_: Struct) -> list[Cause]:
    """Return everything that is wrong with a new object. Raises ApiError 400 where a webhook would."""
    return [*metadata_causes(kind, obj), *required_causes(kind, type_, obj), *rule_causes(kind, obj)]


def validate_update(kind: Kind, live: Object, obj: Object, type_: Struct, subresource: str) -> list[Cause]:
    """Return everything that is wrong with a changed object."""
    causes = metadata_causes(kind, obj)
    if subresource:
        return causes
    if obj.get("spec") is not live.get("spec") or not kind.status:
        causes += [*required_causes(kind, type_, obj), *rule_causes(kind, obj)]
    return causes + frozen_causes(kind, live, obj)
