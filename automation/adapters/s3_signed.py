"""Plain requests to the S3 API for single objects, signed by botocore, sent without the rest of its client.

Endpoint rules, serializers, hooks and parsers of the client cost more CPU than signing and sending together.
Whatever is not a plain success is for the client to do again, which knows retries, redirects and errors: all
of these requests may be repeated.
"""

import urllib.parse
from typing import Any, Final

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from automation.adapters.s3_connections import Answer, Connections

_ELSEWHERE: Final = frozenset({301, 307, 400, 403})
"""Answers that the next object of the bucket would get as well: another region, another signature."""


class Signed:
    """Sends requests for many threads, to where a client would send them and with its credentials."""

    def __init__(self, client: Any, session: Any, *, connect: float, read: float) -> None:
        self._client = client
        self._credentials = session.get_credentials()
        # Whom the client trusts. Behind a proxy everything is the client's.
        authorities = session._session.get_config_variable("ca_bundle") or True
        proxied = get_environ_proxies(client.meta.endpoint_url)
        self._direct = not proxied and self._credentials is not None
        self._connections = Connections(get_cert_path(authorities), connect=connect, read=read)
        self._bases: dict[str, str] = {}
        """By bucket its URL; empty: not this way."""

    def send(
        self, method: str, bucket: str, key: str, body: bytes = b"", content_type: str = ""
    ) -> Answer | None:
        """Send a request for an object; return a plain success (200, 204), or None: have the client do it."""
        base = self._base(bucket)
        if not base:
            return None
        headers = {"Content-Type": content_type} if content_type else {}
        request = AWSRequest(method, base + urllib.parse.quote(key, safe="/~"), headers, body)
        S3SigV4Auth(self._credentials.get_frozen_credentials(), "s3", self._client.meta.region_name).add_auth(
            request
        )
        answer = self._connections.send(method, request.url, dict(request.headers), body)
        if answer is None:
            return None
        if answer.status in _ELSEWHERE:
            self._bases[bucket] = ""
        return answer if answer.status in (200, 204) else None

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._connections.close()

    def _base(self, bucket: str) -> str:
        if bucket not in self._bases:
            url = self._presigned(bucket) if self._direct else ""
            self._bases[bucket] = url.partition("?")[0].removesuffix("key")
        return self._bases[bucket]

    def _presigned(self, bucket: str) -> str:
        """Return an object's URL as the client makes it from endpoint, region and the style of addresses."""
        url: str = self._client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})
        return url
