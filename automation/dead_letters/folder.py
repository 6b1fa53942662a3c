"""Dead letters as files in one folder, for one machine: the local platform's store.

Each is `{"received": time, "event": CloudEvent as JSON}`, as local.eventing writes them; replays are posted
to a Broker. A lock on a file lets one process at a time go through them.
"""

import asyncio
import base64
import dataclasses
import datetime
import fcntl
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3

from automation.dead_letters.letter import PREFIX, STRUCTURED, Message, inside, keep, receive, replays_of
from automation.dead_letters.store import (
    Desk,
    DeskTaken,
    Held,
    LettersUnavailable,
    Place,
    Target,
    TargetRefuses,
    Wish,
)

_LOCK: Final = ".desk"
_SECONDS: Final = 10.0
_RETRIES: Final = 5
"""Of local Triggers' deliveries, as in a cluster; only told, in `x-death-count`."""


@dataclass(frozen=True, kw_only=True)
class FolderSettings:
    """Which folder, and where replays go."""

    folder: Path
    target_url: str
    most_replays: int
    """What was replayed so often and came back is poison."""


class FolderLetters:
    """See Letters; a letter is kept once its file is there."""

    def __init__(self, settings: FolderSettings) -> None:
        self._settings = settings

    async def put(self, message: Message) -> None:
        """See Letters."""
        now = datetime.datetime.now(datetime.UTC)
        document = {"received": now.isoformat(), "event": _event(message)}
        name = f"{now:%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}.json"
        staging = self._settings.folder / f".{name}"
        try:
            staging.write_text(json.dumps(document))
            staging.replace(self._settings.folder / name)
        except OSError as error:
            raise LettersUnavailable("the folder of dead letters cannot be written to") from error

    async def depth(self) -> int:
        """See Letters."""
        return len(letters(self._settings, Place.WAITING))

    async def poison(self) -> int:
        """See Letters."""
        return len(letters(self._settings, Place.POISON))

    async def check(self) -> None:
        """See Letters."""
        if not self._settings.folder.is_dir():
            raise LettersUnavailable("the folder of dead letters is not there")

    async def close(self) -> None:
        """See Letters."""


class FolderDesks:
    """See Desks."""

    def __init__(self, settings: FolderSettings) -> None:
        self._settings = settings
        self._http = urllib3.PoolManager(timeout=_SECONDS, retries=False)

    @asynccontextmanager
    async def sit_down(self, place: Place) -> AsyncIterator[Desk]:
        """See Desks."""
        try:
            lock = (self._settings.folder / _LOCK).open("w")
        except OSError as error:
            raise LettersUnavailable("the folder of dead letters is out of reach") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DeskTaken("somebody else goes through the dead letters; try again") from None
            yield FolderDesk(self._settings, place, self._http)


class FolderDesk:
    """See Desk: a letter that is not taken away was never away."""

    def __init__(self, settings: FolderSettings, place: Place, http: urllib3.PoolManager) -> None:
        self._settings = settings
        self._place = place
        self._http = http

    async def look(self, wish: Callable[[Message], Wish]) -> tuple[list[Held], bool]:
        """See Desk."""
        held = []
        for path, message in letters(self._settings, self._place).items():
            match wish(message):
                case Wish.HOLD:
                    held.append(Held(message=message, receipt=path))
                case Wish.STOP:
                    return held, False
        return held, True

    async def target(self) -> Target:
        """See Desk; a Broker says neither, and takes what it is sent."""
        return Target(waiting=0, takers=1)

    async def send(self, held: Held, message: Message) -> None:
        """See Desk."""
        await asyncio.to_thread(self._post, message.body)
        await self.drop(held)

    async def drop(self, held: Held) -> None:
        """See Desk."""
        held.receipt.unlink(missing_ok=True)

    def _post(self, body: bytes) -> None:
        headers = {"content-type": STRUCTURED}
        try:
            answer = self._http.request("POST", self._settings.target_url, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise TargetRefuses(f"the broker did not answer: {error}") from error
        if answer.status >= 300:
            said = answer.data[:200].decode(errors="replace")
            raise TargetRefuses(f"the broker answered {answer.status}: {said}")


def letters(settings: FolderSettings, place: Place) -> dict[Path, Message]:
    """Return the letters of one place by their files, the oldest first. Raises LettersUnavailable."""
    found = {}
    try:
        for path in sorted(settings.folder.glob("[!.]*.json")):
            message = _message(json.loads(path.read_bytes()))
            is_poison = replays_of(inside(message.body)) >= settings.most_replays
            if is_poison == (place is Place.POISON):
                found[path] = message
    except (OSError, ValueError) as error:
        raise LettersUnavailable("the folder of dead letters cannot be read") from error
    return found


def _message(document: dict[str, Any]) -> Message:
    letter = receive([("content-type", STRUCTURED)], json.dumps(document["event"]).encode())
    now = datetime.datetime.fromisoformat(document["received"])
    kept = keep(letter, retries=_RETRIES, most_replays=1, now=now)
    return dataclasses.replace(kept, timestamp=now)


def _event(message: Message) -> dict[str, Any]:
    if (message.content_type or "").lower().startswith(STRUCTURED):
        event: dict[str, Any] = json.loads(message.body)
        return event
    attributes = {
        name.removeprefix(PREFIX): value for name, value in message.headers.items() if name.startswith(PREFIX)
    }
    if message.content_type:
        attributes["datacontenttype"] = message.content_type
    return {**attributes, "data_base64": base64.b64encode(message.body).decode()}
