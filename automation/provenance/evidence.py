"""What the service asks about provenance, in threads of its own. For one event loop."""

from collections.abc import Callable, Mapping
from typing import Any

from automation.builds.entry import Entry
from automation.builds.facade import Readers
from automation.events import FunctionId
from automation.provenance.ledger import Ledger

Chain = Mapping[str, Any]
"""See `chain.of`."""


class Evidence:
    """`remembered` returns the chain of a revision that a function's record has; None if it has none.

    Every method but `close` raises DependencyUnavailable or Saturated.
    """

    def __init__(
        self,
        ledger: Ledger,
        remembered: Callable[[FunctionId, int], Chain | None],
        *,
        readers: Readers | None = None,
    ) -> None:
        self._ledger = ledger
        self._remembered = remembered
        self._readers = readers or Readers()

    async def of_revision(self, function: FunctionId, revision: int) -> Chain | None:
        """Return what led to a revision; None if the function does not remember it."""
        return await self._readers.run(lambda: self._remembered(function, revision))

    async def by_digest(self, digest: str) -> list[Chain]:
        """Return revisions by the digest of their image or source, newest first. Raises ValueError."""
        return await self._readers.run(lambda: _newest_first(self._ledger.by_digest(digest)))

    async def by_event(self, event_id: str) -> list[Chain]:
        """Return revisions that an event asked for or rolled out, newest first."""
        return await self._readers.run(lambda: _newest_first(self._ledger.by_event(event_id)))

    async def attestation(self, build: Entry) -> bytes | None:
        """Return the attestation of a build as it is kept; None if there is none."""
        return await self._readers.run(lambda: self._ledger.attestation(build))

    async def sbom(self, build: Entry) -> bytes | None:
        """Return the SBOM of a build's image as it is kept; None if there is none."""
        return await self._readers.run(lambda: self._ledger.sbom(build))

    def close(self) -> None:
        """Answer nothing more."""
        self._readers.close()


def _newest_first(found: list[Chain]) -> list[Chain]:
    return sorted(found, key=lambda chain: str(chain["update"]["at"]), reverse=True)
