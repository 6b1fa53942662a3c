"""Where builds push to: made sure of before the Job, and never asked to replace an image that must stay."""

from typing import Final, Protocol

from automation.events import EventMeta
from components import naming


class Destination(Protocol):
    """The registry that images are pushed to. A call takes seconds at most; raises DependencyUnavailable."""

    def is_taken(self, image: str) -> bool:
        """Say whether this tag is another image's for good; False where tags move, or where nobody knows."""

    def make_ready(self) -> None:
        """Make sure that functions' images and cached layers can be pushed."""

    def close(self) -> None:
        """Release connections; the destination cannot be used any more."""


class OpenRegistry:
    """A registry that makes repositories with the first push, and whose tags move."""

    def is_taken(self, image: str) -> bool:
        """See Destination."""
        del image
        return False

    def make_ready(self) -> None:
        """See Destination; there is nothing to do."""

    def close(self) -> None:
        """See Destination; there is nothing to close."""


OPEN: Final = OpenRegistry()


def free_tag(image: str, destination: Destination, meta: EventMeta) -> str:
    """Return the image's tag, or one of the event's own where that is taken.

    So content can be built again, forced or after other content ran, although its first tag cannot move.
    """
    return f"{image}-{suffix(meta)}" if destination.is_taken(image) else image


def suffix(meta: EventMeta) -> str:
    """Return what tells this event's image from others of the same content, eight hex digits."""
    return naming.digest(meta.source, meta.id)
