"""Chains and statements as objects of a bucket."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from automation.builds.entry import Entry
from automation.builds.ports import Objects
from automation.model import Deployment
from automation.provenance import chain as chains

MAX_FOUND: Final = 100
"""Revisions that one question about a digest or an event is answered with."""

_JSON: Final = "application/json"


class Ledger:
    """What is kept of provenance. Every method raises DependencyUnavailable."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def put_chain(self, chain: dict[str, Any], deployment: Deployment) -> None:
        """Keep a chain under each of its ends."""
        body = chains.dumps(chain)
        for key in chains.keys(chain, deployment):
            self._objects.put(key, body, _JSON)

    def has_chain(self, chain: dict[str, Any], deployment: Deployment) -> bool:
        """Say whether the chain is kept under each of its ends."""
        return all(key in islice(self._objects.keys(key), 1) for key in chains.keys(chain, deployment))

    def by_digest(self, digest: str) -> list[Mapping[str, Any]]:
        """Return revisions whose image or source has this digest, in any order. Raises ValueError."""
        folders = [chains.by_digest(kind, digest) for kind in ("image", "source")]
        return list(islice((chain for folder in folders for chain in self._in(folder)), MAX_FOUND))

    def by_event(self, event_id: str) -> list[Mapping[str, Any]]:
        """Return revisions that an event asked for or rolled out, in any order."""
        return list(islice(self._in(chains.by_event(event_id)), MAX_FOUND))

    def put_attestation(self, entry: Entry, body: bytes) -> None:
        """Keep the attestation of a build."""
        self._objects.put(attestation_key(entry), body, _JSON)

    def attestation(self, entry: Entry) -> bytes | None:
        """Return the attestation of a build; None if there is none."""
        return self._objects.get(attestation_key(entry))

    def put_sbom(self, entry: Entry, body: bytes) -> None:
        """Keep the SBOM of a build's image."""
        self._objects.put(sbom_key(entry), body, _JSON)

    def sbom(self, entry: Entry) -> bytes | None:
        """Return the SBOM of a build's image; None if there is none."""
        return self._objects.get(sbom_key(entry))

    def _in(self, folder: str) -> Iterator[Mapping[str, Any]]:
        for key in islice(self._objects.keys(folder), MAX_FOUND):
            body = self._objects.get(key)
            if body:
                yield json.loads(body)


def attestation_key(entry: Entry) -> str:
    """Return where a build's attestation is kept: beside its entry, for as long."""
    return f"builds/attestations/{entry.build_id}/{entry.job_name}.json"


def sbom_key(entry: Entry) -> str:
    """Return where the SBOM of a build's image is kept, likewise."""
    return f"builds/sboms/{entry.build_id}/{entry.job_name}.json"
