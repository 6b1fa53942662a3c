"""The configuration of a Kubernetes provider resource (`kubernetes:*` in the stack's configuration)."""

import json
from dataclasses import dataclass
from typing import Any

from engine.kubernetes.config import ConfigError, Source, active_cluster
from engine.kubernetes.refusals import unsupported
from engine.provider import CheckFailure, DiffKind, DiffResult, Properties, PropertyDiff, ProviderError
from engine.values import contains_unknown, unwrap

_CHOICE = ("kubeconfig", "context", "cluster")
_RENDERING = ("renderYamlToDirectory", "alwaysRender")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A configured provider, as typed values."""

    source: Source
    namespace: str = ""
    """Default namespace; empty: the kubeconfig context's."""
    patch_force: bool = False
    config_map_mutable: bool = False
    secret_mutable: bool = False
    upsert: bool = False
    delete_unreachable: bool = False
    """Drop resources from the state when the cluster does not answer a read or delete."""
    skip_update_unreachable: bool = False
    """Leave resources as recorded when the cluster does not answer."""


def settings_of(inputs: Properties) -> Settings:
    """Return the settings of checked provider inputs."""
    plain = unwrap(inputs)
    return Settings(
        source=Source(**{key: str(plain.get(key) or "") for key in _CHOICE}),
        namespace=str(plain.get("namespace") or ""),
        patch_force=_flag(plain, "enablePatchForce"),
        config_map_mutable=_flag(plain, "enableConfigMapMutable"),
        secret_mutable=_flag(plain, "enableSecretMutable"),
        upsert=_flag(plain, "upsertExistingObjects"),
        delete_unreachable=_flag(plain, "deleteUnreachable"),
        skip_update_unreachable=_flag(plain, "skipUpdateUnreachable"),
    )


def check_settings(news: Properties) -> tuple[CheckFailure, ...]:
    """Return what is wrong with provider inputs, or not supported."""
    plain = unwrap(news)
    failures = [
        CheckFailure(key, unsupported("rendering to files"))
        for key in _RENDERING
        if plain.get(key) not in (None, "", "false", False)
    ]
    if plain.get("enableServerSideApply") in ("false", False):
        failures.append(CheckFailure("enableServerSideApply", unsupported("applying on the client's side")))
    failures += [
        CheckFailure(key, f"it has to be a string, not {type(plain[key]).__name__}")
        for key in (*_CHOICE, "namespace")
        if not isinstance(plain.get(key) or "", str) and not contains_unknown(plain[key])
    ]
    return tuple(failures)


def diff_settings(olds: Properties, news: Properties) -> DiffResult:
    """Say whether resources survive a change of the provider's configuration.

    Only another cluster replaces (server, certificate authority, ...), never another user or token; and an
    unchanged `clusterIdentifier` means that it is the same cluster whatever else changed.
    """
    old, new = unwrap(olds), unwrap(news)
    keys = sorted(
        key
        for key in old.keys() | new.keys()
        if old.get(key) != new.get(key) or contains_unknown(new.get(key))
    )
    replaces = _replacing(old, new, keys)
    kinds = {key: _kind(key, old, new, replace=key in replaces) for key in keys}
    return DiffResult(changes=bool(keys), replaces=replaces, diffs=tuple(keys), detailed=kinds)


def _replacing(old: dict[str, Any], new: dict[str, Any], keys: list[str]) -> tuple[str, ...]:
    before, after = old.get("clusterIdentifier"), new.get("clusterIdentifier")
    if before and after:
        return ("clusterIdentifier",) if before != after else ()
    changed = tuple(key for key in _CHOICE if key in keys)
    if any(contains_unknown(new.get(key)) for key in changed):
        return changed
    return changed if changed and _cluster(old) != _cluster(new) else ()


def _cluster(inputs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the active cluster entry; None where the configuration cannot be read any more."""
    try:
        return active_cluster(settings_of(inputs).source)
    except (ConfigError, OSError):
        return None


def _kind(key: str, old: dict[str, Any], new: dict[str, Any], *, replace: bool) -> PropertyDiff:
    word = "add" if key not in old else "delete" if key not in new else "update"
    return PropertyDiff(DiffKind(word + "-replace" * replace), input_diff=True)


def _flag(inputs: dict[str, Any], key: str) -> bool:
    """Read a boolean, which arrives as a string."""
    value = inputs.get(key)
    if isinstance(value, bool) or value is None:
        return bool(value)
    try:
        parsed = json.loads(str(value).lower() or "false")
    except ValueError:
        parsed = None
    if not isinstance(parsed, bool):
        raise ProviderError(
            f"the provider's configuration kubernetes:{key} is {value!r}; it has to be true or false"
        )
    return parsed
