"""Keeping secrets out of texts for people: services quote what they refuse, programs what they were given."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from engine.provider import PartialFailure
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
    """Take the secrets among the values out of an error that passes, and out of those that led to it."""
    try:
        yield
    except Exception as error:
        if secrets := frozenset(hidden_in(values)):
            if isinstance(error, PartialFailure):
                error.reasons = masked_reasons(error.reasons, values)
            for link in chain(error):
                link.args = tuple(
                    masked(item, secrets) if isinstance(item, str) else item for item in link.args
                )
        raise


def masked_reasons(reasons: Iterable[str], values: Any) -> tuple[str, ...]:
    """Return the reasons that a provider gives without the secrets among the values."""
    return tuple(masked(reason, hidden_in(values)) for reason in reasons)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that it was raised from, each once."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        link = left.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            left += [link.__cause__, link.__context__]
            yield link
