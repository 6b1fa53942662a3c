"""The configuration of a run: the stack's values, and what the project declares or gives besides.

Pure, apart from the decryption that it is given.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.cli import values
from engine.cli.errors import misused

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


@dataclass(frozen=True)
class Configuration:
    """Texts by full key, as programs get them; what holds anything secret is in `secret`, decrypted."""

    plain: dict[str, str]
    secret: dict[str, str]

    def shown(self) -> dict[str, str]:
        """Return all of it, sorted, with the secret ones masked."""
        masked = dict.fromkeys(self.secret, values.MASK)
        return dict(sorted({**self.plain, **masked}.items()))


def resolve(
    stack: str,
    project: str,
    declared: Mapping[str, Any],
    given: Mapping[str, Any],
    decrypt: Callable[[str], str],
) -> Configuration:
    """Return the stack's `given` values together with what the project `declared`, both checked."""
    declarations = {values.full_key(key, project): item for key, item in declared.items()}
    merged = {values.full_key(key, project): value for key, value in given.items()}
    for key, declaration in declarations.items():
        default = _default(declaration)
        if key not in merged and default is not None:
            merged[key] = default
    _refuse_missing(stack, project, declarations, merged)
    for key, declaration in declarations.items():
        if key in merged and isinstance(declaration, dict):
            _check(stack, key, declaration, merged[key])
    secret = {key for key, value in merged.items() if values.contains_secure(value)}
    texts = {key: values.text_of(values.revealed(value, decrypt)) for key, value in merged.items()}
    return Configuration(
        plain={key: text for key, text in texts.items() if key not in secret},
        secret={key: text for key, text in texts.items() if key in secret},
    )


def _default(declaration: Any) -> Any:
    if not isinstance(declaration, dict):
        return declaration
    value = declaration.get("value")
    return declaration.get("default") if value is None else value


def _refuse_missing(stack: str, project: str, keys: Iterable[str], merged: Mapping[str, Any]) -> None:
    missing = sorted(key for key in keys if key not in merged and key.startswith(f"{project}:"))
    if missing:
        names = ", ".join(repr(key.split(":", 1)[1]) for key in missing)
        noun = "values" if len(missing) > 1 else "value"
        raise misused(
            f"Stack '{stack}' is missing configuration {noun} {names}: Pulumi.yaml declares them without a "
            "default. Set them with `config set`"
        )


def _check(stack: str, key: str, declaration: Mapping[str, Any], value: Any) -> None:
    if declaration.get("secret") and not values.contains_secure(value):
        raise misused(f"Stack '{stack}' with configuration key '{key}' must be encrypted as it's secret")
    kind = declaration.get("type")
    if kind is None or values.contains_secure(value):
        return
    if kind not in _TYPES:
        raise misused(f"Pulumi.yaml: '{key}' has the type {kind!r}; allowed are {', '.join(_TYPES)}")
    meant = values.coerced(value) if isinstance(value, str) and kind != "string" else value
    if not isinstance(meant, _TYPES[kind]) or (isinstance(meant, bool) and kind != "boolean"):
        raise misused(f"Stack '{stack}' with configuration key '{key}' must be of type '{kind}'")
