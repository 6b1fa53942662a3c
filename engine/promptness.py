"""Which requests of a program are answered on the thread of its own event loop.

To hand a request to another thread and its answer back wakes up both, which costs as much as it takes to
record a component. So what needs no provider is answered at once. Whatever may take long, or may need the
loop itself because the program's functions run on it, is refused there (`MayBlock`) and made anew on another
thread.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from pulumi.runtime._context import wrap_with_context
from pulumi.runtime.proto import resource_pb2

from engine.callbacks import Callbacks
from engine.registration import Registrar


class MayBlock(Exception):
    """A request was made on the thread of the program's loop that has to be made on another one."""


class Request:
    """A request of the SDK, with the context that it is made in. Called, it is made on this thread."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call

    def __call__(self) -> Any:
        """Make the request; MayBlock if that is not to be done here."""
        return self._call()

    def elsewhere(self) -> Callable[[], Any]:
        """Return the request in the present context, for another thread to make."""
        wrapped: Callable[[], Any] = wrap_with_context(self._call)  # type: ignore[no-untyped-call]
        return wrapped


class Promptness:
    """Tells prompt requests of one program from others. Nothing is prompt once it registered functions."""

    def __init__(self, callbacks: Callbacks, registrar: Registrar) -> None:
        self._callbacks = callbacks
        self._registrar = registrar

    def require(self, prompt: bool) -> None:
        """Raise MayBlock if a request that is not prompt is made on the thread of an event loop."""
        if not prompt and _on_loop():
            raise MayBlock

    def registers(self, request: resource_pb2.RegisterResourceRequest) -> bool:
        """Say whether a registration takes no provider: it is one of a component."""
        provided = request.custom or request.remote
        # Such an old resource of the same name would be deleted beforehand.
        return not (provided or request.deleteBeforeReplace or self._callbacks.used)

    def takes_outputs(self) -> bool:
        """Say whether outputs of a component are only recorded."""
        return not self._callbacks.used

    def ends(self) -> bool:
        """Say whether nothing is left to be deleted at the end."""
        return self._registrar.complete and not self._callbacks.used


def _on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
