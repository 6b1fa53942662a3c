"""The HTTP side of the API server: a thin shell that authenticates, authorises, routes and answers.

Two ports: plain HTTP for our own programs, and HTTPS with a certificate of its own for kubectl and other
clients that send credentials over TLS only. `healthz`, `livez`, `readyz` and `version` are open; everything
else needs a bearer token, on loopback too: whoever may write here starts processes. Departures from a real
server: no anonymous user, no protobuf, no list chunking, exec/attach/port-forward answer 501, and JSON of
lists repeats apiVersion and kind in every item.
"""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from local.apiserver import discovery, errors, openapi, requests, reviews
from local.apiserver.certificates import self_signed
from local.apiserver.errors import ApiError
from local.apiserver.handlers import Handlers
from local.apiserver.rbac import Attributes, denial, is_allowed
from local.apiserver.replies import json_reply, status_reply
from local.apiserver.requests import Target
from local.apiserver.store import Store
from local.apiserver.tokens import Tokens, User, named_user

logger = logging.getLogger(__name__)

LogSource = Callable[[str, str, str, bool], AsyncIterator[bytes]]
"""Yields a container's log as it was written: (namespace, pod, container, follow)."""

MAX_BODY_BYTES = 3 * 1024 * 1024
"""A request's size, as the real server limits it."""
OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})
VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class ApiServer:
    """Serves a store over HTTP and HTTPS. `logs` is set by the node before pods' logs can be read.

    A port of 0 takes any free one.
    """

    def __init__(
        self, store: Store, tokens: Tokens, *, host: str = "127.0.0.1", port: int = 0, secure_port: int = 0
    ) -> None:
        self.store = store
        self.tokens = tokens
        self.logs: LogSource | None = None
        self._host = host
        self._wanted_ports = (port, secure_port)
        self._ports = (0, 0)
        self._certificate = self_signed(host)
        self._runner: web.ServerRunner | None = None
        self._handlers = Handlers(self)

    @property
    def port(self) -> int:
        """The port of plain HTTP, once started."""
        return self._ports[0]

    @property
    def url(self) -> str:
        """The plain address, such as `http://127.0.0.1:41234`."""
        return f"http://{self._host}:{self._ports[0]}"

    @property
    def secure_url(self) -> str:
        """The HTTPS address, whose certificate `kubeconfig` carries."""
        return f"https://{self._host}:{self._ports[1]}"

    def kubeconfig(self, token: str = "") -> dict[str, Any]:
        """Return a kubeconfig for the HTTPS port, with the administrator's token where none is given."""
        return kubeconfig(self.secure_url, token or self.tokens.admin_token, self._certificate.pem)

    async def start(self) -> None:
        """Begin to listen. Raises OSError where the port is taken."""
        server = web.Server(
            self._handle, request_factory=_request, handler_cancellation=True, access_log=None
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        for port, context in zip(self._wanted_ports, (None, self._certificate.server_context()), strict=True):
            await web.TCPSite(self._runner, self._host, port, ssl_context=context).start()
        self._ports = tuple(address[1] for address in self._runner.addresses)
        logger.info("API server listens on %s and %s", self.url, self.secure_url)

    async def stop(self) -> None:
        """End all watches and stop listening."""
        self._handlers.close_watches()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def open_watches(self) -> int:
        """How many clients watch over HTTP just now."""
        return self._handlers.open_watches

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except ApiError as error:
            return status_reply(error)
        except web.HTTPRequestEntityTooLarge:
            text = f"Request entity too large: limit is {MAX_BODY_BYTES}"
            return status_reply(ApiError(413, "RequestEntityTooLarge", text))
        except Exception:
            logger.exception("request failed: %s %s", request.method, request.path)
            return status_reply(
                ApiError(500, "InternalError", "Internal error occurred: see the server's log")
            )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path in OPEN_PATHS or path.startswith(("/livez/", "/readyz/", "/healthz/")):
            return json_reply(discovery.VERSION) if path == "/version" else web.Response(text="ok")
        user = self._authenticate(request)
        if path.startswith("/openapi") or path in ("/api", "/apis", "/"):
            return self._document(request)
        target = requests.parse_path(path)
        if target is not None:
            self._authorize(user, request, target)
            return await self._handlers.resource(request, target)
        review = reviews.find(path)
        if review is not None and request.method == "POST":
            return await reviews.answer(self, user, request, review)
        return self._document(request)

    def _authenticate(self, request: web.BaseRequest) -> User:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        user = self.tokens.authenticate(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise errors.unauthorized()
        return self._impersonated(user, request) if "Impersonate-User" in request.headers else user

    @staticmethod
    def _impersonated(user: User, request: web.BaseRequest) -> User:
        """Return who the administrator acts as, by the request's Impersonate headers."""
        name = request.headers["Impersonate-User"]
        if not user.is_admin:
            why = denial(user, Attributes(verb="impersonate", resource="users"))
            text = f'users "{name}" is forbidden: {why}'
            raise ApiError(403, "Forbidden", text, {"name": name, "kind": "users"})
        return named_user(name, tuple(request.headers.getall("Impersonate-Group", ())))

    def _authorize(self, user: User, request: web.BaseRequest, target: Target) -> None:
        if user.is_admin:
            return
        attributes = Attributes(
            verb=verb_of(request, target),
            group=target.kind.group,
            resource=f"{target.kind.plural}/{target.subresource}"
            if target.subresource
            else target.kind.plural,
            namespace=target.namespace or "",
            name=target.name,
        )
        if not is_allowed(self.store, user, attributes):
            raise errors.forbidden(target.kind, target.name, denial(user, attributes))

    def _document(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if request.method not in ("GET", "HEAD"):
            raise errors.path_not_found()
        reply = openapi.document(request) if path.startswith("/openapi") else discovery.document(request)
        if reply is None:
            raise errors.path_not_found()
        return reply


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    """Make a request that takes bodies of the server's size instead of aiohttp's."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)


def verb_of(request: web.BaseRequest, target: Target) -> str:
    """Return the verb that authorization knows a request by."""
    verb = VERBS.get(request.method, request.method.lower())
    if target.name:
        return verb
    if verb == "delete":
        return "deletecollection"
    if verb == "get":
        return "watch" if request.query.get("watch") in ("1", "true") else "list"
    return verb


def kubeconfig(server_url: str, token: str, authority: bytes = b"") -> dict[str, Any]:
    """Return a kubeconfig; as JSON or YAML it is a file that kubectl reads.

    `authority` is the PEM certificate that an https address is verified with. kubectl sends the token to
    https addresses only.
    """
    name = "knative-lambda-local"
    cluster = {"server": server_url}
    if authority:
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
    }
