"""What stands before every endpoint: a token, a rate, and the name that metrics count it by."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from service.rate_limits import ReadRate
from service.tokens import Tokens

Handle = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """What answers one method at one path."""

    method: str
    path: str
    """A template, with parameters in braces."""
    handle: Handle


class Guard:
    """Lets holders of a token in, so many a second."""

    def __init__(self, tokens: Tokens, rate: ReadRate) -> None:
        self._tokens = tokens
        self._rate = rate

    def around(self, endpoint: Endpoint) -> Handle:
        """Return the endpoint behind the guard, which raises Unauthorized, AccessDenied or RateLimited."""

        async def guarded(request: Request) -> Response:
            request.scope["template"] = endpoint.path
            self._tokens.check(request.headers.get("authorization"))
            self._rate.admit()
            return await endpoint.handle(request)

        return guarded
