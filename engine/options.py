"""How an operation is to be carried out: Pulumi's own flags, as data."""

from dataclasses import dataclass
from typing import Final

from engine.cancellation import Cancellation


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the caller of an operation may choose; the defaults are those of Pulumi's CLI without flags.

    Resources are named by URNs, or by patterns: `*` stands for any text without `:`, `**` for any text.
    """

    refresh: bool = False
    """Read what the resources are now, before all else."""
    targets: tuple[str, ...] = ()
    """Change only these, besides providers; none means all."""
    target_dependents: bool = False
    """Targets bring along what depends on them."""
    excludes: tuple[str, ...] = ()
    """Leave these as they are. Of no effect where there are targets."""
    exclude_dependents: bool = False
    """What depends on the excluded ones is left as it is too."""
    replace: tuple[str, ...] = ()
    """Replace these, whatever their providers say. To touch nothing else, name them as targets too."""
    preview_first: bool = False
    """Of `up`: run the program as a preview before, and change nothing if that fails."""
    preview_only: bool = False
    """Refresh and destroy only: say what would be done, do nothing, take no lock."""
    continue_on_error: bool = False
    """Go on with what does not depend on a failed resource; the operation fails in the end."""
    parallel: int | None = None
    """At most this many provider calls at a time; None for the engine's own limit."""
    lock_timeout: float = 0.0
    """Seconds to wait for a lock that somebody else holds."""
    cancellation: Cancellation | None = None
    """By which the operation can be stopped from outside."""


DEFAULTS: Final = Options()
"""What an operation does unless it is told otherwise."""
