"""The event loop of one program's run, which hands blocking calls to the engine's threads."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent import futures
from functools import partial
from typing import Any, TypeVarTuple, Unpack

from engine.threads import Executor

Arguments = TypeVarTuple("Arguments")


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose default executor is one of the engine's.

    The SDK makes nine blocking calls in an update of a function. asyncio has two futures for each, with locks
    and callbacks that tie them together; here there is one, which saves a third of what a call costs.
    """

    def __init__(self, threads: Executor) -> None:
        super().__init__()
        self._threads = threads

    def run_in_executor(
        self,
        executor: futures.Executor | None,
        func: Callable[[Unpack[Arguments]], Any],
        *args: *Arguments,
    ) -> asyncio.Future[Any]:
        """Run the call on another thread; as asyncio does, but for the default executor."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future: asyncio.Future[Any] = self.create_future()
        self._threads.start(lambda: self._fulfil(future, func, args))
        return future

    def _fulfil(self, future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if future.cancelled():
            return
        try:
            settle = partial(future.set_result, func(*args))
        # Whatever the call raises belongs to whoever waits for the future.
        except BaseException as error:
            settle = partial(future.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the program ended meanwhile, and its loop with it
            self.call_soon_threadsafe(_unless_done, future, settle)


def _unless_done(future: asyncio.Future[Any], settle: Callable[[], None]) -> None:
    if not future.done():
        settle()
