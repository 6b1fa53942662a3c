"""How state files are packed: not at all, by gzip or by zstd; readers tell by the first bytes."""

import gzip
import zlib
from collections.abc import Callable
from typing import Final, Literal

from engine.errors import CheckpointRefused

Compression = Literal["none", "gzip", "zstd"]
"""What Pulumi calls PULUMI_DIY_BACKEND_GZIP and PULUMI_DIY_BACKEND_ZSTD."""

EXTENSIONS: Final[dict[Compression, str]] = {"none": "", "gzip": ".gz", "zstd": ".zst"}
"""What a packed file's name ends with; where two files are equally old, the later one here counts."""

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


def pack(data: bytes, compression: Compression) -> bytes:
    """Return the content of a file that is to be packed so."""
    return _PACKERS[compression](data)


def unpack(data: bytes, place: str) -> bytes:
    """Return what a file holds, whatever its name says; CheckpointRefused if it is damaged."""
    if data.startswith(_GZIP):
        try:
            return gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise CheckpointRefused(f"{place}: the gzip-compressed file is damaged: {error}") from error
    return _unzstd(data, place) if data.startswith(_ZSTD) else data


def _unzstd(data: bytes, place: str) -> bytes:
    import zstandard  # a C extension that few backends need

    try:
        # Not in one call: the writer need not have said how much there is.
        reader = zstandard.ZstdDecompressor().decompressobj()
        found = bytes(reader.decompress(data))
    except zstandard.ZstdError as error:
        raise CheckpointRefused(f"{place}: the zstd-compressed file is damaged: {error}") from error
    if not reader.eof:
        raise CheckpointRefused(f"{place}: the zstd-compressed file is damaged: its end is missing")
    return found


def _zstd(data: bytes) -> bytes:
    import zstandard

    return bytes(zstandard.ZstdCompressor().compress(data))


_PACKERS: Final[dict[Compression, Callable[[bytes], bytes]]] = {
    "none": lambda data: data,
    "gzip": gzip.compress,
    "zstd": _zstd,
}
