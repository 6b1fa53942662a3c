"""The machine's image store: what a registry and a container engine's image cache would be.

Images are folders, addressed by a digest over their content; tags are small files. Several processes (the
platform, its node, any number of builders) use one store at once without locks: everything appears by an
atomic rename, so nobody ever sees half an image or half a tag. It knows nothing of Dockerfiles or pods.

    <root>/images/<64 hex>/rootfs/        the files, `rootfs` standing for `/`
    <root>/images/<64 hex>/config.json    the ImageConfig
    <root>/images/<64 hex>/manifest.json  what the digest is the SHA-256 of
    <root>/tags/<quoted repo:tag>         the digest
    <root>/tmp/                           images that are being added or removed

Departures from a registry: an image is found by digest under every repository name, and there are no layers.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REPOSITORY = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MAX_REFERENCE = 200
"""Characters of repository and tag together, so that the quoted form is a file name everywhere."""


class ImageError(Exception):
    """Root of the store's errors."""


class ImageNotFound(ImageError):
    """No image under that reference or digest."""


class InvalidReference(ImageError, ValueError):
    """The text is no image reference."""


class InvalidRootfs(ImageError, ValueError):
    """The folder cannot become an image: it is missing, or holds a device, socket or pipe."""


@dataclass(frozen=True)
class ImageConfig:
    """How a container of the image starts; the fields are those of the OCI image configuration."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    """Absolute, inside the image."""
    user: str = ""
    """`uid`, `uid:gid` or a name; empty: root."""
    exposed_ports: tuple[str, ...] = ()
    """Such as `8080/tcp`."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """A stored image. `rootfs` is the folder that stands for `/`; it is shared, do not write to it."""

    digest: str
    config: ImageConfig
    rootfs: Path


@dataclass(frozen=True)
class ImageSummary:
    """One line of a listing; `references` are the `repo:tag` names that point to the image now."""

    digest: str
    references: tuple[str, ...]
    created: float
    """Seconds since the epoch."""


@dataclass(frozen=True)
class Reference:
    """A parsed image reference. At least one of `tag` and `digest` is set; the digest decides."""

    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Parse `repo`, `repo:tag`, `repo@sha256:…` or `repo:tag@sha256:…`; raises InvalidReference."""
        name, at, digest = text.partition("@")
        if at and not DIGEST.fullmatch(digest):
            raise InvalidReference(f"{text!r} has no digest of the form sha256:<64 hex digits> after its '@'")
        repository, tag = _split_tag(name, default=None if at else "latest")
        if len(name) > _MAX_REFERENCE or not _REPOSITORY.fullmatch(repository):
            raise InvalidReference(f"{text!r} is no image reference: {_ALLOWED}")
        if tag is not None and not _TAG.fullmatch(tag):
            raise InvalidReference(f"{text!r} has no valid tag: {_ALLOWED}")
        return cls(repository, tag, digest or None)

    @property
    def tagged(self) -> str:
        """`repo:tag`; only for a reference with a tag."""
        return f"{self.repository}:{self.tag}"


def _split_tag(name: str, default: str | None) -> tuple[str, str | None]:
    # A colon that has a slash after it belongs to the registry's port.
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, default)


_ALLOWED = "expected [host[:port]/]path[:tag][@sha256:…], the path in lower case, 200 characters at most"


def digest_of(rootfs: Path, config: ImageConfig) -> str:
    """Return the digest that the image would have; raises InvalidRootfs."""
    return f"sha256:{hashlib.sha256(_manifest(rootfs, config)).hexdigest()}"


class ImageStore:
    """Images in one folder. All methods are synchronous, safe to call from any thread or process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._images = root / "images"
        self._tags = root / "tags"
        self._tmp = root / "tmp"
        for folder in (self._images, self._tags, self._tmp):
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, rootfs: Path, config: ImageConfig) -> str:
        """Take the folder into the store (moved, or removed when its content is there) and return the digest.

        Raises InvalidRootfs and leaves the folder alone if it cannot be an image.
        """
        manifest = _manifest(rootfs, config)
        digest = hashlib.sha256(manifest).hexdigest()
        staging = Path(tempfile.mkdtemp(prefix="add-", dir=self._tmp))
        try:
            (staging / "manifest.json").write_bytes(manifest)
            (staging / "config.json").write_text(json.dumps(asdict(config)))
            shutil.move(rootfs, staging / "rootfs")
            staging.chmod(0o755)
            _rename_unless_present(staging, self._images / digest)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return f"sha256:{digest}"

    def register_builtin(self, reference: str, config: ImageConfig) -> str:
        """Tag an image without files, which stands for programs of this machine, and return its digest."""
        with tempfile.TemporaryDirectory(prefix="builtin-", dir=self._tmp) as folder:
            rootfs = Path(folder, "rootfs")
            rootfs.mkdir(mode=0o755)
            digest = self.add(rootfs, config)
        self.tag(reference, digest)
        return digest

    def tag(self, reference: str, digest: str) -> None:
        """Let `repo[:tag]` point to a stored image from now on; raises ImageNotFound, InvalidReference."""
        parsed = Reference.parse(reference)
        if parsed.tag is None or parsed.digest is not None:
            raise InvalidReference(f"{reference!r} cannot be a tag: it names a digest; expected repo:tag")
        self._read(digest)
        handle, name = tempfile.mkstemp(prefix="tag-", dir=self._tmp)
        with os.fdopen(handle, "w") as file:
            file.write(digest)
        os.replace(name, self._tag_file(parsed))

    def resolve(self, reference: str) -> Image:
        """Return the image of `repo[:tag]`, `repo@sha256:…`, `repo:tag@sha256:…` or a bare `sha256:…`.

        Raises ImageNotFound, or InvalidReference.
        """
        return self._read(self._digest_of(reference), wanted=reference)

    def list(self) -> tuple[ImageSummary, ...]:
        """Return all images, the oldest first."""
        references = self._references()
        summaries = []
        for folder in self._images.iterdir():
            with contextlib.suppress(FileNotFoundError):
                digest = f"sha256:{folder.name}"
                created = (folder / "config.json").stat().st_mtime
                summaries.append(ImageSummary(digest, tuple(sorted(references.get(digest, ()))), created))
        return tuple(sorted(summaries, key=lambda summary: (summary.created, summary.digest)))

    def remove(self, reference: str) -> None:
        """Remove a tag (the image stays until `collect_garbage`), or by digest an image with all its tags.

        Raises ImageNotFound, InvalidReference.
        """
        digest = self._digest_of(reference)
        if "@" not in reference and not DIGEST.fullmatch(reference):
            self._tag_file(Reference.parse(reference)).unlink(missing_ok=True)
            return
        self._read(digest, wanted=reference)
        for tagged in self._references().get(digest, ()):
            self._tag_file(Reference.parse(tagged)).unlink(missing_ok=True)
        self._discard(digest)

    def collect_garbage(
        self, *, in_use: Collection[str] = (), min_age_seconds: float = 3600.0
    ) -> tuple[str, ...]:
        """Remove untagged images and leftovers of killed processes; returns the digests that went.

        Kept are digests in `in_use`, and whatever is younger than `min_age_seconds`: a builder may be between
        adding and tagging it.
        """
        horizon = time.time() - min_age_seconds
        garbage = [
            summary.digest
            for summary in self.list()
            if not summary.references and summary.digest not in in_use and summary.created <= horizon
        ]
        for digest in garbage:
            self._discard(digest)
        for leftover in self._tmp.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if leftover.stat().st_mtime <= horizon:
                    _erase(leftover)
        return tuple(garbage)

    def _digest_of(self, reference: str) -> str:
        if DIGEST.fullmatch(reference):
            return reference
        parsed = Reference.parse(reference)
        if parsed.digest is not None:
            return parsed.digest
        try:
            return self._tag_file(parsed).read_text()
        except FileNotFoundError:
            raise ImageNotFound(f"no image {parsed.tagged!r} in the local store; build it first") from None

    def _read(self, digest: str, *, wanted: str = "") -> Image:
        if not DIGEST.fullmatch(digest):
            raise InvalidReference(f"{digest!r} is no digest: expected sha256:<64 hex digits>")
        folder = self._images / digest.removeprefix("sha256:")
        try:
            document = json.loads((folder / "config.json").read_bytes())
        except FileNotFoundError:
            raise ImageNotFound(f"no image {wanted or digest!r} in the local store; build it first") from None
        return Image(digest, _config(document), folder / "rootfs")

    def _tag_file(self, reference: Reference) -> Path:
        return self._tags / quote(reference.tagged, safe="")

    def _references(self) -> dict[str, set[str]]:
        references: dict[str, set[str]] = {}
        for file in self._tags.iterdir():
            with contextlib.suppress(FileNotFoundError):
                references.setdefault(file.read_text(), set()).add(unquote(file.name))
        return references

    def _discard(self, digest: str) -> None:
        # Renamed first, so that nobody can resolve an image that is half removed.
        grave = Path(tempfile.mkdtemp(prefix="remove-", dir=self._tmp))
        with contextlib.suppress(FileNotFoundError):
            (self._images / digest.removeprefix("sha256:")).rename(grave / "image")
        _erase(grave)


def _rename_unless_present(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


def _config(document: dict[str, Any]) -> ImageConfig:
    sequences = {key: tuple(document[key]) for key in ("entrypoint", "cmd", "exposed_ports")}
    return ImageConfig(**{**document, **sequences})


def _manifest(rootfs: Path, config: ImageConfig) -> bytes:
    """Return the canonical JSON of configuration and files: same content and modes, same bytes."""
    if not rootfs.is_dir():
        raise InvalidRootfs(f"{rootfs} is no folder")
    entries = sorted(_entries(rootfs), key=lambda entry: str(entry["path"]))
    return json.dumps({"config": asdict(config), "files": entries}, sort_keys=True, indent=0).encode()


def _entries(rootfs: Path) -> Iterator[dict[str, str | int]]:
    pending = [str(rootfs)]
    base = len(pending[0]) + 1
    while pending:
        with os.scandir(pending.pop()) as found:
            for entry in found:
                yield _entry(entry, entry.path[base:])
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)


def _entry(entry: os.DirEntry[str], path: str) -> dict[str, str | int]:
    status = entry.stat(follow_symlinks=False)
    described: dict[str, str | int] = {"path": path}
    if stat.S_ISLNK(status.st_mode):
        return described | {"link": os.readlink(entry.path)}
    described["mode"] = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return described
    if not stat.S_ISREG(status.st_mode):
        raise InvalidRootfs(f"{path!r} is a device, socket or pipe; an image holds files, folders and links")
    return described | {"sha256": _sha256(entry.path)}


def _sha256(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _erase(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
