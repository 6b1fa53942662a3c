"""Pulumi's checkpoint files, as documents: which versions and features are understood, and what is in them.

Unknown versions and features are refused: a file that is not understood must never be written over. The
values inside are the codec's business.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import CheckpointRefused, Unsupported
from engine.specials import SIGNATURE, UNKNOWN_TEXTS

UNMANAGED_FEATURES: Final = frozenset(
    {"views", "refreshBeforeUpdate", "extensionParameterization", "snippets-prototype"}
)
"""Features whose states are read, kept and written, but whose resources this engine cannot deploy."""

FEATURES: Final = UNMANAGED_FEATURES | {"hooks", "replaceWith", "taint", "byteString"}
"""Features of version 4 that are understood; a state that uses another one is refused."""


_SPECIAL: Final = tuple(word.encode() for word in (SIGNATURE, *UNKNOWN_TEXTS))
"""What a file with any special value in it holds."""


@dataclass(frozen=True)
class Document:
    """A checkpoint file or an exported deployment, parsed but not yet decoded.

    `latest` is None if it holds none.
    """

    latest: Mapping[str, Any] | None
    special: bool
    """Whether any special value can be in it; if not, values need no decoding."""
    features: frozenset[str] = frozenset()
    """What the file says that it uses of version 4."""

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources in their JSON form."""
        return list((self.latest or {}).get("resources") or ())

    @property
    def deployed(self) -> bool:
        """Whether anything is deployed or half deployed."""
        return bool(self.resources or (self.latest or {}).get("pending_operations"))

    @property
    def salt(self) -> str | None:
        """The salt record of the passphrase provider; CheckpointRefused for other kinds of providers."""
        provider = (self.latest or {}).get("secrets_providers") or {}
        if not provider.get("type"):
            return None
        if provider["type"] != "passphrase":
            raise CheckpointRefused(
                f"the state's secrets are kept by {provider['type']!r}; this engine reads 'passphrase' only"
            )
        state = provider.get("state")
        salt = state.get("salt") if isinstance(state, dict) else None
        if not isinstance(salt, str):
            raise CheckpointRefused("the state's secrets provider 'passphrase' has no salt")
        return salt


EMPTY: Final = Document(latest=None, special=False)
"""What a stack that does not exist holds."""


def loads(data: bytes) -> Any:
    """Return the JSON of a checkpoint file; CheckpointRefused if it is none."""
    try:
        text = data.decode()
        document = json.loads(text, parse_float=number)
        if "\\ud" in text or "\\uD" in text:
            document = json.loads(_without_lone_surrogates(text), parse_float=number)
    except (ValueError, RecursionError) as error:
        raise CheckpointRefused(f"the state is no JSON: {error}") from error
    return document


def parse(data: bytes) -> Document:
    """Parse a checkpoint file (or an export) without decoding its values.

    CheckpointRefused if not understood.
    """
    return parse_document(loads(data), special=any(word in data for word in _SPECIAL))


def parse_document(document: Any, *, special: bool = True) -> Document:
    """Like `parse`, for a document that is parsed already."""
    if not isinstance(document, dict):
        raise CheckpointRefused("the state is no JSON object")
    if document.get("version") not in (3, 4):
        raise CheckpointRefused(
            f"the state has version {document.get('version')!r}; this engine reads versions 3 and 4"
        )
    features = frozenset(map(str, document.get("features") or ()))
    if unknown := sorted(features - FEATURES):
        raise CheckpointRefused(
            f"the state uses {', '.join(unknown)}; of the features of version 4 this engine knows "
            f"{', '.join(sorted(FEATURES))} only"
        )
    holder = document.get("checkpoint")
    latest = holder.get("latest") if isinstance(holder, dict) else document.get("deployment")
    if latest is not None and not isinstance(latest, dict):
        raise CheckpointRefused("the state's deployment is no JSON object")
    return Document(latest, special, features)


def refuse_unmanaged(document: Document) -> None:
    """Raise Unsupported if the state holds resources that this engine cannot deploy."""
    if unmanaged := sorted(document.features & UNMANAGED_FEATURES):
        raise Unsupported(
            f"the state uses {', '.join(unmanaged)}, which the embedded engine does not support; run the "
            "stack with Pulumi's own engine"
        )


def _without_lone_surrogates(text: str) -> str:
    """Return the JSON text with halves of UTF-16 pairs, which cannot be written, replaced as Go does."""
    plain = json.dumps(json.loads(text), ensure_ascii=False)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number(text: str) -> int | float:
    """Read a JSON number with a fraction or an exponent.

    Integral ones (`1.0`) become int, as Pulumi has it.
    """
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= 2.0**53 else value
