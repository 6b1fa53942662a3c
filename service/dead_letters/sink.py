"""The sink itself: a letter is kept for certain, or its sender is told to come back. No web framework."""

import asyncio
import datetime
import math
import time
from typing import Final

from automation.dead_letters.letter import Letter, Message, keep
from automation.dead_letters.store import Letters, LettersFull, LettersUnavailable
from automation.errors import DependencyUnavailable
from service.dead_letters.metrics import Metrics

FIRST_WAIT_SECONDS: Final = 0.2
LONGEST_WAIT_SECONDS: Final = 3.0


class Sink:
    """Keeps letters; tries again for a while before it refuses one."""

    def __init__(
        self, letters: Letters, metrics: Metrics, *, retries: int, most_replays: int, patience_seconds: float
    ) -> None:
        self._letters = letters
        self._metrics = metrics
        self._retries = retries
        self._most_replays = most_replays
        self._patience_seconds = patience_seconds

    async def take(self, letter: Letter) -> None:
        """Return once the letter is kept. Raises LettersFull or LettersUnavailable when patience ends."""
        now = datetime.datetime.now(datetime.UTC)
        await self._put(keep(letter, retries=self._retries, most_replays=self._most_replays, now=now))
        if letter.replays >= self._most_replays:
            self._metrics.poison.inc()
        self._metrics.count_letter(letter.reason, letter.cause, letter.age_seconds(now))

    async def _put(self, message: Message) -> None:
        deadline = time.monotonic() + self._patience_seconds
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                return await self._letters.put(message)
            except (LettersFull, LettersUnavailable):
                if time.monotonic() + wait > deadline:
                    raise
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def depths(self) -> tuple[float, float]:
        """Return how many letters wait, and how many are poison; NaN where the store cannot say."""
        try:
            return await self._letters.depth(), await self._letters.poison()
        except DependencyUnavailable:
            return math.nan, math.nan
