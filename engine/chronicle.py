"""The beginning and the end of an operation, as others see them: events, history entry, outcome."""

import time
from collections.abc import Callable
from typing import Any

from engine.crypto import Secrets
from engine.errors import BackendError, EngineError, UpdateCanceled, UpdateFailed
from engine.request import Request
from engine.run import Run

Record = Callable[[dict[str, Any]], None]
"""Stores a history entry; BackendError if that fails."""


class Chronicle:
    """The frame of one operation, whatever happens in it. Leaving it raises UpdateFailed if anything failed.

    `record` is None for previews, which leave no trace.
    """

    def __init__(
        self, run: Run, request: Request, kind: str, *, secrets: Secrets, record: Record | None
    ) -> None:
        self._run = run
        self._request = request
        self._kind = kind
        self._secrets = secrets
        self._record = record
        self._config: dict[str, Any] = dict(request.config)
        self._started = time.time()

    def __enter__(self) -> None:
        """Open the stream of events, and encrypt the secret configuration for the history."""
        self._run.events.prelude(self._request.masked_config)
        if self._record is None or not self._request.secret_config:
            return
        if self._secrets.state is None:
            self._run.journal.touch()  # the salt is of use only if the state records it
        for key, value in self._request.secret_config.items():
            self._config[key] = {"secure": self._secrets.encrypt(value)}

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        """Store what is not stored yet, write the history, close the stream."""
        if error is not None:
            self._run.fail(str(error) or repr(error), cause=error)
        self._commit()
        self._write_history()
        self._run.events.finish(result=self._result, unsure=self._run.journal.calling)
        # What asks the whole process to end is stronger than the failure that it caused here.
        if self._run.failed and (error is None or isinstance(error, Exception)):
            raise self._failure() from self._run.cause

    def _commit(self) -> None:
        try:
            if not self._run.journal.closed:
                self._run.journal.commit()
        except EngineError as error:
            self._run.fail(str(error), cause=error)

    def _write_history(self) -> None:
        if self._record is None:
            return
        try:
            self._record(self._entry())
        except BackendError as error:
            self._run.fail(f"the update was stored, but not its history: {error}", cause=error)

    def _entry(self) -> dict[str, Any]:
        return {
            "kind": self._kind,
            "startTime": int(self._started),
            "message": self._request.message,
            "environment": {},
            "config": self._config,
            "version": 0,
            "result": self._result,
            "endTime": int(time.time()),
            "resourceChanges": dict(self._run.events.changes),
        }

    @property
    def _result(self) -> str:
        return "failed" if self._run.failed else "succeeded"

    def _failure(self) -> UpdateFailed:
        what = f"{self._kind} of {self._run.stack}"
        diagnostics = tuple(self._run.diagnostics)
        if not self._run.canceled:
            return UpdateFailed(f"{what} failed: {diagnostics[0]}", diagnostics)
        cancellation = self._request.options.cancellation
        terminated = cancellation is not None and cancellation.terminated and self._run.journal.closed
        return UpdateCanceled(f"{what} was canceled", diagnostics, terminated=terminated)
