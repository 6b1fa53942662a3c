"""Keeps the chain of every revision and the attestation of every image, once they are recorded.

Before an event is answered, and after the update that records what is kept: an event that comes again,
because nobody answered it, finds what is missing. What cannot be kept is logged and left out, like all that
is kept of builds: the function's record has the chain.
"""

import logging
from collections.abc import Callable
from typing import Final

from automation.builds import entry as entries
from automation.builds.entry import Entry
from automation.builds.keeper import Keeper
from automation.builds.ports import LiveLogs
from automation.errors import PlatformError
from automation.events import Event
from automation.model import Deployment, FunctionState
from automation.provenance import chain as chains
from automation.provenance import sboms
from automation.provenance import statement as statements
from automation.provenance.envelope import FileSigner, Signer, sealed
from automation.provenance.ledger import Ledger
from automation.provenance.statement import Builder
from automation.scans import COMPLETE
from automation.settings import AutomationSettings

_LOG: Final = logging.getLogger(__name__)


class ProvenanceKeeper:
    """See Keeper; without a signer attestations are statements in no envelope."""

    def __init__(
        self, ledger: Ledger, live: LiveLogs, builder: Builder, signer: Signer | None = None
    ) -> None:
        self._ledger = ledger
        self._live = live
        self._builder = builder
        self._signer = signer

    def before(self, old: FunctionState, new: FunctionState) -> None:
        """See Keeper; the SBOM is the log of a pod, which goes with its Job if the image is refused."""
        build = new.build
        if build and build.scan and build.scan.status == COMPLETE and build != old.build:
            job = build.job_name
            entry = entries.of(new.function, build)
            self._tried("sbom", new, lambda: self._keep_sbom(entry, sboms.read(self._live.scanned(job))))

    def after(self, old: FunctionState, new: FunctionState, event: Event | None) -> None:
        """See Keeper."""
        repeated = old == new
        deployment = new.deployment if repeated else chains.newest(old, new)
        if deployment:
            made = deployment
            self._tried("chain", new, lambda: self._keep_chain(new, made, repeated=repeated))
        if new.build and new.build.digest and (repeated or new.build != old.build):
            self._tried("attestation", new, lambda: self._attest(new, repeated=repeated))

    def _keep_chain(self, state: FunctionState, deployment: Deployment, *, repeated: bool) -> None:
        chain = chains.of(state, deployment)
        if not (repeated and self._ledger.has_chain(chain, deployment)):
            self._ledger.put_chain(chain, deployment)

    def _keep_sbom(self, entry: Entry, body: bytes | None) -> None:
        if body:
            self._ledger.put_sbom(entry, body)

    def _attest(self, state: FunctionState, *, repeated: bool) -> None:
        build = state.build
        statement = statements.of(state.function, build, self._builder) if build else None
        if build is None or statement is None:
            return
        entry = entries.of(state.function, build)
        if repeated and self._ledger.attestation(entry):
            return
        body = statements.dumps(statement)
        self._ledger.put_attestation(entry, sealed(body, self._signer) if self._signer else body)

    def _tried(self, what: str, state: FunctionState, keep: Callable[[], None]) -> None:
        try:
            keep()
        except (PlatformError, ValueError) as error:
            extra = {"kl_what": what, "kl_function": str(state.function), "kl_error": str(error)}
            _LOG.warning("something of a function's provenance is not kept", extra=extra)


def beside(keeper: Keeper, ledger: Ledger, live: LiveLogs, settings: AutomationSettings) -> Keeper:
    """Return a keeper and, after it, what keeps provenance by the environment's settings."""
    builder = Builder(
        environment=settings.environment,
        namespace=settings.namespace,
        executor_image=settings.executor_image,
        context_bucket=settings.context_bucket,
    )
    key = settings.attestation_key_file
    return Keepers(keeper, ProvenanceKeeper(ledger, live, builder, FileSigner(key) if key else None))


class Keepers:
    """Several that are told of the same, in their order."""

    def __init__(self, *keepers: Keeper) -> None:
        self._keepers = keepers

    def before(self, old: FunctionState, new: FunctionState) -> None:
        """See Keeper."""
        for keeper in self._keepers:
            keeper.before(old, new)

    def after(self, old: FunctionState, new: FunctionState, event: Event | None) -> None:
        """See Keeper."""
        for keeper in self._keepers:
            keeper.after(old, new, event)
