"""The OpenAPI document of everything that the service answers over HTTP.

Served at /openapi.json, and in docs/openapi.json, which `python -m service.openapi` writes. A test holds it
to the application's routes, others hold the answers to it.
"""

import functools
import json

from starlette.requests import Request
from starlette.responses import Response

from service.openapi.paths import document


@functools.cache
def text() -> bytes:
    """Return the document as JSON."""
    return json.dumps(document(), indent=2).encode() + b"\n"


async def serve(request: Request) -> Response:
    """Answer with the document; it tells nothing that needs a token."""
    return Response(text(), media_type="application/json")
