"""Events as typed values: what the service parses and the decision core decides on.

Pure: no I/O and nothing but the standard library. `automation.event_parser.parse` turns CloudEvent attributes
and data, legacy or newer type names, snake_case or camelCase fields, into one of the classes below, or raises
InvalidEvent with every problem.
"""

import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from automation.configuration import EVERYTHING, PLAIN, Configuration
from automation.scans import Scan


class Priority(enum.StrEnum):
    """How urgent its sender says that a build is, contract section 1.3."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


@dataclass(frozen=True, order=True)
class FunctionId:
    """A parser of a third party.

    Both ids are valid Kubernetes label values: 1 to 63 letters, digits, `.`, `-` and `_`, a letter or digit
    at both ends; without `..`, because they become parts of storage keys.
    """

    third_party_id: str
    parser_id: str

    def __str__(self) -> str:
        return f"{self.third_party_id}/{self.parser_id}"


@dataclass(frozen=True, kw_only=True)
class EventMeta:
    """The envelope: what is known of every event whatever its type."""

    id: str
    source: str
    type: str
    """The type as the sender wrote it."""
    subject: str | None = None
    time: datetime.datetime | None = None
    """When it happened, by the sender's clock, with a time zone; None if not said."""
    correlation_id: str
    traceparent: str | None = None
    dry_run: bool = False
    """Tell what would change, and change nothing."""
    plan_id: str | None = None
    """Carry the event out only if it changes what this plan says."""


@dataclass(frozen=True, kw_only=True)
class BuildStart:
    """Build the code of a function and roll it out."""

    meta: EventMeta
    function: FunctionId
    source_bucket: str | None = None
    source_prefix: str | None = None
    """Key prefix of a folder, or the key of one object; None: the contract's default for the parser."""
    language: str | None = None
    runtime: str | None = None
    build_id: str | None = None
    context_id: str | None = None
    sequence: int | None = None
    force: bool = False
    """Build even when equal content is already built."""
    priority: str = Priority.NORMAL
    """One of Priority: how early its turn comes where builds wait."""
    retry: bool = False
    """Build once more what was built last: code, language and runtime are where the last build's were."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class BuildComplete:
    """A build succeeded. Fields beyond the contract's four come from our own monitor."""

    meta: EventMeta
    function: FunctionId
    image_uri: str
    image_digest: str | None = None
    content_hash: str | None = None
    job_name: str | None = None
    build_id: str | None = None
    duration_seconds: float | None = None
    """How long the build took, by the sender's clock; None if not said."""
    cache_hits: int | None = None
    """How many of the Dockerfile's commands came from the cache; None if not said."""
    scan: Scan | None = None
    """What was found in the image; None if not said."""


@dataclass(frozen=True, kw_only=True)
class BuildFailed:
    """A build failed; `reason` is a short class such as `oom`, `message` is for a person."""

    meta: EventMeta
    function: FunctionId
    reason: str = "error"
    message: str = ""
    exit_code: int | None = None
    log_tail: str = ""
    content_hash: str | None = None
    job_name: str | None = None
    build_id: str | None = None
    duration_seconds: float | None = None
    """How long the build took, by the sender's clock; None if not said."""


@dataclass(frozen=True, kw_only=True)
class ServiceDelete:
    """Take a function away."""

    meta: EventMeta
    function: FunctionId
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class BuildCancel:
    """Give up the build that is under way."""

    meta: EventMeta
    function: FunctionId
    build_id: str | None = None
    """Only if it is this one; None: whichever it is."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class FunctionRollback:
    """Run an earlier deployment of a function again."""

    meta: EventMeta
    function: FunctionId
    revision: str | None = None
    """Its number, image digest, build, content hash or the id of its event; None: the one before."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class FunctionDeploy:
    """Bring a function to a specification: its code or image, and how it is run."""

    meta: EventMeta
    function: FunctionId
    image: str = ""
    """An image that others built, rolled out as it is."""
    code: Mapping[str, bytes] | None = None
    """Files that the event brought along, by path."""
    source_bucket: str | None = None
    source_prefix: str | None = None
    """As in BuildStart."""
    source_endpoint: str = ""
    """Where the sender believes that the bucket is; empty: not said."""
    has_source: bool = True
    """Whether the event says what to run; if not, it is about the configuration alone."""
    language: str | None = None
    runtime: str | None = None
    handler: str = ""
    """What the wrapper is to call; empty: found in the code."""
    configuration: Configuration = PLAIN
    said: frozenset[str] = EVERYTHING
    """Which fields of the configuration the event decides; the others stay."""
    build_id: str | None = None
    force: bool = False
    priority: str = Priority.NORMAL
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class FunctionPromote:
    """Give the newest revision more of the traffic, or all of it."""

    meta: EventMeta
    function: FunctionId
    percent: int = 100
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Jobs and parser runs that begin and end: counted and acknowledged, nothing is changed."""

    meta: EventMeta
    kind: str
    """`job.start`, `parser.start`, `parser.complete` or `parser.failed`."""
    function: FunctionId | None = None
    extra: dict[str, str] = field(default_factory=dict)


BuildRequest = BuildStart | FunctionDeploy
"""What makes a build of code."""

FunctionEvent = (
    BuildStart
    | BuildComplete
    | BuildFailed
    | BuildCancel
    | FunctionDeploy
    | FunctionPromote
    | FunctionRollback
    | ServiceDelete
)
"""An event that is about one function and may change it."""

Event = FunctionEvent | Notice


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer to one event: the contract's `status`, a sentence, further JSON fields of the reply body."""

    status: str
    message: str
    fields: dict[str, object] = field(default_factory=dict)
    kind: str = "reply"
    """What the answer is as an event: the end of its type."""
