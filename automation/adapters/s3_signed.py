"""Plain requests to the S3 API for single objects, signed by botocore, sent without the rest of its client.

Endpoint rules, serializers, hooks and parsers of the client cost more CPU than signing and sending together.
Whatever is not a plain success is for the client to do again, which knows retries, redirects and errors: all
of these requests may be repeated.
"""

import socket
import urllib.parse
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

_ELSEWHERE: Final = frozenset({301, 307, 400, 403})
"""Answers that the next object of the bucket would get as well: another region, another signature."""

NO_DELAY: Final = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
"""A body goes out by itself, and without this only once the head is acknowledged: 40 ms later."""


class Success(NamedTuple):
    """An answer of 200 or 204."""

    headers: Mapping[str, str]
    body: bytes


class Signed:
    """Sends requests for many threads, to where a client would send them and with its credentials."""

    def __init__(self, client: Any, session: Any, *, connections: int, timeout: tuple[int, int]) -> None:
        self._client = client
        self._credentials = session.get_credentials()
        # Proxies and authorities as the environment says, as for the client.
        self._http = URLLib3Session(
            verify=session._session.get_config_variable("ca_bundle") or True,
            proxies=get_environ_proxies(client.meta.endpoint_url),
            timeout=timeout,
            max_pool_connections=connections,
            socket_options=NO_DELAY,
        )
        self._bases: dict[str, str] = {}
        """By bucket its URL; empty: not this way."""

    def send(
        self, method: str, bucket: str, key: str, body: bytes = b"", content_type: str = ""
    ) -> Success | None:
        """Send one request for an object and return a plain success; None says: have the client do it."""
        base = self._base(bucket)
        if not base:
            return None
        headers = {"Content-Type": content_type} if content_type else {}
        request = AWSRequest(method, base + urllib.parse.quote(key, safe="/~"), headers, body)
        S3SigV4Auth(self._credentials.get_frozen_credentials(), "s3", self._client.meta.region_name).add_auth(
            request
        )
        try:
            response = self._http.send(request.prepare())
        except BotoCoreError:
            return None
        if response.status_code in _ELSEWHERE:
            self._bases[bucket] = ""
        return Success(response.headers, response.content) if response.status_code in (200, 204) else None

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _base(self, bucket: str) -> str:
        if bucket not in self._bases:
            url = "" if self._credentials is None else self._presigned(bucket)
            self._bases[bucket] = url.partition("?")[0].removesuffix("key")
        return self._bases[bucket]

    def _presigned(self, bucket: str) -> str:
        """Return an object's URL as the client makes it from endpoint, region and the style of addresses."""
        url: str = self._client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})
        return url
