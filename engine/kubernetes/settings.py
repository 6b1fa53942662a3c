"""The configuration of a Kubernetes provider resource (`kubernetes:*` in the stack's configuration).

Every key of Pulumi's provider is honoured, refused by name, or without effect because there is nothing that
it could act on: `helmReleaseSettings` concerns Helm releases, `suppressDeprecationWarnings` warnings that are
not given, `burst` and `qps` of `kubeClientSettings` a limit on requests that only the server sets here.
"""

import json
import os
from dataclasses import dataclass, replace
from typing import Any

from engine.kubernetes.config import ConfigError, Source, active_cluster
from engine.kubernetes.refusals import unsupported
from engine.provider import CheckFailure, DiffKind, DiffResult, Properties, PropertyDiff, ProviderError
from engine.values import contains_unknown, unwrap

_CHOICE = ("kubeconfig", "context", "cluster")
_RENDER = "renderYamlToDirectory"
_ENVIRONMENT = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "suppressHelmHookWarnings": "PULUMI_K8S_SUPPRESS_HELM_HOOK_WARNINGS",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
}
"""Where a switch that is not in the configuration is looked for; as with Pulumi's provider."""


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
    render_folder: str = ""
    """Where YAML files go instead of objects to a cluster; empty: nowhere."""
    always_render: bool = False
    reject_unknown: bool = False
    """Refuse kinds that the cluster does not know yet."""
    helm_hook_warnings: bool = True


def settings_of(inputs: Properties) -> Settings:
    """Return the settings of checked provider inputs. Raises ProviderError for malformed ones."""
    plain = unwrap(inputs)
    return Settings(
        source=replace(_source(plain), timeout_seconds=_timeout(plain)),
        namespace=str(plain.get("namespace") or ""),
        patch_force=_flag(plain, "enablePatchForce"),
        config_map_mutable=_flag(plain, "enableConfigMapMutable"),
        secret_mutable=_flag(plain, "enableSecretMutable"),
        upsert=_flag(plain, "upsertExistingObjects"),
        delete_unreachable=_flag(plain, "deleteUnreachable"),
        skip_update_unreachable=_flag(plain, "skipUpdateUnreachable"),
        render_folder=str(plain.get(_RENDER) or ""),
        always_render=_flag(plain, "alwaysRender"),
        reject_unknown=_flag(plain, "rejectUnknownResources"),
        helm_hook_warnings=not _flag(plain, "suppressHelmHookWarnings"),
    )


def check_settings(urn: str, news: Properties) -> tuple[CheckFailure, ...]:
    """Return what is wrong with provider inputs, or not supported. `urn` is the provider resource's."""
    plain = unwrap(news)
    malformed = [
        CheckFailure(key, f"it has to be a string, not {type(plain[key]).__name__}")
        for key in (*_CHOICE, "namespace", _RENDER)
        if not isinstance(plain.get(key) or "", str) and not contains_unknown(plain[key])
    ]
    if malformed or contains_unknown(plain):
        return tuple(malformed)
    try:
        return (*_mode_failures(plain), *_strict_failures(urn, plain), *_render_failures(plain))
    except ProviderError as error:
        return (CheckFailure("", str(error)),)


def _mode_failures(plain: dict[str, Any]) -> list[CheckFailure]:
    settings_of(plain)  # malformed switches
    if _flag(plain, "enableServerSideApply", default=True):
        return []
    return [CheckFailure("enableServerSideApply", unsupported("applying on the client's side"))]


def _strict_failures(urn: str, plain: dict[str, Any]) -> list[CheckFailure]:
    """Return what strictMode forbids: default providers, and a cluster that is not fully named."""
    if not _flag(plain, "strictMode"):
        return []
    failures = [
        CheckFailure(key, f"strict mode needs the provider's {key} to be set")
        for key in ("kubeconfig", "context")
        if not plain.get(key)
    ]
    if urn.rpartition("::")[2].startswith("default"):
        failures.insert(0, CheckFailure("", "strict mode prohibits the default provider"))
    return failures


def _render_failures(plain: dict[str, Any]) -> list[CheckFailure]:
    if not plain.get(_RENDER):
        needs = CheckFailure("alwaysRender", f"it needs {_RENDER} to be set")
        return [needs] if _flag(plain, "alwaysRender") else []
    surroundings = os.environ.get("KUBECONFIG") or None  # what the SDK fills in by itself
    return [
        CheckFailure(key, f"it cannot be combined with {_RENDER}")
        for key in _CHOICE
        if plain.get(key) and not (key == "kubeconfig" and plain[key] == surroundings)
    ]


def diff_settings(olds: Properties, news: Properties) -> DiffResult:
    """Say whether resources survive a change of the provider's configuration.

    Only another cluster replaces (server, certificate authority, ...), never another user or token; and an
    unchanged `clusterIdentifier` means that it is the same cluster whatever else changed. So does another
    folder to render to.
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
    if before and before == after:
        return ()
    replaces = tuple(key for key in (_RENDER,) if key in keys)
    if before and after:
        replaces += ("clusterIdentifier",)
    unknown = tuple(key for key in _CHOICE if contains_unknown(new.get(key)))
    if unknown:
        return (*replaces, *unknown)
    clusters = _cluster(old), _cluster(new)
    moved = None not in clusters and clusters[0] != clusters[1]
    return (*replaces, *(key for key in _CHOICE if key in keys and moved))


def _source(inputs: dict[str, Any]) -> Source:
    kubeconfig, context, cluster = (str(inputs.get(key) or "") for key in _CHOICE)
    return Source(kubeconfig, context, cluster)


def _cluster(inputs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the active cluster entry; None where no kubeconfig is given or it cannot be read any more.

    What the surroundings say now ($KUBECONFIG) says nothing about what they said before.
    """
    if not inputs.get("kubeconfig"):
        return None
    try:
        return active_cluster(_source(inputs))
    except (ConfigError, OSError):
        return None


def _kind(key: str, old: dict[str, Any], new: dict[str, Any], *, replace: bool) -> PropertyDiff:
    kind = DiffKind.between(old, new, key)
    return PropertyDiff(kind.replacing if replace else kind, input_diff=True)


def _flag(inputs: dict[str, Any], key: str, *, default: bool = False) -> bool:
    """Read a switch, which arrives as a string; one that is not set may be in the environment."""
    value = inputs.get(key)
    if value is None:
        value = os.environ.get(_ENVIRONMENT.get(key, ""))
    if isinstance(value, bool) or value in (None, ""):
        return default if value in (None, "") else bool(value)
    try:
        parsed = json.loads(str(value).lower())
    except ValueError:
        parsed = None
    if not isinstance(parsed, bool):
        raise ProviderError(
            f"the provider's configuration kubernetes:{key} is {value!r}; it has to be true or false"
        )
    return parsed


def _timeout(inputs: dict[str, Any]) -> float | None:
    """Return kubeClientSettings.timeout: the seconds that one request may take."""
    given = inputs.get("kubeClientSettings") or "{}"
    try:
        settings = json.loads(given) if isinstance(given, str) else given
        seconds = settings.get("timeout") or os.environ.get("PULUMI_K8S_CLIENT_TIMEOUT")
        return float(seconds) if seconds else None
    except (AttributeError, TypeError, ValueError) as error:
        raise ProviderError(
            f"the provider's configuration kubernetes:kubeClientSettings is {given!r}; it has to be an "
            'object such as {"timeout": 30}, with a whole number of seconds'
        ) from error
