"""Memory for letters: so many bytes at one time, given out in the order of asking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """Bytes that letters may take up; one event loop's."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._free_bytes = size_bytes
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def of(self, wanted_bytes: int) -> AsyncIterator[None]:
        """Wait for so many bytes (all, where more are wanted than there are) and hold them.

        Whoever waits first goes first: small letters do not keep a large one out.
        """
        taken = min(wanted_bytes, self._size_bytes)
        async with self._turn:
            while self._free_bytes < taken:
                self._freed.clear()
                await self._freed.wait()
            self._free_bytes -= taken
        try:
            yield
        finally:
            self._free_bytes += taken
            self._freed.set()
