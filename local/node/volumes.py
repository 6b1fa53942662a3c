"""Makes the volumes of a pod as folders of this machine, one for each, below the pod's own folder."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from local.apiserver.kinds import CONFIGMAP, SECRET, Kind
from local.node.environment import ConfigError, Lookup, decoded, field
from local.node.objects import Json

MintToken = Callable[[], str]
"""Returns a new token of the pod's service account, bound to the pod."""

_KINDS = {"configMap": CONFIGMAP, "secret": SECRET}
_SUPPORTED = "emptyDir, configMap, secret, downwardAPI, projected"


class VolumeError(ConfigError):
    """A volume cannot be made as things are; the text is the kubelet's."""


def make_volume(volume: Json, pod: Json, folder: Path, lookup: Lookup, mint: MintToken) -> None:
    """Make one volume at `folder`, anew if it is there. Raises VolumeError and leaves nothing behind."""
    source = next((name for name in volume if name != "name"), "emptyDir")
    if source != "emptyDir" and source != "projected" and source not in (*_KINDS, "downwardAPI"):
        raise VolumeError(f"volume {volume['name']!r}: {source} is not supported here; allowed: {_SUPPORTED}")
    sources = (
        volume[source].get("sources", []) if source == "projected" else [{source: volume.get(source) or {}}]
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in sources:
            for path, data in _files(part, pod, lookup, mint):
                _write(folder, path, data, _mode(volume.get(source) or {}))
    except ConfigError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise VolumeError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from error


def _mode(source: Json) -> int:
    return int(source.get("defaultMode", 0o644))


def _files(part: Json, pod: Json, lookup: Lookup, mint: MintToken) -> Iterator[tuple[str, bytes]]:
    ((kind, source),) = part.items()
    if kind == "serviceAccountToken":
        yield source["path"], mint().encode()
    elif kind == "downwardAPI":
        for item in source.get("items", ()):
            yield item["path"], field(pod, item["fieldRef"]["fieldPath"]).encode()
    elif kind in _KINDS:
        yield from _object_files(_KINDS[kind], source, lookup)
    elif kind != "emptyDir":
        raise ConfigError(f"a projected volume of {kind!r} is not supported here")


def _object_files(kind: Kind, source: Json, lookup: Lookup) -> Iterable[tuple[str, bytes]]:
    name = source.get("name") or source.get("secretName") or ""
    obj = lookup(kind, name)
    if obj is None:
        if source.get("optional"):
            return []
        raise ConfigError(f'{kind.singular} "{name}" not found')
    content = dict(decoded(kind, obj))
    items = source.get("items")
    if not items:
        return content.items()
    missing = [item["key"] for item in items if item["key"] not in content]
    if missing and not source.get("optional"):
        raise ConfigError(f"references non-existent config key: {missing[0]}")
    return [(item["path"], content[item["key"]]) for item in items if item["key"] in content]


def _write(folder: Path, path: str, data: bytes, mode: int) -> None:
    target = folder / path
    if not target.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"path {path!r} leaves the volume")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(mode)
