"""The build context: fetched and unpacked into a folder, or used where it is."""

import sys
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from local.builder.errors import BuildError

_MAX_MEMBERS = 100_000
_MAX_UNPACKED_BYTES = 4 << 30
"""Security limits of a context archive: a small file must not fill the disk."""


def open_context(location: str, sub_path: str, work: Path, environ: Mapping[str, str]) -> Path:
    """Return the folder of the context; archives are unpacked below `work`. Raises BuildError.

    `environ` gives the S3 settings as Kaniko documents them: AWS_REGION, AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY (or any other source of botocore's), S3_ENDPOINT, S3_FORCE_PATH_STYLE.
    """
    scheme, separator, rest = location.partition("://")
    if not separator:
        scheme, rest = "dir", location
    if scheme == "s3":
        folder = _from_s3(rest, work, environ)
    elif scheme == "tar":
        folder = _from_tar(rest, work)
    elif scheme == "dir":
        folder = Path(rest)
    else:
        raise _failure(f"unknown build context prefix {scheme}://; use one of s3://, tar://, dir://")
    return _checked(folder, sub_path)


def _checked(folder: Path, sub_path: str) -> Path:
    chosen = (folder / sub_path).resolve()
    if not chosen.is_relative_to(folder.resolve()):
        raise _failure(f"--context-sub-path {sub_path!r} leads out of the context")
    if not chosen.is_dir():
        raise _failure(f"{sub_path or folder} is not a folder")
    return chosen


def _from_s3(location: str, work: Path, environ: Mapping[str, str]) -> Path:
    bucket, _, key = location.partition("/")
    if not bucket or not key:
        raise _failure(f"s3://{location} has no bucket and key; expected s3://bucket/path/context.tar.gz")
    # botocore, not boto3: it is the same client without what takes twice the time to import. And here, not
    # above: other contexts need neither.
    import botocore.exceptions

    try:
        answer = _s3_client(environ).get_object(Bucket=bucket, Key=key)
        with answer["Body"] as body:
            return _unpack(body, work)
    except botocore.exceptions.ClientError as error:
        detail, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise _failure(
            f"failed to get s3://{location}: {detail['Code']}: {detail.get('Message', '')}, status code:"
            f" {status}"
        ) from error
    except botocore.exceptions.BotoCoreError as error:
        raise _failure(f"failed to get s3://{location}: {error}") from error


def _s3_client(environ: Mapping[str, str]) -> Any:
    import botocore.config
    import botocore.session

    path_style = environ.get("S3_FORCE_PATH_STYLE", "").lower() in ("1", "t", "true")
    return botocore.session.Session().create_client(
        "s3",
        region_name=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        endpoint_url=environ.get("S3_ENDPOINT") or None,
        config=botocore.config.Config(
            s3={"addressing_style": "path" if path_style else "auto"}, retries={"mode": "standard"}
        ),
    )


def _from_tar(location: str, work: Path) -> Path:
    if location == "stdin":
        return _unpack(sys.stdin.buffer, work)
    try:
        with open(location, "rb") as file:
            return _unpack(file, work)
    except OSError as error:
        raise _failure(f"failed to open tar://{location}: {error.strerror}") from error


def _unpack(stream: IO[bytes], work: Path) -> Path:
    """Unpack the archive as it arrives, with tarfile's `data` filter: nothing lands outside of the folder."""
    if not hasattr(tarfile, "data_filter"):
        raise _failure("this Python cannot unpack archives safely; use 3.11.4 or a newer one")
    folder = work / "context"
    folder.mkdir()
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            size = 0
            for count, member in enumerate(archive, 1):
                size += member.size
                if count > _MAX_MEMBERS or size > _MAX_UNPACKED_BYTES:
                    raise _failure(
                        f"the archive has over {_MAX_MEMBERS} members or {_MAX_UNPACKED_BYTES} bytes"
                    )
                archive.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise _failure(f"failed to unpack the archive: {error}") from error
    return folder


def _failure(problem: str) -> BuildError:
    return BuildError(f"error resolving source context: {problem}")
