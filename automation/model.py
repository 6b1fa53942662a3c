"""A function's state, what can happen to it (stimuli), and what can be done about it (commands). Pure.

The state is what the function's own stack remembers. It holds no secret and nothing that is not needed to
decide: what runs, what is being built, which event decided that, and which events were answered lately.
"""

import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from automation.build_queue import Line
from automation.configuration import AT_ONCE, PLAIN, Configuration, RolloutPolicy
from automation.drift.found import Drift, Drifted
from automation.events import BuildRequest, EventMeta, FunctionEvent, FunctionId, Priority, Reply
from automation.outbox.emission import Emission
from automation.parked import Parked
from automation.scans import OPEN, Scan, ScanPolicy


class BuildStatus(enum.StrEnum):
    """How far a build got."""

    QUEUED = "queued"
    """Waits for its turn: its Job is there, suspended."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    """Given up because other content is wanted; its Job is gone."""
    CANCELLED = "cancelled"
    """Given up because somebody said so; its Job is gone."""


GIVEN_UP: Final = frozenset({BuildStatus.SUPERSEDED, BuildStatus.CANCELLED})
"""Whose results change nothing any more."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """The latest build of a function."""

    build_id: str
    job_name: str
    content_hash: str
    """SHA-256 of the build context, 64 hex digits."""
    context_key: str
    """Where the context is in the context bucket."""
    image: str
    """Destination, with a tag."""
    handler: str
    """What the function's wrapper is to call."""
    correlation_id: str
    traceparent: str = ""
    context_id: str = ""
    """Of the sender's own work that the build belongs to, to be answered when it ends; empty: of none."""
    failing_since: datetime.datetime | None = None
    """When the first failed of the builds that failed in a row up to this one; None: there is none."""
    requested_at: datetime.datetime
    queued_at: datetime.datetime | None = None
    """Since when it waits for its turn, or had waited; None: it never did."""
    started_at: datetime.datetime | None = None
    """When its Job could begin; None: it waits, or was recorded before this was."""
    completed_at: datetime.datetime | None = None
    """When its end was recorded, or it was given up; None: it is under way."""
    lost_at: datetime.datetime | None = None
    """When a result should have come long ago; from then on the build counts as lost. None: it waits."""
    status: BuildStatus = BuildStatus.RUNNING
    priority: str = Priority.NORMAL
    """One of Priority."""
    source_bucket: str = ""
    """Where its event said that the code is, for a retry; empty here and below: it did not say."""
    source_prefix: str = ""
    language: str = ""
    runtime: str = ""
    cause: str = ""
    """Id of the event that asked for it; empty here and below: recorded before that was."""
    cause_source: str = ""
    location: str = ""
    """Where the code was, `s3://bucket/key`."""
    digest: str = ""
    """Of the image, `sha256:` and 64 hex digits, once it is there and was told."""
    scan: Scan | None = None
    """What was found in the image; None: it was not scanned, or that is not known yet."""
    reason: str = ""
    """Short class of the failure, such as `oom`."""
    message: str = ""
    """Of the failure; or why it was cancelled, if that was said."""
    exit_code: int | None = None
    log_tail: str = ""
    """Last lines of a failed build's log."""

    @property
    def is_queued(self) -> bool:
        """Whether it waits for its turn."""
        return self.status is BuildStatus.QUEUED

    @property
    def is_running(self) -> bool:
        """Whether its Job may run, as far as anybody has told."""
        return self.status is BuildStatus.RUNNING

    @property
    def is_live(self) -> bool:
        """Whether a result may still come: it waits or runs."""
        return self.is_queued or self.is_running

    def is_lost(self, now: datetime.datetime) -> bool:
        """Whether it runs and its result should have come long ago."""
        return self.is_running and self.lost_at is not None and now >= self.lost_at

    @property
    def has_job(self) -> bool:
        """Whether its Job belongs in the stack: finished ones stay until Kubernetes expires them."""
        return self.is_live or self.status is BuildStatus.SUCCEEDED


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a deployment's image comes from; empty: not known."""

    event_id: str
    """Of the event that asked for the image: for its build, or for an image that others built."""
    event_source: str
    job_name: str = ""
    """Of the Job that built it; empty: others did."""
    location: str = ""
    """Where the code was that went into it, `s3://bucket/key`; empty: in the event."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What runs."""

    image: str
    """By digest wherever the digest is known."""
    content_hash: str = ""
    """Of the context that it was built from; empty for an image that others built."""
    build_id: str = ""
    handler: str
    deployed_at: datetime.datetime
    number: int = 0
    """Counts a function's deployments from 1; 0: recorded before they were counted."""
    cause: str = ""
    """Id of the event that it was deployed by."""
    restored: int = 0
    """Number of the deployment that it is once more, after a rollback; 0: a new one."""
    reason: str = ""
    """Why it was rolled back to, if that was said."""
    configuration: Configuration = PLAIN
    revision: str = ""
    """Knative's name of its revision; empty: not seen ready yet."""
    ready_at: datetime.datetime | None = None
    """When it was first seen ready."""
    failure: str = ""
    """Why it was given up; empty: it was not."""
    origin: Origin | None = None
    """Where the image comes from; None: recorded before that was."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A deployment on its way: it is not ready yet, or has a share of the traffic only."""

    policy: RolloutPolicy
    percent: int = 100
    """Its share of the traffic, once it is ready; the stable revision has the rest."""
    steps: tuple[int, ...] = ()
    """The shares that come after this one; 100 comes after the last."""
    stable: int = 0
    """Number of the deployment to go back to; 0: there is none."""
    stable_revision: str = ""
    """Knative's name of that deployment's revision; empty: not known."""
    began_at: datetime.datetime
    step_at: datetime.datetime | None = None
    """Since when it has been ready with this share; None: it is not ready yet."""
    failure: str = ""
    """Why it does not become ready, where there is nothing to go back to."""

    @property
    def has_arrived(self) -> bool:
        """Whether the deployment is ready, has all of the traffic, and is only watched still."""
        return self.percent == 100 and self.step_at is not None


@dataclass(frozen=True, kw_only=True)
class Handled:
    """An event that was answered, kept so that its repetition is recognised."""

    source: str
    id: str
    type: str
    at: datetime.datetime
    status: str
    fields: Mapping[str, object] = field(default_factory=dict)
    """Of the first answer, for the answer to a repetition."""
    reason: str = ""
    """Why the sender wanted it, or the class of a failure; empty: not said."""


@dataclass(frozen=True, kw_only=True)
class Cancellation:
    """A build that is not to begin if it is asked for later: its cancellation overtook it."""

    build_id: str
    at: datetime.datetime
    """By the event's time: a later build of that id is another one."""


class Phase(enum.StrEnum):
    """Where a function stands; derived from the rest of its state."""

    ABSENT = "absent"
    BUILDING = "building"
    READY = "ready"
    UPDATING = "updating"
    """Runs, while newer content is being built."""
    FAILED = "failed"
    """The only build failed or was cancelled; nothing runs."""
    DELETED = "deleted"
    """Taken away; remembered for a while, so that late events do not bring it back."""


@dataclass(frozen=True, kw_only=True)
class FunctionState:
    """Everything that is known of one function."""

    function: FunctionId
    desired_at: datetime.datetime | None = None
    """Time of the event that decided what is wanted; older ones change nothing any more."""
    build: Build | None = None
    deployment: Deployment | None = None
    """The newest."""
    previous: tuple[Deployment, ...] = ()
    """What ran before, oldest first; the last few."""
    configuration: Configuration = PLAIN
    """What is wanted: the newest deployment's, or that of the one that is being built."""
    rollout: Rollout | None = None
    """How far the newest deployment is; None: it has all of the traffic."""
    deleted_at: datetime.datetime | None = None
    handled: tuple[Handled, ...] = ()
    """Oldest first."""
    cancelled: tuple[Cancellation, ...] = ()
    """Oldest first; the last few."""
    outbox: tuple[Emission, ...] = ()
    """Events that tell of what is recorded here, in their order; those that are known to be sent are gone."""
    parked: Parked | None = None
    """An event whose plan waits for approval; None: there is none."""
    drift: Drift | None = None
    """What was found to differ from what was applied; None: nothing, as far as anybody has looked."""
    healed_at: datetime.datetime | None = None
    """When drift was put back last."""

    @property
    def phase(self) -> Phase:
        """Where the function stands."""
        if self.deleted_at is not None:
            return Phase.DELETED
        live = self.build is not None and self.build.is_live
        if self.deployment is not None:
            return Phase.UPDATING if live else Phase.READY
        if self.build is None:
            return Phase.ABSENT
        return Phase.BUILDING if live else Phase.FAILED

    def find(self, meta: EventMeta) -> Handled | None:
        """Return what was answered to this event before, if it was."""
        return next((seen for seen in self.handled if (seen.source, seen.id) == (meta.source, meta.id)), None)


@dataclass(frozen=True, kw_only=True)
class Requested:
    """An event has come. `superseded` are queued build.starts that this one makes pointless."""

    event: FunctionEvent
    superseded: tuple[EventMeta, ...] = ()
    line: Line | None = None
    """All builds of the environment, for a build.start; None: as many as there are may run."""
    policy: RolloutPolicy = AT_ONCE
    """The environment's way to roll out, for functions that do not have their own."""
    scan_policy: ScanPolicy = OPEN
    """Which images the environment rolls out."""


@dataclass(frozen=True, kw_only=True)
class ContextReady:
    """The build context of a build.start is made, and not stored yet."""

    event: BuildRequest
    superseded: tuple[EventMeta, ...] = ()
    policy: RolloutPolicy = AT_ONCE
    content_hash: str
    context_key: str
    """Where the context is to go."""
    image: str
    """Where the image is to go, with a tag."""
    handler: str
    deadline_seconds: int
    """Longest run of the build's Job."""
    location: str = ""
    """Where the code was, `s3://bucket/key`; empty: in the event."""
    line: Line | None = None
    """As of Requested."""


@dataclass(frozen=True, kw_only=True)
class BuildTurn:
    """A build that waits may begin."""

    job_name: str
    deadline_seconds: int
    """Longest run of its Job."""


@dataclass(frozen=True)
class TombstoneExpired:
    """A deleted function has been remembered for long enough."""


@dataclass(frozen=True, kw_only=True)
class RolloutObserved:
    """How a function's Knative Service was found, of a deployment that it has taken in."""

    number: int
    """The deployment's."""
    ready: bool
    """Whether its revision is ready, and the traffic goes where it should."""
    revision: str = ""
    """Knative's name of its revision."""
    failed_since: datetime.datetime | None = None
    """Since when Knative has called the revision failed; None: it does not."""
    message: str = ""
    """What Knative says of one that is not ready."""
    calls: int = 0
    """Of the revision, as far as they are counted."""
    failed_calls: int = 0
    """Of these."""


@dataclass(frozen=True, kw_only=True)
class DriftSeen:
    """The function's objects were compared with what was applied."""

    resources: tuple[Drifted, ...]
    """Those that differ; none: all is in order."""


@dataclass(frozen=True, kw_only=True)
class DriftHeal:
    """What has drifted is to be put back."""


Stimulus = Requested | ContextReady | BuildTurn | RolloutObserved | TombstoneExpired | DriftSeen | DriftHeal


@dataclass(frozen=True, kw_only=True)
class PrepareContext:
    """Read the code and make the build context; the result is ContextReady."""

    cause: str
    """Id of the event, here and in all commands; `rollout` or `sweep` where there is none."""
    request: Requested
    event: BuildRequest


@dataclass(frozen=True, kw_only=True)
class StoreContext:
    """Put the build context that was made last into the bucket."""

    cause: str
    key: str


@dataclass(frozen=True, kw_only=True)
class RemoveContexts:
    """Remove all build contexts of the function, or one of them."""

    cause: str
    key: str = ""
    """Of the only one to remove; empty: all."""


@dataclass(frozen=True, kw_only=True)
class ApplyStack:
    """Bring the function's stack to the decided state and record that state in it."""

    cause: str
    message: str
    restore: bool = False
    """Look at the objects first, and put back what is not as it was applied."""


@dataclass(frozen=True, kw_only=True)
class RemoveStack:
    """Forget the function: remove its stack, which holds no resource any more."""

    cause: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Answer the event; everything before it in the list of commands has been done."""

    cause: str
    reply: Reply


Command = PrepareContext | StoreContext | RemoveContexts | ApplyStack | RemoveStack | Answer
