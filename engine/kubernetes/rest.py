"""A small client of Kubernetes' REST protocol over a pool of kept-alive connections.

Dicts in, dicts out; nothing here knows kinds, fields or Pulumi. Safe for many threads. Throttling is the
server's matter: there is no client-side rate limit, but 429 and Retry-After are honoured (see `retries`).
"""

import json
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal
from urllib.parse import urlencode

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as ReadTimeout

from engine.kubernetes import retries
from engine.kubernetes.config import ConfigError, Connection
from engine.kubernetes.exchange import Answer
from engine.kubernetes.transport import Channel

Json = dict[str, Any]
Response = Answer | BaseHTTPResponse
PatchType = Literal["apply", "json", "merge", "strategic"]

_JSON = "application/json"
_PATCH_TYPES: dict[PatchType, str] = {
    "apply": "application/apply-patch+yaml",  # JSON is YAML
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class ApiError(Exception):
    """The API server refused a request. The text is the server's own message.

    `code` is the HTTP status, `reason` the machine word such as `AlreadyExists`, `causes` the fields found
    wrong.
    """

    def __init__(self, code: int, reason: str, message: str, causes: tuple[Json, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = causes


class NotFound(ApiError):
    """404: no such object, namespace or kind."""


class Conflict(ApiError):
    """409: another manager owns a field, or the object is not the one that was meant."""


class AlreadyExists(Conflict):
    """409 with reason AlreadyExists: a create found an object of that name."""


class Invalid(ApiError):
    """422: the object breaks a rule of its kind, or a JSON patch's test failed."""


class Forbidden(ApiError):
    """403: the account may not do this."""


class Unauthorized(ApiError):
    """401: the account is not known to the server."""


class Gone(ApiError):
    """410: the resourceVersion of a watch is too old; list again."""


class Unreachable(Exception):
    """No answer from the API server.

    No connection, or it broke. Whether the request took effect is not known.
    """


_BY_CODE: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
}


def error_of(status: int, body: bytes | Json) -> ApiError:
    """Turn an answer (a Status object or anything else) into the error it stands for."""
    if isinstance(body, bytes):
        try:
            body = json.loads(body)
        except ValueError:
            assert isinstance(body, bytes)
            body = {"message": body[:256].decode("utf-8", "replace").strip()}
    document = body if isinstance(body, dict) else {}
    reason = document.get("reason") or ""
    causes = tuple((document.get("details") or {}).get("causes") or ())
    kind = AlreadyExists if reason == "AlreadyExists" else _BY_CODE.get(status, ApiError)
    return kind(status, reason, document.get("message") or f"HTTP status {status}", causes)


class Client:
    """One API server.

    `connect` is called for the first request, and again after a 401 (credentials rotate).
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._channel: Channel | None = None
        self._closed = False

    @property
    def connection(self) -> Connection:
        """The connection in use. Raises ConfigError."""
        return self._open().connection

    def get(self, path: str, **query: str) -> Json:
        """Read one object, or any JSON document. Raises NotFound."""
        return self._json("GET", path, query)

    def text(self, path: str, **query: str) -> str:
        """Read a text, such as a container's log. Raises NotFound."""
        return self._body("GET", path, query).decode("utf-8", "replace")

    def list(self, path: str, *, fields: str = "", labels: str = "", **query: str) -> Json:
        """Read a collection: `items` (without apiVersion and kind each), `metadata.resourceVersion`.

        With `limit` one page of it; `metadata.continue` is what to ask for the next one with.
        """
        return self._json("GET", path, _selectors(fields, labels) | query)

    def pages(self, path: str, *, fields: str = "", labels: str = "", limit: int = 500) -> Iterator[Json]:
        """Yield the items of a collection, `limit` of them with each request."""
        query = {"limit": str(limit)}
        while True:
            page = self.list(path, fields=fields, labels=labels, **query)
            yield from page["items"]
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    def create(self, path: str, body: Json, **query: str) -> Json:
        """POST an object to its collection. Raises AlreadyExists."""
        return self._json("POST", path, query, body)

    def replace(self, path: str, body: Json, **query: str) -> Json:
        """PUT a whole object; with a resourceVersion that is not the newest raises Conflict."""
        return self._json("PUT", path, query, body)

    def patch(self, path: str, body: Any, patch_type: PatchType, **query: str) -> Json:
        """PATCH an object; `apply` is server-side apply and needs the query's fieldManager."""
        return self._json("PATCH", path, query, body, _PATCH_TYPES[patch_type])

    def delete(self, path: str, options: Json) -> Json:
        """DELETE with DeleteOptions. Returns a Status, or the object; with a deletionTimestamp it lingers."""
        return self._json("DELETE", path, {}, options)

    def watch(
        self, path: str, since: str, *, seconds: float, fields: str = "", labels: str = ""
    ) -> Generator[tuple[str, Json], None, None]:
        """Yield (event type, object) of a collection from a resourceVersion on, for at most `seconds`.

        Ends without an error when the time is over or the server closes. Raises Gone when `since` is too old.
        Close the generator to stop early.
        """
        limit = max(1, round(seconds))
        query = {
            "watch": "1",
            "resourceVersion": since,
            "timeoutSeconds": str(limit),
            **_selectors(fields, labels),
        }
        target = f"{path}?{urlencode(query)}"
        response = self.stream(target, limit + 5.0)
        try:
            for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise error_of(event["object"].get("code", 500), event["object"])
                yield event["type"], event["object"]
        except ReadTimeout:
            return  # as the server does at the end of timeoutSeconds
        except (HTTPError, ValueError) as error:  # ValueError: cut in the middle of a line
            raise Unreachable(f"the watch of {path} broke: {error}") from error
        finally:
            response.close()

    def stream(self, path: str, seconds: float, **query: str) -> BaseHTTPResponse:
        """Open a body to be read as it arrives, with `seconds` between two pieces at most; close it after.

        Reading raises urllib3's HTTPError. Raises NotFound.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        response = self._send("GET", lambda channel: channel.stream(target, seconds))
        assert isinstance(response, BaseHTTPResponse)
        return response

    def close(self) -> None:
        """Close idle connections. Requests after this raise Unreachable."""
        with self._lock:
            self._closed = True
            channel, self._channel = self._channel, None
        if channel:
            channel.close()

    def _json(
        self, method: str, path: str, query: dict[str, str], body: Any = None, content: str = _JSON
    ) -> Json:
        return json.loads(self._body(method, path, query, body, content))  # type: ignore[no-any-return]

    def _body(
        self, method: str, path: str, query: dict[str, str], body: Any = None, content: str = _JSON
    ) -> bytes:
        target = f"{path}?{urlencode(query)}" if query else path
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        return self._send(method, lambda channel: channel.request(method, target, data, content)).data

    def _send(self, method: str, request: Callable[[Channel], Response]) -> Response:
        """Send with the retries that are safe; return a success, raise ApiError or Unreachable otherwise."""
        deadline, attempt, renewed = time.monotonic() + retries.THROTTLED_SECONDS, 0, False
        while True:
            channel = self._open()
            response = self._exchange(method, request)
            if response.status < 400:
                return response
            if response.status == 401 and not renewed:
                renewed = True
                self._renew(channel)
                continue
            pause = retries.pause(method, response.status, response.headers, attempt)
            if pause is None or time.monotonic() + pause > deadline:
                raise error_of(response.status, response.data)
            time.sleep(pause)
            attempt += 1

    def _exchange(self, method: str, request: Callable[[Channel], Response]) -> Response:
        """One request; a second try only where a repeat cannot do harm."""
        for last in (False, True):
            channel = self._open()
            try:
                return request(channel)
            except (HTTPError, OSError) as error:
                repeatable = method != "POST" or isinstance(error, NewConnectionError)
                if last or not repeatable or isinstance(error, ReadTimeout):
                    url = channel.connection.url
                    raise Unreachable(f"no answer from the API server at {url}: {error}") from error
        raise AssertionError("unreachable")

    def _open(self) -> Channel:
        channel = self._channel
        if channel:
            return channel
        with self._lock:
            if self._closed:
                raise Unreachable("this client is closed")
            if not self._channel:
                self._channel = Channel(self._connect())
            return self._channel

    def _renew(self, refused: Channel) -> None:
        """Read the credentials again, unless another thread has done so since `refused` was in use.

        An unusable configuration keeps the old ones, whose 401 tells more.
        """
        with self._lock:
            if self._channel is not refused:
                return
            try:
                self._channel = Channel(self._connect())
            except ConfigError:
                return
        refused.close()


def _selectors(fields: str, labels: str) -> dict[str, str]:
    return {key: value for key, value in (("fieldSelector", fields), ("labelSelector", labels)) if value}


def _lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the lines of a body as they arrive."""
    rest = b""
    for chunk in response.stream(2**16):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())
    if rest.strip():
        yield rest
