"""What led to one revision, and what it is found by. Pure.

    provenance/image/{64 hex digits}/{third party}/{parser}/{revision}-{milliseconds}.json
    provenance/source/{64 hex digits}/…
    provenance/event/{SHA-256 of the event's id}/…

Each holds the whole chain, so that one look-up is one list and one read a revision. The time of its rollout
is in the key because numbers begin again once a function was deleted and forgotten.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from automation.model import Deployment, FunctionState
from components import naming

FOLDER: Final = "provenance/"
"""Where chains are kept; unlike what is under `builds/`, longer than build contexts."""

_HEX: Final = re.compile(r"[0-9a-f]{64}")
_SHA256: Final = "sha256:"


def of_revision(state: FunctionState, number: int) -> dict[str, Any] | None:
    """Return the chain of a revision that the function remembers, as JSON; None if it does not."""
    present = [state.deployment] if state.deployment else []
    found = (one for one in (*present, *reversed(state.previous)) if one.number == number)
    return next((of(state, one) for one in found), None)


def of(state: FunctionState, deployment: Deployment) -> dict[str, Any]:
    """Return what led to a deployment, in the order of events, as JSON; null is what is not known.

    `event` asked for the image, `update` is what rolled it out: the end of the build, as a rule. An image
    that others built has neither source nor job.
    """
    origin, function = deployment.origin, state.function
    image, _, digest = deployment.image.partition("@")
    return {
        "third_party_id": function.third_party_id,
        "parser_id": function.parser_id,
        "revision": deployment.number,
        "event": {"id": origin.event_id, "source": origin.event_source} if origin else None,
        "source": {
            "digest": f"{_SHA256}{deployment.content_hash}",
            "location": (origin and origin.location) or None,
        }
        if deployment.content_hash
        else None,
        "job": {"name": (origin and origin.job_name) or None, "build_id": deployment.build_id}
        if deployment.build_id
        else None,
        "image": {"uri": deployment.image, "repository": image, "digest": digest or None},
        "update": {
            "stack": naming.stack_name(function.third_party_id, function.parser_id),
            "event_id": deployment.cause or None,
            "at": deployment.deployed_at.isoformat(),
            "restored": deployment.restored or None,
            "knative_revision": deployment.revision or None,
        },
    }


def newest(before: FunctionState, after: FunctionState) -> Deployment | None:
    """Return the deployment that a change brought; None if it brought none."""
    old, new = before.deployment, after.deployment
    known = (
        old is not None
        and new is not None
        and (old.number, old.deployed_at)
        == (
            new.number,
            new.deployed_at,
        )
    )
    return None if known else new


def keys(chain: dict[str, Any], deployment: Deployment) -> Iterator[str]:
    """Yield where the chain is kept: under each of its ends that is known."""
    moment = int(deployment.deployed_at.timestamp() * 1000)
    names = f"{chain['third_party_id']}/{chain['parser_id']}/{chain['revision']}-{moment}.json"
    digests = {"image": chain["image"]["digest"], "source": (chain["source"] or {}).get("digest")}
    folders = [by_digest(kind, digest) for kind, digest in digests.items() if digest]
    ids = dict.fromkeys(((chain["event"] or {}).get("id"), chain["update"]["event_id"]))
    folders += [by_event(event_id) for event_id in ids if event_id]
    return (folder + names for folder in folders)


def hex_of(digest: str) -> str | None:
    """Return the hex digits of a SHA-256 digest, written with or without `sha256:`; None if it is none."""
    text = digest.removeprefix(_SHA256)
    return text if _HEX.fullmatch(text) else None


def by_digest(kind: str, digest: str) -> str:
    """Return the folder of what is found by a digest of an `image` or a `source`. Raises ValueError."""
    text = hex_of(digest)
    if text is None:
        raise ValueError(f"{digest!r} is no SHA-256 digest")
    return f"{FOLDER}{kind}/{text}/"


def by_event(event_id: str) -> str:
    """Return the folder of what is found by an event: its id may be anything, so a hash names it."""
    return f"{FOLDER}event/{hashlib.sha256(event_id.encode()).hexdigest()}/"


def dumps(chain: dict[str, Any]) -> bytes:
    """Return the chain as JSON text."""
    return json.dumps(chain, separators=(",", ":")).encode()
