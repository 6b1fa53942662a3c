"""A client of the local platform, as a developer would use it: put code, send events, look at objects.

Everything goes over the public protocols (S3, CloudEvents over HTTP, Kubernetes' REST): nothing here reaches
into the platform's process.
"""

import asyncio
import datetime
import html
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from local.addresses import NAMESPACE, SOURCE_BUCKET, Addresses

THIRD_PARTY_LABEL = "build.notifi.network/third-party-id"
PARSER_LABEL = "build.notifi.network/parser-id"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
SERVICES = f"/apis/serving.knative.dev/v1/namespaces/{NAMESPACE}/services"
TRIGGERS = f"/apis/eventing.knative.dev/v1/namespaces/{NAMESPACE}/triggers"


class ClientError(Exception):
    """A part of the platform answered with an error; the text holds its answer."""


class Client:
    """One session with a platform; an async context manager."""

    def __init__(self, addresses: Addresses, token: str) -> None:
        self.addresses = addresses
        self._token = token
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=5))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection pool."""
        assert self._http is not None
        await self._http.close()

    async def _request(self, method: str, url: str, **options: Any) -> bytes:
        assert self._http is not None, "use the client as an async context manager"
        async with self._http.request(method, url, **options) as response:
            body = await response.read()
        if response.status >= 300:
            raise ClientError(
                f"{method} {url} answered {response.status}: {body[:500].decode(errors='replace')}"
            )
        return body

    async def put_code(self, folder: Path, parser_id: str) -> int:
        """Put the files of a folder under the parser's prefix, and take away what is there no more.

        Returns the number of files. Hidden files and byte code stay out.
        """
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_noise(path, folder)]
        bucket = f"{self.addresses.storage}/{SOURCE_BUCKET}"
        keys = {f"global/parser/{parser_id}/{path.relative_to(folder).as_posix()}": path for path in files}
        for stale in await self._keys(bucket, f"global/parser/{parser_id}/") - keys.keys():
            await self._request("DELETE", f"{bucket}/{quote(stale)}")
        for key, path in keys.items():
            await self._request("PUT", f"{bucket}/{quote(key)}", data=path.read_bytes())
        return len(files)

    async def _keys(self, bucket: str, prefix: str) -> set[str]:
        body = await self._request("GET", f"{bucket}?list-type=2&prefix={quote(prefix)}")
        return {html.unescape(key) for key in re.findall("<Key>(.*?)</Key>", body.decode())}

    async def send(
        self,
        type: str,
        *,
        third_party_id: str,
        parser_id: str,
        data: Mapping[str, Any],
        correlation_id: str | None = None,
    ) -> str:
        """Post one event to the broker and return its id; the broker has it safely when this returns."""
        event_id = str(uuid.uuid4())
        headers = {
            "Ce-Specversion": "1.0",
            "Ce-Id": event_id,
            "Ce-Type": type,
            "Ce-Source": f"network.notifi.{third_party_id}",
            "Ce-Subject": parser_id,
            "Ce-Time": datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z"),
            "Ce-Correlationid": correlation_id or event_id,
            "Content-Type": "application/json",
        }
        await self._request("POST", self.addresses.broker, data=json.dumps(data), headers=headers)
        return event_id

    async def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call the Kubernetes API; `path` is everything after the host."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = await self._request(method, self.addresses.api + path, json=body, headers=headers)
        parsed: dict[str, Any] = json.loads(answer)
        return parsed

    async def watch(self, path: str, labels: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield (event type, object) of a collection: first what is there, then each change. Never ends."""
        assert self._http is not None
        query = {"watch": "true", "labelSelector": labels}
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._http.get(self.addresses.api + path, params=query, headers=headers) as response:
            if response.status >= 300:
                raise ClientError(f"watch of {path} answered {response.status}: {await response.text()}")
            while line := await response.content.readline():
                event = json.loads(line)
                yield event["type"], event["object"]
        raise ClientError(f"the watch of {path} ended: is the platform still running?")

    async def dead_letters(self, parser_id: str) -> list[str]:
        """What could not be delivered for one parser: one line of text for each dead letter."""
        letters = json.loads(await self._request("GET", f"{self.addresses.eventing}/dead-letters"))
        return [json.dumps(letter)[:600] for letter in letters if parser_id in json.dumps(letter)]

    async def gone(self, path: str, labels: str) -> None:
        """Return when no object of the collection carries the labels any more."""
        while (await self.api("GET", f"{path}?labelSelector={quote(labels)}"))["items"]:
            await asyncio.sleep(0.02)


def selector(third_party_id: str, parser_id: str) -> str:
    """The label selector of everything that belongs to one function."""
    return f"{THIRD_PARTY_LABEL}={third_party_id},{PARSER_LABEL}={parser_id}"


def _is_noise(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return any(part.startswith(".") or part == "__pycache__" for part in parts) or path.suffix == ".pyc"
