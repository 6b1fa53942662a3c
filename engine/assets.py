"""Hashes of assets and archives, by which the engine tells whether a file's content changed.

The hash of an asset is the sha256 of its bytes, and so is that of an archive which is a file already. Any
other archive is hashed as the tar stream that Pulumi makes of its members: by name in the order of each
folder, with fixed modes and times (`engine.tar`). All equal what Pulumi computes, so that nothing is updated
when either goes on where the other stopped.
"""

import dataclasses
import hashlib
import io
import os
import posixpath
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from engine import tar
from engine.errors import Unsupported
from engine.values import Archive, Asset

AssetOrArchive = TypeVar("AssetOrArchive", bound=Asset | Archive)
Member = tuple[str, bytes]

_TARS: Final = (".tar", ".tgz", ".tar.gz")
_ZIPS: Final = (".zip", ".jar")
_BOOKKEEPING: Final = ".pulumi"
"""What Pulumi leaves out of archives of folders."""


def with_hash(value: AssetOrArchive) -> AssetOrArchive:
    """Return the asset or archive with its hash filled in.

    Reads files. Unsupported for remote ones; ValueError for what is not there, or is no file or folder as it
    should be.
    """
    if value.hash:
        return value
    try:
        content = _bytes(value) if isinstance(value, Asset) else _archive(value)
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"cannot read the {type(value).__name__.lower()} at {_place(value)}: {error}"
        ) from error
    return dataclasses.replace(value, hash=hashlib.sha256(content).hexdigest())


def _bytes(asset: Asset) -> bytes:
    path = _path(asset)
    if path is None:
        return (asset.text or "").encode()
    if path.is_dir():
        raise ValueError(f"asset path {str(path)!r} is a directory; try using an archive")
    return path.read_bytes()


def _archive(archive: Archive) -> bytes:
    path = _path(archive)
    if path is not None and path.name.endswith((*_TARS, *_ZIPS)):
        return path.read_bytes()
    return tar.stream(_members(archive))


def _members(archive: Archive) -> Iterator[Member]:
    """Yield names and contents in the order in which Pulumi writes them."""
    path = _path(archive)
    if path is None:
        for name, member in sorted((archive.assets or {}).items()):
            if isinstance(member, Asset):
                yield name, _bytes(member)
            else:
                # A plain join would let a member's name that begins with "/" stand alone.
                yield from ((posixpath.normpath(f"{name}/{inner}"), data) for inner, data in _members(member))
    elif path.name.endswith(_TARS):
        yield from _of_tar(path)
    elif path.name.endswith(_ZIPS):
        yield from _of_zip(path)
    elif path.is_dir():
        yield from _of_folder(path, "")
    else:
        raise ValueError(f"{str(path)!r} is neither a recognized archive type nor a directory")


def _of_folder(folder: Path, prefix: str) -> Iterator[Member]:
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if name == _BOOKKEEPING:
            continue
        if path.is_dir():
            if not path.is_symlink():
                yield from _of_folder(path, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", path.read_bytes()


def _of_tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path) as stream:
        for member in stream:
            file = stream.extractfile(member) if member.isreg() else None
            if file is not None:
                yield posixpath.normpath(member.name), file.read()


def _of_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as stream:
        for entry in stream.infolist():
            if not entry.is_dir():
                yield posixpath.normpath(entry.filename), stream.read(entry)


def _path(value: Asset | Archive) -> Path | None:
    """Return the file or folder that is meant; None if the value holds its content itself."""
    if value.uri:
        parts = urlsplit(value.uri)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            kind = type(value).__name__.lower()
            raise Unsupported(
                f"the {kind} at {value.uri!r}: remote assets are not supported; use a file or text"
            )
        return Path(unquote(parts.path))
    return Path(value.path) if value.path else None


def _place(value: Asset | Archive) -> str:
    return repr(value.path or value.uri)
