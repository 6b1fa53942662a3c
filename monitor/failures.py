"""Why a build failed: from the container's exit to the contract's failure classes. Pure.

The exit decides where it is clear (out of memory); otherwise the last line of the log that one of the rules
knows.
"""

import enum
import re
from dataclasses import dataclass

from monitor.logtail import clean

MAX_MESSAGE_CHARACTERS = 500
MAX_LINE_CHARACTERS = 2000
"""Of a line this much is searched: a log is hostile text."""
OOM_EXIT_CODE = 137
"""SIGKILL; where nobody asked for it, it was the kernel that was out of memory."""


class Reason(enum.StrEnum):
    """The failure classes."""

    OOM = "oom"
    DEADLINE = "deadline"
    IMAGE_PULL = "image_pull"
    DOCKERFILE = "dockerfile"
    DEPENDENCY_INSTALL = "dependency_install"
    S3_ACCESS = "s3_access"
    REGISTRY_ACCESS = "registry_access"
    NEVER_SCHEDULED = "never_scheduled"
    EVICTED = "evicted"
    """The cluster took the pod away: eviction, preemption, the end of a node."""
    LOST = "lost"
    """Not the monitor's word: nobody knows how the build ended."""
    ERROR = "error"


@dataclass(frozen=True)
class Exit:
    """How a container ended, as its status says."""

    code: int
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """A failure's class, and a sentence for a person."""

    reason: Reason
    message: str


_RULES = (
    (
        Reason.REGISTRY_ACCESS,
        r"push permission|push(?:ing)? image|failed to push|TOOMANYREQUESTS|no basic auth credentials"
        r"|\becr:|ecr\.[\w-]+\.amazonaws|getting credentials|retrieving (?:remote )?image|MANIFEST_UNKNOWN"
        r"|/v2/.*(?:401|403|404|429|unauthorized|denied)"
        r"|(?:unexpected|unsupported) status code (?:401|403|429)"
        r"|\bUNAUTHORIZED\b|\bdenied: ",
    ),
    (
        Reason.S3_ACCESS,
        r"NoSuchKey|NoSuchBucket|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|NoCredentialProviders"
        r"|AccessDenied|\bs3\b.*(?:40[134]|forbidden|not found|denied|credential)"
        r"|(?:getting|downloading|unpacking|retrieving)[^:]*context.*(?:fail|error|40[134]|forbidden|denied)",
    ),
    (
        Reason.DOCKERFILE,
        r"pars(?:e|ing)[^:]*dockerfile|dockerfile pars(?:e|ing)|resolving dockerfile|unknown instruction"
        r"|dockerfile.*(?:no such file|not found)",
    ),
    (
        Reason.DEPENDENCY_INSTALL,
        r"ERROR: (?:Could not|No matching|Failed (?:building|to build)|Invalid requirement|Cannot install"
        r"|ResolutionImpossible|Package |HTTP error)|subprocess-exited-with-error|No module named pip"
        r"|npm (?:ERR!|error)"
        r"|\bgo: .*(?:unknown revision|not found|lookup disabled|reading|invalid version|missing go.sum)"
        r"|(?:command|RUN|process).*\b(?:pip3? install|npm (?:ci|install)|go (?:mod|build|get|install))",
    ),
)
_COMPILED = tuple((reason, re.compile(pattern, re.IGNORECASE)) for reason, pattern in _RULES)


def classify(log: str, exit: Exit) -> Diagnosis:
    """Say why a container that ended with a code other than 0 did so."""
    if exit.reason == "OOMKilled" or exit.code == OOM_EXIT_CODE:
        return Diagnosis(Reason.OOM, f"the build was killed with exit code {exit.code}: out of memory")
    text = clean(f"{log}\n{exit.message}")
    lines = [line.strip()[:MAX_LINE_CHARACTERS] for line in text.split("\n") if line.strip()]
    for line in reversed(lines):
        for reason, pattern in _COMPILED:
            if pattern.search(line):
                return Diagnosis(reason, _sentence(exit, line))
    return Diagnosis(
        Reason.ERROR, _sentence(exit, lines[-1] if lines else exit.reason.strip() or "it said nothing")
    )


def _sentence(exit: Exit, line: str) -> str:
    return f"the build failed with exit code {exit.code}: {' '.join(line.split())}"[:MAX_MESSAGE_CHARACTERS]
