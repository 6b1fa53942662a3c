"""Keeping secrets out of error texts: services quote what they refuse."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from engine.provider import OutcomeUnknown, PartialFailure, ProviderError
from engine.values import Secret, unwrap

_MASK: Final = "[secret]"
_SHORTEST: Final = 4
"""Shorter secrets would blot out ordinary words."""


@contextlib.contextmanager
def masking(inputs: Any) -> Iterator[None]:
    """Replace the texts of secret inputs in the errors that pass."""
    try:
        yield
    except PartialFailure as error:
        error.reasons = tuple(_masked(reason, inputs) for reason in error.reasons)
        error.args = ("; ".join(error.reasons),)
        raise
    except (ProviderError, OutcomeUnknown) as error:
        error.args = (_masked(str(error), inputs),)
        raise


def _masked(text: str, inputs: Any) -> str:
    for secret in sorted(_texts(inputs), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return text


def _texts(value: Any, hidden: bool = False) -> Iterator[str]:
    """Yield the texts inside secrets."""
    if isinstance(value, Secret):
        yield from _texts(unwrap(value), True)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item, hidden)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, hidden)
    elif hidden and isinstance(value, str) and len(value) >= _SHORTEST:
        yield value
