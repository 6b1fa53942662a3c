"""Hashes of assets and archives, by which the engine tells whether a file's content changed.

The hash of an asset is the sha256 of its bytes; the hash of an archive of assets is the sha256 of a tar
stream of its members, sorted by name, with fixed modes and times. Both equal what Pulumi computes.
"""

import dataclasses
import hashlib
import io
import tarfile
from pathlib import Path
from typing import TypeVar

from engine.errors import Unsupported
from engine.values import Archive, Asset

AssetOrArchive = TypeVar("AssetOrArchive", bound=Asset | Archive)


def with_hash(value: AssetOrArchive) -> AssetOrArchive:
    """Return the asset or archive with its hash filled in. Reads files; Unsupported for remote ones."""
    if value.hash:
        return value
    return dataclasses.replace(value, hash=hashlib.sha256(_content(value)).hexdigest())


def _content(value: Asset | Archive) -> bytes:
    if value.uri is not None:
        raise Unsupported(f"the asset at {value.uri!r}: remote assets are not supported; use a file or text")
    if isinstance(value, Archive) and value.assets is not None:
        return _tar(dict(_members(value)))
    if value.path is not None:
        return _file(value)
    return (value.text or "").encode() if isinstance(value, Asset) else b""


def _file(value: Asset | Archive) -> bytes:
    path = Path(value.path or "")
    if isinstance(value, Archive) and path.is_dir():
        return _tar(
            {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
        )
    return path.read_bytes()


def _members(archive: Archive, prefix: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for name, member in (archive.assets or {}).items():
        if isinstance(member, Archive):
            found += _members(member, f"{prefix}{name}/")
        else:
            found.append((prefix + name, _content(member)))
    return found


def _tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    # Two zero blocks and no further padding end the stream, as Go's tar writer does.
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(members):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(members[name]), 0o600
            tar.addfile(info, io.BytesIO(members[name]))
        end = tar.offset
    return stream.getvalue()[: end + 2 * tarfile.BLOCKSIZE]
