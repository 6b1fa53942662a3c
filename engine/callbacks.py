"""Functions of a program that the engine calls back: transforms and hooks.

The SDK keeps them by token, and would start a gRPC server for Pulumi's engine to call them through. Here both
sides are in one process: the SDK is handed a register without a server, and a call runs the function on the
program's own event loop, in the context in which it was registered.
"""

import asyncio
import contextvars
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from google.protobuf.message import Message  # type: ignore[import-untyped]
from pulumi.runtime import _callbacks as sdk_callbacks
from pulumi.runtime.settings import SETTINGS

from engine.errors import EngineError
from engine.threads import Executor

Answer = TypeVar("Answer", bound=Message)

_TARGET: Final = "in-process"
"""Where the SDK is told that its functions are called from; nobody connects to it."""


class CallbackFailed(EngineError):
    """A function of the program raised. The text has what it raised, and where."""


class Callbacks:
    """The functions that one program registered. Thread-safe, but not for the program's own thread."""

    def __init__(self) -> None:
        self._register: _Register | None = None
        self._threads: Executor | None = None

    def open(self, monitor: object, loop: asyncio.AbstractEventLoop, threads: Executor) -> None:
        """Take the SDK's registrations from now on; called in the program's context, before the program.

        `threads` are those of the program's requests.
        """
        self._register = _Register(monitor, loop)
        self._threads = threads
        SETTINGS.callbacks = self._register

    def close(self) -> None:
        """Let go of the program; called in its context, when it has ended."""
        # What is set where nothing was set before also becomes the default of all contexts: set it back.
        SETTINGS.callbacks = None
        SETTINGS.callbacks = None

    @property
    def used(self) -> bool:
        """Whether the program registered anything."""
        return self._register is not None and bool(self._register.functions)

    def call(self, token: str, request: Message, answer: type[Answer]) -> Answer:
        """Call a function and wait for its answer; CallbackFailed if it raises."""
        register, threads = self._register, self._threads
        if register is None or threads is None or token not in register.functions:
            raise EngineError(f"the program registered no function by the token {token!r}")
        try:
            # The function may make requests itself, such as an invoke.
            with threads.standing_back():
                result = register.start(token, request.SerializeToString()).result()
        # The function is foreign code and may raise anything.
        except Exception as error:
            raise CallbackFailed(_described(error)) from error
        assert isinstance(result, answer)
        return result


class _Register(sdk_callbacks._CallbackServicer):
    """The SDK's own register of functions, without the server that would go with it."""

    def __init__(self, monitor: Any, loop: asyncio.AbstractEventLoop) -> None:
        # The base class would make the server; these are the rest of its fields.
        self.functions = self._callbacks = _Functions()
        self._transforms = {}
        self._state_migrations = {}
        self._monitor = monitor
        self._loop = loop
        self._target = _TARGET

    def start(self, token: str, request: bytes) -> Future[Message]:
        """Start a call on the program's loop, and return its future."""
        function, context = self.functions[token], self.functions.contexts[token]
        return context.copy().run(asyncio.run_coroutine_threadsafe, function(request), self._loop)


class _Functions(dict[str, Callable[[bytes], Any]]):
    """Functions by token, with the contexts in which they were registered and are to run."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: dict[str, contextvars.Context] = {}

    def __setitem__(self, token: str, function: Callable[[bytes], Any]) -> None:
        self.contexts[token] = contextvars.copy_context()
        super().__setitem__(token, function)


def _described(error: BaseException) -> str:
    """Return what was raised, and where: the innermost place in what the SDK called."""
    text = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    callers = [index for index, frame in enumerate(frames) if frame.filename == sdk_callbacks.__file__]
    if not callers or callers[-1] == len(frames) - 1:
        return text
    return f"{text} ({frames[-1].filename}, line {frames[-1].lineno})"
