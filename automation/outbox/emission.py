"""An event that is to be sent: recorded with the fact that it tells, and sent afterwards. Pure."""

import datetime
import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from components import emitted

PREFIX: Final = "io.knative.lambda."
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "emitted.knative.lambda")


class Kind(enum.StrEnum):
    """What may be told; nothing of a kind is derived unless it is wanted."""

    LIFECYCLE = emitted.LIFECYCLE
    ALERTS = emitted.ALERTS
    AUDIT = emitted.AUDIT
    CDEVENTS = emitted.CDEVENTS
    CALLBACKS = "callbacks"
    """Answers to Notifi's scheduler: no CloudEvents, and not for the broker."""


@dataclass(frozen=True, kw_only=True)
class Emission:
    """An event that is to be sent, without what follows from its function."""

    id: str
    """Follows from what caused it: whenever it is made or sent again, it is the same."""
    type: str
    at: datetime.datetime
    """When it happened: the time of the decision that led to it."""
    data: Mapping[str, object]
    kind: Kind
    correlation_id: str = ""
    causation_id: str = ""
    """Id of the event that led to it."""
    traceparent: str = ""


def identity(function: str, cause_source: str, cause_id: str, type: str) -> str:
    """Return the id of the one event of this type that a cause can lead to in a function."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join((function, cause_source, cause_id, type))))
