"""What a worker process does: carry orders out, one after the other. `__main__` starts it.

The Automation API runs an inline program in the process that asks for it. After an update that failed its
event loop and the thread under it stay for good, the SDK's log levels are changed for all, and programs that
run at once share an interpreter and what they do to it. So they run here.
"""

import contextlib
import os
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from pulumi.automation import PulumiCommand
from pulumi.automation.errors import CommandError

from automation.adapters.automation_api.operation import carry_out
from automation.adapters.automation_api.parcel import unpack
from engine.cancellation import Cancellation

CANCEL, TERMINATE = "cancel", "terminate"
"""What may follow an order."""
EVENT, DONE, FAILED, BROKEN = "event", "done", "failed", "broken"
"""What is answered: any number of events, then one of the others."""


class Worker:
    """Takes orders from a connection and answers on it, until it is closed."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Take orders until the other side is gone; what it left under way is cancelled."""
        cancellation, thread = Cancellation(), threading.Thread()
        while True:
            try:
                message = self._connection.recv()
            except EOFError:
                cancellation.cancel()
                if thread.ident is not None:
                    thread.join()
                return
            if message == CANCEL:
                cancellation.cancel()
            elif message == TERMINATE:
                cancellation.terminate()
            else:
                cancellation = Cancellation()
                # Beside this thread, which listens for requests to stop.
                thread = threading.Thread(target=self._take, args=(*message, cancellation))
                thread.start()

    def _take(self, parcel: bytes, command: PulumiCommand, cancellation: Cancellation) -> None:
        try:
            carry_out(unpack(parcel), command, lambda event: self._send(EVENT, event), cancellation)
        except CommandError as error:
            self._send(FAILED, type(error), str(error))
        # The top of this process: whatever it is, the other side waits to be told.
        except Exception as error:
            self._send(BROKEN, f"{type(error).__name__}: {error}")
        else:
            self._send(DONE)

    def _send(self, kind: str, *content: Any) -> None:
        with self._sending, contextlib.suppress(OSError):  # nobody is there any more to be told
            self._connection.send((kind, *content))


def main(descriptor: int) -> None:
    """Serve the connection with that descriptor; ends the process."""
    Worker(Connection(descriptor)).serve()
    sys.stdout.flush()
    # Not by the usual way out: that waits for the threads that the SDK left behind.
    os._exit(0)
