"""The event loop of one program's run, which hands calls that may block to the engine's threads."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent import futures
from functools import partial
from typing import Any, TypeVarTuple, Unpack

from engine.promptness import MayBlock, Request
from engine.threads import Executor

Arguments = TypeVarTuple("Arguments")


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose default executor is one of the engine's.

    The SDK makes nine blocking calls in an update of a function. asyncio has two futures for each, with locks
    and callbacks that tie them together; here there is one, which saves a third of what a call costs. Six of
    the nine are prompt (see `promptness`), and are made on the spot.
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
        """Run the call on another thread; as asyncio does, but for the default executor and for requests."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future: asyncio.Future[Any] = self.create_future()
        if isinstance(func, Request):
            if _made(func, future):
                return future
            request = func.elsewhere()
            self._threads.start(lambda: self._fulfil(future, request, ()))
        else:
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


def _made(request: Request, future: asyncio.Future[Any]) -> bool:
    """Make a request on this thread, unless it may block; say whether that was done."""
    try:
        future.set_result(request())
    except MayBlock:
        return False
    # Whatever the request raises belongs to whoever waits for the future.
    except BaseException as error:
        future.set_exception(error)
    return True


def _unless_done(future: asyncio.Future[Any], settle: Callable[[], None]) -> None:
    if not future.done():
        settle()
