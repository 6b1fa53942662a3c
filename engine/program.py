"""Running a Pulumi program in this process: its own context, settings, event loop and threads.

The SDK keeps its settings in context variables, so any number of programs can run at once as long as each has
its own context and everything that belongs to the run is made inside it.
"""

import asyncio
import contextlib
import contextvars
import logging
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from pulumi.runtime import run_in_stack, set_all_config
from pulumi.runtime.settings import ROOT, Settings, configure

from engine import sdk, sdk_futures
from engine.callbacks import Callbacks
from engine.errors import EngineError
from engine.loop import Loop
from engine.monitor import LogSink, Monitor
from engine.names import ORGANIZATION
from engine.run import Run
from engine.threads import Executor, Workers

logger = logging.getLogger(__name__)

THREADS_PER_STEP: Final = 2
"""Executor threads for each step that may run at once: a step may wait for its default provider's."""

FLUSH_SECONDS: Final = 1.0
"""How long what is done may be recorded in memory only, while no other call begins."""


def execute(
    program: Callable[[], object],
    run: Run,
    monitor: Monitor,
    callbacks: Callbacks,
    workers: Workers,
    *,
    config: Mapping[str, str],
    secret_keys: Collection[str],
) -> None:
    """Run the program to its end, against the monitor. Raises what the program raises.

    That is CancelledError if the run was cancelled meanwhile.

    Returns or raises only after every step that was under way is done.
    """
    _refuse_running_loop()
    context = contextvars.copy_context()
    context.run(_execute, program, run, monitor, callbacks, workers, dict(config), list(secret_keys))


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise EngineError(
        "a program cannot be run on a thread that runs an event loop; call the engine from a worker thread, "
        "as with asyncio.to_thread"
    )


def _execute(
    program: Callable[[], object],
    run: Run,
    monitor: Monitor,
    callbacks: Callbacks,
    workers: Workers,
    config: dict[str, str],
    secret_keys: list[str],
) -> None:
    ROOT.set(None)
    configure(
        Settings(
            project=run.stack.project,
            stack=run.stack.name,
            monitor=monitor,
            engine=LogSink(run),
            dry_run=run.preview,
            organization=ORGANIZATION,
            root_directory=os.getcwd(),
            parallel=run.parallel,
        )
    )
    set_all_config(config, secret_keys)
    executor = workers.executor(run.parallel * THREADS_PER_STEP)
    loop = Loop(executor)
    loop.set_exception_handler(_unobserved)
    callbacks.open(monitor, loop, executor)
    main = loop.create_task(run_in_stack(program))  # type: ignore[arg-type]
    keeper = loop.create_task(_keep_recorded(run, workers))

    def interrupt() -> None:
        with contextlib.suppress(RuntimeError):  # the program ended meanwhile, and its loop with it
            loop.call_soon_threadsafe(main.cancel)

    try:
        with run.interrupted_by(interrupt):
            loop.run_until_complete(main)
    finally:
        _finish_steps(loop, executor, workers, callbacks)
        callbacks.close()
        keeper.cancel()
        _cancel_tasks(loop)
        loop.close()


async def _keep_recorded(run: Run, workers: Workers) -> None:
    """Have what is done written while the program goes on; ends, when cancelled, with no write under way."""
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        with workers.executor(1) as writer:
            await asyncio.wrap_future(writer.submit(run.journal.flush))


def _finish_steps(
    loop: asyncio.AbstractEventLoop, executor: Executor, workers: Workers, callbacks: Callbacks
) -> None:
    """Wait for the steps that are under way.

    The program's loop runs on for the hooks that they call; where they take long, so that they are recorded.
    """
    if not callbacks.used and executor.ends_within(FLUSH_SECONDS):
        return
    with workers.executor(1) as waiting:
        loop.run_until_complete(asyncio.wrap_future(waiting.submit(executor.shutdown), loop=loop))


def _cancel_tasks(loop: asyncio.AbstractEventLoop) -> None:
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))


def _unobserved(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Outputs that nobody waits for hold exceptions that were reported through the program's own already.
    logger.debug(
        "unobserved in the program's event loop: %s", context.get("exception") or context.get("message")
    )


sdk.shorten(Monitor)
sdk_futures.shorten(Monitor, LogSink)
