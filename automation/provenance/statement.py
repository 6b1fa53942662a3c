"""How an image was built, as an in-toto Statement v1 with a SLSA Provenance v1 predicate. Pure.

Shapes: in-toto/attestation, spec/v1/statement.md and spec/v1/resource_descriptor.md; slsa.dev,
spec/v1.0/provenance, with slsa-framework/slsa, docs/spec/v1.1/schema/provenance.proto: buildDefinition has
buildType, externalParameters, internalParameters and resolvedDependencies; runDetails has builder, metadata.
What our parameters mean is in docs/builds.md, "Attestations".
"""

import datetime
import json
from dataclasses import dataclass
from typing import Any, Final

from automation.events import FunctionId
from automation.model import Build

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "https://build.notifi.network/kaniko-job/v1"
"""Names what the parameters mean; it identifies, and leads nowhere."""
BUILDER: Final = "https://build.notifi.network/builder"

CONTEXT_DIGEST: Final = "contextHash"
"""A digest of our own: SHA-256 of all paths and contents of a context, not of its archive's bytes."""


@dataclass(frozen=True, kw_only=True)
class Builder:
    """What of the environment goes into statements."""

    environment: str
    namespace: str
    executor_image: str
    context_bucket: str

    @property
    def id(self) -> str:
        """Who vouches: the automation service of an environment."""
        return f"{BUILDER}/{self.environment}/{self.namespace}"


def of(function: FunctionId, build: Build, builder: Builder) -> dict[str, Any] | None:
    """Return the statement about a build's image; None where its digest was not told."""
    if not build.digest:
        return None
    return {
        "_type": STATEMENT,
        "subject": [
            {
                "name": build.image.partition("@")[0],
                "digest": {"sha256": build.digest.removeprefix("sha256:")},
            }
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": _definition(function, build, builder),
            "runDetails": {"builder": {"id": builder.id}, "metadata": _metadata(build)},
        },
    }


def dumps(statement: dict[str, Any]) -> bytes:
    """Return the statement as JSON text: the same for the same statement."""
    return json.dumps(statement, separators=(",", ":"), sort_keys=True).encode()


def _definition(function: FunctionId, build: Build, builder: Builder) -> dict[str, Any]:
    asked = {
        "event": {"id": build.cause, "source": build.cause_source} if build.cause else None,
        "third_party_id": function.third_party_id,
        "parser_id": function.parser_id,
        "source": build.location,
        "language": build.language,
        "runtime": build.runtime,
    }
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {name: value for name, value in asked.items() if value},
        "internalParameters": {
            "job": build.job_name,
            "namespace": builder.namespace,
            "build_id": build.build_id,
            "handler": build.handler,
            "executor_image": builder.executor_image,
        },
        "resolvedDependencies": [
            {
                "name": "context",
                "uri": f"s3://{builder.context_bucket}/{build.context_key}",
                "digest": {CONTEXT_DIGEST: build.content_hash},
            }
        ],
    }


def _metadata(build: Build) -> dict[str, str]:
    times = {"startedOn": build.started_at, "finishedOn": build.completed_at}
    return {
        "invocationId": build.job_name,
        **{name: _timestamp(moment) for name, moment in times.items() if moment},
    }


def _timestamp(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
