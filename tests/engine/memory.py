"""A backend in memory that can die: at its n-th change, or when it is told to."""

import threading

from engine import BackendError

Files = dict[str, bytes]

POWER = "the power went out"


class MemoryBackend:
    """Keeps files in a dictionary, which may outlive it. After `changes` changes, if given, nothing works."""

    url = "memory://"

    def __init__(self, files: Files, changes: int | None = None) -> None:
        self.files = files
        self.died = False
        self._left = changes
        self._lock = threading.Lock()

    def die(self) -> None:
        """Take no change from now on."""
        self.died = True

    def read(self, key: str) -> bytes | None:
        return self.files.get(key)

    def write(self, key: str, data: bytes, *, durable: bool = True, forced: bool = True) -> None:
        self._change()
        self.files[key] = data

    def create(self, key: str, data: bytes) -> None:
        self._change()
        self.files[key] = data

    def copy(self, source: str, target: str) -> None:
        self._change()
        if source in self.files:
            self.files[target] = self.files[source]

    def delete(self, key: str) -> None:
        self._change()
        self.files.pop(key, None)

    def list(self, folder: str) -> list[str]:
        inside = [key.removeprefix(f"{folder}/") for key in list(self.files) if key.startswith(f"{folder}/")]
        return sorted({key.split("/")[0] for key in inside})

    def modified(self, *keys: str) -> dict[str, float]:
        return {key: 0.0 for key in keys if key in self.files}

    def touch(self, key: str, *, durable: bool = False) -> bool:
        self._change()
        return key in self.files

    def age(self, key: str) -> float | None:
        return 0.0 if key in self.files else None

    def _change(self) -> None:
        with self._lock:
            if self._left is not None:
                self._left -= 1
                self.died = self.died or self._left < 0
            if self.died:
                raise BackendError(POWER)
