"""The log subresource of pods: the node's bytes, cut to what was asked for."""

import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.apiserver.errors import ApiError, bad_request, not_implemented
from local.apiserver.kinds import POD
from local.apiserver.objects import now
from local.apiserver.requests import Target

if TYPE_CHECKING:
    from local.apiserver.server import ApiServer

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


async def stream_log(server: "ApiServer", request: web.BaseRequest, target: Target) -> web.StreamResponse:
    """Send a container's log as plain text.

    `follow`, `tailLines`, `limitBytes` and `container` are honoured; `previous`, `sinceSeconds` and
    `sinceTime` are not, and with `timestamps` lines carry the time of reading. A follower gets the whole log,
    cut by nothing but limitBytes.
    """
    pod = server.store.get(POD, target.namespace, target.name)
    container = _container(pod, request.query.get("container", ""))
    if server.logs is None:
        raise not_implemented("this API server has no node to read logs from")
    follow = request.query.get("follow") in ("1", "true")
    source = server.logs(target.namespace or "", target.name, container, follow)
    _refuse_unstarted(pod, container)
    reply = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await reply.prepare(request)
    tail = request.query.get("tailLines", "")
    chunks = source if follow or not tail.isdecimal() else _tail(source, int(tail))
    if request.query.get("timestamps") in ("1", "true"):
        chunks = _stamped(chunks)
    with contextlib.suppress(ConnectionError):
        await _send(reply, chunks, request.query.get("limitBytes", ""))
    return reply


def _container(pod: dict[str, Any], wanted: str) -> str:
    """Return the container to read. Raises ApiError 400 where it is not in the pod or has to be named."""
    spec = pod["spec"]
    names = [str(item["name"]) for item in spec.get("containers") or ()]
    known = [str(item["name"]) for item in spec.get("initContainers") or ()] + names
    if wanted:
        if wanted not in known:
            raise bad_request(f"container {wanted} is not valid for pod {pod['metadata']['name']}")
        return wanted
    default = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    if default in known:
        return str(default)
    if len(names) > 1:
        raise bad_request(
            f"a container name must be specified for pod {pod['metadata']['name']}, "
            f"choose one of: [{' '.join(names)}]"
        )
    return names[0]


def _refuse_unstarted(pod: dict[str, Any], container: str) -> None:
    """Raise ApiError 400 while the container waits for its start."""
    status = pod.get("status", {})
    for item in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
        waiting = item.get("state", {}).get("waiting")
        if item.get("name") == container and waiting and not item.get("restartCount"):
            raise _waiting(pod, container, waiting.get("reason", "ContainerCreating"))
    if status.get("phase") == "Pending" and not status.get("containerStatuses"):
        raise _waiting(pod, container, "ContainerCreating")


def _waiting(pod: dict[str, Any], container: str, reason: str) -> ApiError:
    name = pod["metadata"]["name"]
    return bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')


async def _tail(source: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    """Yield the last lines of a log that has an end."""
    lines: deque[bytes] = deque(maxlen=count)
    async for line in _lines(source):
        lines.append(line)
    for line in lines:
        yield line


async def _stamped(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for line in _lines(source):
        yield f"{now()} ".encode() + line


async def _lines(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in source:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


async def _send(reply: web.StreamResponse, chunks: AsyncIterator[bytes], limit: str) -> None:
    left = int(limit) if limit.isdecimal() else None
    async for chunk in chunks:
        piece = chunk if left is None else chunk[:left]
        await reply.write(piece)
        if left is not None:
            left -= len(piece)
            if left <= 0:
                return
