"""The facade: what the service talks to. `create` puts the real parts together."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from automation import answers, warmup
from automation.builds.archive import Archive
from automation.builds.facade import Builds, Readers
from automation.builds.keeper import BuildKeeper, Keeper
from automation.builds.ports import LiveLogs
from automation.destination import OPEN, Destination
from automation.directory import Page, Query
from automation.drift.checker import DriftCheck, Ledger
from automation.errors import DependencyUnavailable, InvalidEvent, PlatformError
from automation.events import BuildComplete, Event, FunctionDeploy, FunctionId, Notice, Reply
from automation.function_admission import admit
from automation.model import BuildStatus, BuildTurn
from automation.outbox import messages
from automation.outbox.outbox import Outbox
from automation.ports import BuildObserver, DeploymentEngine, SourceStore
from automation.preparation import Wrappers
from automation.provenance import keeper as provenance
from automation.provenance.evidence import Evidence
from automation.provenance.ledger import Ledger as ProvenanceLedger
from automation.reconciler import Reconciler
from automation.rollout_watch import CallCounts, RolloutWatch, ServiceObserver
from automation.runner import Runner, utc_now
from automation.settings import AutomationSettings
from automation.sweeper import Sweeper
from automation.tracing import OFF, Tracer
from automation.usher import Usher
from automation.worker import Stats, Worker

SWEEP_SECONDS: Final = 3600.0
"""How often tombstones and lost builds are looked for, in all functions' stacks."""

TURN_SECONDS: Final = 5.0
"""How often builds that wait are looked at, beside after every event."""

TOGETHER_SECONDS: Final = 0.1

RECONCILE_SECONDS: Final = 30.0
"""How often builds are looked for that nobody reports."""

MIN_OUTBOX_SECONDS: Final = 0.5
"""What events that were just recorded get to be sent even when work has used up the grace."""

ROLLOUT_SECONDS: Final = 10.0
"""How often rollouts are looked at that are on their way."""

DRIFT_SECONDS: Final = 20.0
"""How often the stacks are looked at that are due; a minute is as much as is made up for."""

ENGINE_GRACE_SECONDS: Final = 5.0
"""How long updates that outlast the worker's own grace may take to end the step that they are at."""

Ended = Callable[[], bool]
"""Says whether a round should begin nothing more."""

_LOG: Final = logging.getLogger(__name__)


class Automation:
    """Carries events out. All methods are called from one event loop.

    `checks` find out whether a dependency answers, by its name; `release` is called at the very end.
    """

    def __init__(
        self,
        runner: Runner,
        worker: Worker,
        settings: AutomationSettings,
        *,
        checks: Mapping[str, Callable[[], object]],
        release: Callable[[], object] = lambda: None,
        builds: Builds | None = None,
        reconcile: Callable[[Ended], int] = lambda ended: 0,
        sweep: Callable[[Ended], int] = lambda ended: 0,
        usher: Usher | None = None,
        outbox: Outbox | None = None,
        watch: Callable[[Ended], int] = lambda ended: 0,
        drift: DriftCheck | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self._runner = runner
        self._worker = worker
        self._settings = settings
        self._checks = checks
        self._release = release
        self._builds = builds
        self._evidence = evidence
        self._readers = Readers()
        self.outbox = outbox
        """What is emitted; None if nothing is."""
        self._drift = drift
        self._rounds = (
            _Rounds("sweep", sweep, SWEEP_SECONDS),
            _Rounds("reconciliation", reconcile, RECONCILE_SECONDS),
            _Rounds("rollouts", watch, ROLLOUT_SECONDS),
            *((_Rounds("drift", drift.round, DRIFT_SECONDS),) if drift else ()),
        )
        seconds = TURN_SECONDS if settings.build_limits.are_set else RECONCILE_SECONDS
        self._usher = usher
        self._turns = _Rounds("turns", usher.round, seconds) if usher else None
        self._chores: list[asyncio.Task[None]] = []
        self._closing = threading.Event()

    @property
    def stats(self) -> Stats:
        """Current numbers; cheap."""
        return self._worker.stats

    async def handle(self, event: Event) -> Reply:
        """Carry one event out and return once what the reply promises is safely recorded.

        Events of one function are carried out in the order of the calls. Raises PlatformError.
        """
        if event.function and event.meta.source == messages.source(event.function):
            return answers.told_by_ourselves(event.meta)
        if isinstance(event, Notice):
            return answers.planned_notice(event) if event.meta.dry_run else answers.acknowledged(event.kind)
        if isinstance(event, BuildComplete):
            self._refuse_foreign_image(event)
        if isinstance(event, FunctionDeploy):
            admit(event, self._settings)
        self._begin_chores()
        reply = await self._worker.submit(event)
        if self._turns and self._settings.build_limits.are_set and not event.meta.dry_run:
            self._turns.soon.set()  # a build has come or gone, perhaps
        return reply

    def gate_counts(self) -> Mapping[str, int]:
        """Return how many plans this process has parked, seen approved and seen expired."""
        return self._runner.gatekeeper.counts

    async def describe(self, function: FunctionId) -> Mapping[str, Any] | None:
        """Return what is recorded of a function as JSON; None if nothing is. Raises PlatformError."""
        return await self._readers.run(lambda: self._described(function))

    def drift_counts(self) -> Mapping[str, int]:
        """Return how many looks for drift of this process came to what."""
        return self._drift.counts if self._drift else {}

    async def check_drift(self, function: FunctionId) -> Mapping[str, Any] | None:
        """Look at a function's objects now, and heal them by policy; return what `describe` then does.

        Raises PlatformError.
        """
        if self._drift is None:
            raise DependencyUnavailable("drift cannot be looked for here")
        check = self._drift.check
        await self._readers.run(lambda: check(function))
        return await self.describe(function)

    async def list_functions(self, query: Query) -> Page:
        """Return one page of the list of functions. Raises PlatformError."""
        return await self._readers.run(lambda: self._runner.functions(query))

    @property
    def builds(self) -> Builds:
        """Builds and their logs, to be read. Raises DependencyUnavailable where none are kept."""
        if self._builds is None:
            raise DependencyUnavailable("no builds are kept here")
        return self._builds

    @property
    def evidence(self) -> Evidence:
        """Where revisions come from, to be read. Raises DependencyUnavailable where nothing is kept of it."""
        if self._evidence is None:
            raise DependencyUnavailable("no provenance is kept here")
        return self._evidence

    async def ready(self) -> Mapping[str, str]:
        """Return `ok` or the problem for each dependency."""
        self._begin_chores()
        found = await asyncio.gather(*(asyncio.to_thread(_checked, check) for check in self._checks.values()))
        return dict(zip(self._checks, found, strict=True))

    async def close(self, grace_seconds: float) -> None:
        """Finish what was accepted, for at most this many seconds, and release everything."""
        self._closing.set()  # a thread cannot be cancelled, and the process ends with its last one
        for chore in self._chores:
            chore.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await chore
        for part in (self._builds, self._evidence):
            if part:
                part.close()
        began = time.monotonic()
        await self._worker.close(grace_seconds)
        if self.outbox:
            left = max(MIN_OUTBOX_SECONDS, grace_seconds - (time.monotonic() - began))
            await asyncio.to_thread(self.outbox.close, left)
        self._readers.close()
        self._release()

    def _described(self, function: FunctionId) -> Mapping[str, Any] | None:
        found = self._runner.describe(function)
        build = found and found["build"]
        if build and build["status"] == BuildStatus.QUEUED and self._usher and (line := self._usher.line()):
            build["queue"] = line.place(build["job_name"])
        return found

    def _refuse_foreign_image(self, event: BuildComplete) -> None:
        repository = self._settings.image_repository
        if not event.image_uri.startswith((f"{repository}:", f"{repository}@")):
            raise InvalidEvent(
                f"image_uri {event.image_uri!r} is not in {repository}, where this platform's images are"
            )

    def _begin_chores(self) -> None:
        """Start what is done every now and then, with the first call that runs in the event loop."""
        if not self._chores:
            loop = asyncio.get_running_loop()
            ended = self._closing.is_set
            rounds = (*self._rounds, *((self._turns,) if self._turns else ()))
            self._chores = [loop.create_task(one.forever(ended)) for one in rounds]


@dataclass(frozen=True)
class _Rounds:
    """Something that is done in a thread every now and then."""

    name: str
    once: Callable[[Ended], int]
    seconds: float
    soon: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to have the next one soon."""

    async def forever(self, ended: Ended) -> None:
        """Go on until cancelled; a round that fails is logged, and the next one may succeed."""
        while True:
            try:
                count = await asyncio.to_thread(self.once, ended)
                _LOG.debug("a round ended", extra={"kl_rounds": self.name, "kl_count": count})
            except PlatformError as error:
                _LOG.warning("a round failed", extra={"kl_rounds": self.name, "kl_error": error.message})
            except Exception:
                # A defect that one object brings out must not end all rounds of this process, and its close.
                _LOG.exception("a round failed", extra={"kl_rounds": self.name})
            # What happens at one moment is worth one round.
            await asyncio.sleep(min(self.seconds, TOGETHER_SECONDS))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.soon.wait(), self.seconds)
            self.soon.clear()


def create(settings: AutomationSettings, tracer: Tracer = OFF) -> Automation:
    """Return the automation that the settings call for. Raises ValueError for an engine that there is not."""
    # The adapters bring boto3 and the engine: only who needs them pays for them.
    from automation.adapters import ecr, engines, event_sinks, wrappers
    from automation.adapters.kubernetes_builds import KubernetesBuilds
    from automation.adapters.kubernetes_drift import KubernetesLedger
    from automation.adapters.kubernetes_functions import KubernetesFunctions
    from automation.adapters.kubernetes_logs import KubernetesLogs
    from automation.adapters.prometheus import PrometheusCalls
    from automation.adapters.s3 import S3Store
    from automation.adapters.s3_objects import S3Objects

    engine = engines.create(settings)
    warmup.preview_once(engine, settings)
    files = wrappers.read_all(settings.runtimes_folder)
    observer = KubernetesBuilds(settings)
    outbox = event_sinks.outbox(settings) if settings.told else None
    services = KubernetesFunctions(settings)
    kept = Archive(S3Objects(settings)), KubernetesLogs(settings)
    destination = ecr.create(settings)
    store = S3Store(settings)
    ledger = KubernetesLedger(settings)
    counts = PrometheusCalls(settings.metrics_url, settings.namespace) if settings.metrics_url else None
    return assemble(
        settings, engine, store, files, observer, services, kept, outbox, destination, tracer, ledger, counts
    )


def assemble(
    settings: AutomationSettings,
    engine: DeploymentEngine,
    store: SourceStore,
    wrappers: Wrappers,
    observer: BuildObserver,
    services: ServiceObserver,
    kept: tuple[Archive, LiveLogs] | None = None,
    outbox: Outbox | None = None,
    destination: Destination = OPEN,
    tracer: Tracer = OFF,
    ledger: Ledger | None = None,
    counts: CallCounts | None = None,
) -> Automation:
    """Return an automation over the given adapters.

    Without `kept` nothing is kept of builds, without a ledger nothing is looked at for drift, without counts
    no revision is given up for its calls.
    """
    chains = ProvenanceLedger(kept[0].objects) if kept else None
    keeper: Keeper | None = None
    if kept and chains:
        keeper = provenance.beside(BuildKeeper(*kept, utc_now), chains, kept[1], settings)
    deadline = settings.build_deadline_seconds

    def begin(function: FunctionId, job_name: str) -> bool:
        return runner.tell(function, BuildTurn(job_name=job_name, deadline_seconds=deadline))

    usher = Usher(observer, begin, settings.build_limits, utc_now)
    watch = RolloutWatch(services, lambda function, seen: runner.tell(function, seen), counts)
    runner = Runner(
        engine=engine,
        store=store,
        settings=settings,
        wrappers=wrappers,
        destination=destination,
        keeper=keeper,
        line=usher.line,
        outbox=outbox,
        look=watch.look,
        tracer=tracer,
    )
    worker = Worker(runner.handle, threads=settings.workers, limit=settings.queue_limit, tracer=tracer)
    checks = {"storage": store.check, "state": engine.check}
    reconciler = Reconciler(observer, runner.latest_build, utc_now)

    def release() -> None:
        engine.close(ENGINE_GRACE_SECONDS)
        for part in (store, observer, services, destination, *(kept or ()), ledger, counts):
            if part is not None:
                part.close()

    builds = Builds(*kept, runner.latest_build) if kept else None
    evidence = Evidence(chains, runner.provenance) if chains else None
    sweeper = Sweeper(engine, observer, runner, utc_now, outbox)
    drift = _drift_check(settings, engine, runner, ledger) if ledger else None
    return Automation(
        runner,
        worker,
        settings,
        checks=checks,
        release=release,
        builds=builds,
        reconcile=reconciler.round,
        sweep=sweeper.round,
        usher=usher,
        outbox=outbox,
        watch=watch.round,
        drift=drift,
        evidence=evidence,
    )


def _drift_check(
    settings: AutomationSettings, engine: DeploymentEngine, runner: Runner, ledger: Ledger
) -> DriftCheck:
    return DriftCheck(
        engine,
        runner.tell,
        ledger,
        utc_now,
        per_minute=settings.drift_checks_per_minute,
        heals=frozenset(settings.drift_heals),
    )


def _checked(check: Callable[[], object]) -> str:
    try:
        check()
    except PlatformError as error:
        return error.message
    return "ok"
