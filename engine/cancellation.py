"""Stopping an operation from outside: gracefully first, then at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Cancellation:
    """A request to stop, given to operations through their options.

    It may serve any number of operations, also one after the other: those that begin later do nothing. All
    methods may be called from any thread and from signal handlers: they take no lock.
    """

    def __init__(self) -> None:
        self._cancelled = False
        self._terminated = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether no new step is to begin."""
        return self._cancelled

    @property
    def terminated(self) -> bool:
        """Whether running steps are not waited for either."""
        return self._terminated

    def cancel(self) -> None:
        """Begin no new step; those that run are finished and recorded."""
        self._cancelled = True
        self._tell()

    def terminate(self) -> None:
        """Stop at once.

        Calls that are under way stay in the state as pending operations, and the lock is given back.
        """
        self._terminated = True
        self.cancel()

    @contextmanager
    def heard_by(self, listener: Callable[[], None]) -> Iterator[None]:
        """Have the listener called at every request, also at once if there was one before.

        It must be fit for signal handlers, as the `put` of a SimpleQueue is.
        """
        self._listeners.append(listener)
        try:
            if self._cancelled:
                listener()
            yield
        finally:
            self._listeners.remove(listener)

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()
