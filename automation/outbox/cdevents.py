"""The platform's own events as CDEvents 0.4.1, the form that a Flux Receiver of type `cdevents` takes. Pure.

Fields are those of the specification's schemas at its tag v0.4.1 (cdevents/spec, schemas/*.json).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from automation.events import FunctionId
from automation.outbox.emission import PREFIX, Emission, Kind, identity
from automation.outbox.lifecycle import timestamp

SPECIFICATION: Final = "0.4.1"

BUILD_STARTED: Final = "dev.cdevents.build.started.0.2.0"
BUILD_FINISHED: Final = "dev.cdevents.build.finished.0.2.0"
ARTIFACT_PUBLISHED: Final = "dev.cdevents.artifact.published.0.2.0"
SERVICE_DEPLOYED: Final = "dev.cdevents.service.deployed.0.2.0"
SERVICE_REMOVED: Final = "dev.cdevents.service.removed.0.2.0"
INCIDENT_DETECTED: Final = "dev.cdevents.incident.detected.0.2.0"
INCIDENT_RESOLVED: Final = "dev.cdevents.incident.resolved.0.2.0"

FORMS: Final[Mapping[str, tuple[str, ...]]] = {
    "lifecycle.build.started": (BUILD_STARTED,),
    "lifecycle.build.completed": (BUILD_FINISHED, ARTIFACT_PUBLISHED),
    "lifecycle.build.failed": (BUILD_FINISHED,),
    "lifecycle.build.timeout": (BUILD_FINISHED,),
    "lifecycle.build.cancelled": (BUILD_FINISHED,),
    "lifecycle.service.created": (SERVICE_DEPLOYED,),
    "lifecycle.service.updated": (SERVICE_DEPLOYED,),
    "lifecycle.service.deleted": (SERVICE_REMOVED,),
    "notification.alert.warning": (INCIDENT_DETECTED,),
    "notification.alert.info": (INCIDENT_RESOLVED,),
}
"""What each event of the platform is called there; an update is `deployed` too, which Receivers wait for."""


def forms(emission: Emission, function: FunctionId, environment: str) -> tuple[Emission, ...]:
    """Return an emission in the form of CDEvents: none for what they have no word for."""
    return tuple(
        _form(emission, type, function, environment)
        for type in FORMS.get(emission.type.removeprefix(PREFIX), ())
    )


def source(function: FunctionId) -> str:
    """Return the source of a function's events: a URI reference."""
    return f"/io.knative.lambda/builder/{function}"


def subject(emission: Emission) -> str:
    """Return the id of a CDEvent's subject, as its CloudEvent has it (cloudevents-binding.md)."""
    about = emission.data["subject"]
    assert isinstance(about, Mapping)
    return str(about["id"])


def _form(emission: Emission, type: str, function: FunctionId, environment: str) -> Emission:
    id = identity(str(function), emission.type, emission.id, type)
    event = {
        "context": {
            "version": SPECIFICATION,
            "id": id,
            "source": source(function),
            "type": type,
            "timestamp": timestamp(emission.at),
        },
        "subject": _subject(emission.data, type, function, environment),
        "customData": dict(emission.data),
        "customDataContentType": "application/json",
    }
    return replace(emission, id=id, type=type, data=event, kind=Kind.CDEVENTS)


def _subject(data: Mapping[str, object], type: str, function: FunctionId, environment: str) -> dict[str, Any]:
    kind = type.split(".")[2]
    artifact = _artifact(data)
    place = {"environment": {"id": environment}}
    ids = {"build": data.get("buildId"), "artifact": artifact, "service": data.get("serviceName")}
    contents: dict[str, dict[str, Any]] = {
        "build": {"artifactId": artifact} if type == BUILD_FINISHED and "digest" in data else {},
        "artifact": {},
        "service": place | ({"artifactId": artifact} if type == SERVICE_DEPLOYED else {}),
        "incident": place | {"description": str(data.get("summary", ""))},
    }
    return {
        "id": str(ids.get(kind) or function),
        "source": source(function),
        "type": kind,
        "content": contents[kind],
    }


def _artifact(data: Mapping[str, object]) -> str:
    """Return an image as a package URL: `pkg:oci/name@digest?repository_url=…&tag=…`."""
    repository, _, digest = str(data.get("imageUri", "")).partition("@")
    digest = digest or str(data.get("digest", ""))
    path, colon, tag = repository.rpartition(":")
    repository, tag = (path, tag) if colon and "/" not in tag else (repository, "")
    name = repository.rpartition("/")[2]
    version = f"@{digest.replace(':', '%3A')}" if digest else ""
    return f"pkg:oci/{name}{version}?repository_url={repository}" + (f"&tag={tag}" if tag else "")
