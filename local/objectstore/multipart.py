"""Multipart uploads under way: a folder each, so that they survive a restart of the server."""

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.objectstore.errors import S3Error
from local.objectstore.storage import Meta, Storage

_ID = re.compile(r"[0-9a-f]{32}")
_COPY_BYTES = 1 << 20


class Uploads:
    """The uploads of one storage. Synchronous; `complete` copies all parts."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def create(self, bucket: str, key: str, headers: Mapping[str, str]) -> str:
        """Begin an upload and return its id; `headers` are those the finished object answers with."""
        self._storage.bucket(bucket)
        upload_id = uuid.uuid4().hex
        folder = self._storage.uploads / upload_id
        folder.mkdir()
        (folder / "upload.json").write_text(
            json.dumps({"bucket": bucket, "key": key, "headers": dict(headers)})
        )
        return upload_id

    def add_part(self, bucket: str, key: str, upload_id: str, number: int, staged: Path, etag: str) -> None:
        """Take the staged file as a part; a part sent again replaces the earlier one. Raises NoSuchUpload."""
        folder, _ = self._find(bucket, key, upload_id)
        (folder / f"{number}.etag").write_text(etag)
        staged.rename(folder / f"{number}.part")

    def complete(self, bucket: str, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> str:
        """Join the parts to the object and return its ETag. Raises NoSuchUpload, InvalidPart, KeyConflict."""
        folder, headers = self._find(bucket, key, upload_id)
        for number, etag in parts:
            if _etag_of(folder, number) != etag:
                raise S3Error("InvalidPart", f"part {number} with ETag {etag[:64]!r} was not uploaded")
        joined = hashlib.md5(b"".join(bytes.fromhex(etag) for _, etag in parts), usedforsecurity=False)
        meta = Meta(f"{joined.hexdigest()}-{len(parts)}", headers)
        with self._storage.staging() as staged:
            with staged.open("wb") as target:
                for number, _ in parts:
                    with (folder / f"{number}.part").open("rb") as part:
                        shutil.copyfileobj(part, target, _COPY_BYTES)
            self._storage.put(bucket, key, staged, meta)
        shutil.rmtree(folder)
        return meta.etag

    def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Drop an upload with its parts. Raises NoSuchUpload."""
        shutil.rmtree(self._find(bucket, key, upload_id)[0])

    def _find(self, bucket: str, key: str, upload_id: str) -> tuple[Path, dict[str, str]]:
        folder = self._storage.uploads / upload_id
        try:
            document = json.loads((folder / "upload.json").read_bytes()) if _ID.fullmatch(upload_id) else {}
        except FileNotFoundError:
            document = {}
        if (document.get("bucket"), document.get("key")) != (bucket, key):
            raise S3Error(
                "NoSuchUpload", f"there is no upload {upload_id[:64]!r} of {key!r}; begin a new one"
            )
        return folder, document["headers"]


def _etag_of(folder: Path, number: int) -> str | None:
    try:
        return (folder / f"{number}.etag").read_text()
    except FileNotFoundError:
        return None
