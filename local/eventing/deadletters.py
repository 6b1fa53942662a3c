"""The built-in dead letter store: a JSON file for each event that nobody took."""

import datetime
import itertools
import json
import os
from pathlib import Path
from typing import Any

from local.eventing.cloudevents import Event, to_document

_MAX_FILES = 10_000
"""The oldest go when there are more."""


class DeadLetters:
    """Files `<time>-<n>.json` in one folder, each `{"received": time, "event": CloudEvent as JSON}`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, event: Event) -> None:
        """Keep an event. Raises OSError."""
        now = datetime.datetime.now(datetime.UTC)
        name = f"{now:%Y%m%dT%H%M%S.%f}-{next(self._numbers):06d}.json"
        document = {"received": now.isoformat().replace("+00:00", "Z"), "event": to_document(event)}
        staging = self._folder / f".{name}"
        staging.write_text(json.dumps(document, indent=1))
        staging.replace(self._folder / name)
        for surplus in self._names()[:-_MAX_FILES]:
            (self._folder / surplus).unlink(missing_ok=True)

    def documents(self) -> list[dict[str, Any]]:
        """Return all documents, the oldest first."""
        return [json.loads((self._folder / name).read_bytes()) for name in self._names()]

    def _names(self) -> list[str]:
        return sorted(name for name in os.listdir(self._folder) if name.endswith(".json") and name[0] != ".")
