"""Keeping secrets out of texts for people: services quote what they refuse, programs what they were given."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from engine.provider import OutcomeUnknown, PartialFailure, ProviderError
from engine.values import Secret, unwrap

_MASK: Final = "[secret]"
_SHORTEST: Final = 4
"""Shorter secrets would blot out ordinary words."""


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return the text without the secrets, also where they are quoted as in JSON."""
    found = {secret for secret in secrets if len(secret) >= _SHORTEST}
    found |= {json.dumps(secret, ensure_ascii=False)[1:-1] for secret in found}
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return text


def hidden_in(value: Any, *, hidden: bool = False) -> Iterator[str]:
    """Yield the texts inside secrets, at any depth of a property value; with `hidden` all texts."""
    if isinstance(value, Secret):
        yield from hidden_in(unwrap(value), hidden=True)
    elif isinstance(value, dict):
        for item in value.values():
            yield from hidden_in(item, hidden=hidden)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from hidden_in(item, hidden=hidden)
    elif hidden and isinstance(value, str):
        yield value


def configured(values: Iterable[str]) -> frozenset[str]:
    """Return the texts of secret configuration values, those within lists and maps (as JSON) too."""
    return frozenset(text for value in values for text in (value, *_inner(value)))


def _inner(value: str) -> Iterator[str]:
    if value[:1] in ("{", "["):
        with contextlib.suppress(ValueError):
            yield from hidden_in(json.loads(value), hidden=True)


@contextlib.contextmanager
def masking(values: Any) -> Iterator[None]:
    """Take the secrets among the values out of a provider's errors that pass."""
    try:
        yield
    except PartialFailure as error:
        error.reasons = tuple(masked(reason, hidden_in(values)) for reason in error.reasons)
        error.args = ("; ".join(error.reasons),)
        raise
    except (ProviderError, OutcomeUnknown) as error:
        error.args = (masked(str(error), hidden_in(values)),)
        raise
