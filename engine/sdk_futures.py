"""Shortcuts in how the Pulumi SDK waits: fewer tasks and futures for the same outputs.

The SDK makes a task and four futures for every property of every resource, one more chain of them for a URN
that only tests use, and looks at all of them anew whenever one is done, which takes a third of an update of
500 resources. As with `engine.sdk`, each shortcut gives what the SDK gives, and a release of the SDK that
lacks one of the functions is left as it is.
"""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from pulumi import Output, _types, log
from pulumi.output import _OutputData
from pulumi.runtime import resource, rpc, settings, stack


def shorten(monitor_type: type, log_type: type) -> None:
    """Put the shortcuts in place; the types are those of the engine's own monitors and log sinks."""
    _wait_for_all_at_once(monitor_type)
    _resolve_properties_directly()
    _make_plain_urns()
    _drop_debug_messages(log_type)
    _types.unwrap_type = functools.cache(_types.unwrap_type)  # of a type; a program has some hundred of them


def _wait_for_all_at_once(monitor_type: type) -> None:
    """Wait until everything is done or something failed, before the SDK looks at one thing after another."""
    original = stack.wait_for_rpcs

    async def wait_for_rpcs(await_all_outstanding_tasks: bool = True) -> None:
        if await_all_outstanding_tasks and isinstance(settings.get_monitor(), monitor_type):
            await _settle()
        await original(await_all_outstanding_tasks)

    stack.wait_for_rpcs = wait_for_rpcs


async def _settle() -> None:
    """Return when no output and no call of the program is pending, or as soon as one has failed."""
    calls = settings._get_rpc_manager().rpcs
    while True:
        with settings.SETTINGS.lock:
            known = {*settings.SETTINGS.outputs, *calls}
        pending = {future for future in known if not future.done()}
        if not pending or any(map(_failed, known - pending)):
            return
        await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)


def _failed(future: asyncio.Future[Any]) -> bool:
    return future.cancelled() or future.exception() is not None


def _resolve_properties_directly() -> None:
    """Make one future for each property of a resource, as the SDK itself does for `urn` and `id`."""

    def transfer_properties(res: Any, props: Any, custom: bool) -> dict[str, Callable[..., None]]:
        resolvers: dict[str, Callable[..., None]] = {}
        for name in props:
            if name == "urn" or (name == "id" and custom):
                continue
            future: asyncio.Future[_OutputData[Any]] = asyncio.Future()
            resolvers[name] = functools.partial(_resolve, res, future)
            res.__dict__[name] = Output._from_data(future)
        return resolvers

    rpc.transfer_properties = transfer_properties


def _resolve(
    res: Any,
    future: asyncio.Future[_OutputData[Any]],
    value: Any,
    is_known: bool,
    is_secret: bool,
    deps: set[Any] | None,
    failed: Exception | None,
) -> None:
    if failed is not None:
        future.set_exception(failed)
        return
    needed = {*(deps or ()), res}
    future.set_result(_OutputData(resources=needed, value=value, is_known=is_known, is_secret=is_secret))


def _make_plain_urns() -> None:
    """Join texts to a URN at once; the SDK makes one for every resource, in case there is no engine."""
    original = resource.create_urn

    def create_urn(
        name: Any, type_: Any, parent: Any = None, project: str | None = None, stack: str | None = None
    ) -> Output[str]:
        if not (isinstance(parent, str) and isinstance(name, str) and isinstance(type_, str)):
            return original(name, type_, parent, project, stack)
        return Output.from_input(f"{parent[0 : parent.rfind('::')]}${type_}::{name}")

    resource.create_urn = create_urn


def _drop_debug_messages(log_type: type) -> None:
    """Drop debug messages before they become requests: there are some ten for every resource."""
    original = log.debug

    def debug(msg: str, *args: Any, **options: Any) -> None:
        if not isinstance(settings.SETTINGS.engine, log_type):
            original(msg, *args, **options)

    log.debug = debug
