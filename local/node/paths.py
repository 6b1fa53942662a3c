"""Path translation: what a container's mount namespace would do, done to the strings that it is started with.

Containers here are processes that see the machine's own files. So each path in a command, an argument or
the value of an environment variable that lies in a volume, or that the image holds, is replaced by the real
one. A program that has such a path built in is out of reach. Pure but for asking whether a file exists.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

_PATH = re.compile(r"(?<![A-Za-z0-9._~/-])/[^\s:;,=\"'<>|&()]*")
"""An absolute path inside a longer text: after `=`, `:` or a quote, but not inside a word or a URL."""


class PathMap:
    """Where the paths that one container sees are on this machine.

    `mounts` are absolute paths in the container and the real ones; `rootfs` is the image's `/`.
    """

    def __init__(self, mounts: Mapping[str, Path], rootfs: Path) -> None:
        trimmed = {path.rstrip("/"): real for path, real in mounts.items()}
        self._mounts = sorted(trimmed.items(), key=lambda mount: len(mount[0]), reverse=True)
        self._rootfs = rootfs

    def translate(self, text: str) -> str:
        """Return a text of the pod spec with every known path replaced; all else stays as it is."""
        if "/" not in text:
            return text
        return _PATH.sub(lambda match: _like(match[0], self.locate(match[0])), text)

    def translate_image(self, text: str) -> str:
        """Return a text of the image's configuration with every known path replaced.

        Images that stand for programs of this machine name real paths, which may look like ones of a volume.
        """
        if "/" not in text:
            return text
        return _PATH.sub(lambda match: self._locate_image(match[0]), text)

    def locate(self, path: str) -> Path | None:
        """Return the real path of an absolute one; None if it is in no volume and not in the image."""
        return self._in_volume(path) or self._in_image(path)

    def _locate_image(self, path: str) -> str:
        is_mount = any(path == mount for mount, _ in self._mounts)
        if not is_mount and (inside := self._in_image(path)) is not None:
            return _like(path, inside)
        return path if not is_mount and os.path.exists(path) else _like(path, self._in_volume(path))

    def _in_volume(self, path: str) -> Path | None:
        for mount, real in self._mounts:
            if path == mount or path.startswith(f"{mount}/"):
                return Path(f"{real}{path[len(mount) :]}")
        return None

    def _in_image(self, path: str) -> Path | None:
        if path.startswith("//") or not path.strip("/"):
            return None
        inside = self._rootfs / path.lstrip("/")
        return inside if inside.exists() else None


def _like(path: str, real: Path | None) -> str:
    """Return the real path as text, with the slash at its end that the original has."""
    if real is None:
        return path
    return f"{real}/" if path.endswith("/") else str(real)
