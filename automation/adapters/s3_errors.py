"""What S3's answers mean to us: the sender's fault, or a dependency's that may be well again later."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from automation.errors import DependencyUnavailable, PlatformError, SourceDenied, SourceNotFound

_NOT_THERE: Final = frozenset({"NoSuchKey", "NoSuchBucket", "404"})
_DENIED: Final = frozenset({"AccessDenied", "AllAccessDisabled", "403"})
_CHANGED: Final = frozenset({"PreconditionFailed", "412", "NoSuchKey", "InvalidRange"})
_TEXT_CHARACTERS: Final = 256


@contextmanager
def translated(
    place: str, *, foreign: bool = False, listed: bool = False, ours: bool = False
) -> Iterator[None]:
    """Turn the client's errors into ours.

    `foreign` is a bucket that the sender named, whose rights are the sender's to give; `listed` is a file
    that was there a moment ago; `ours` is what no sender can bring about or mend.
    """
    try:
        yield
    except ClientError as error:
        raise _meaning(error, place, foreign=foreign, listed=listed, ours=ours) from error
    except (BotoCoreError, OSError) as error:
        raise DependencyUnavailable(f"storage did not answer for {place}: {_text(error)}") from error


def _meaning(error: ClientError, place: str, *, foreign: bool, listed: bool, ours: bool) -> PlatformError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if listed and code in _CHANGED:
        return DependencyUnavailable(f"{place} was changed while it was read; send the event again")
    if code in _NOT_THERE and not ours and (foreign or code != "NoSuchBucket"):
        return SourceNotFound(f"there is no code at {place}; put parser.py there and send it again")
    if code in _DENIED and foreign:
        return SourceDenied(
            f"this platform may not read {place}: give its role s3:GetObject and s3:ListBucket there, "
            "or put the code into the platform's own bucket"
        )
    return DependencyUnavailable(f"storage refused {place}: {_text(error)}")


def _text(error: Exception) -> str:
    return str(error)[:_TEXT_CHARACTERS]
