"""A build followed over REST: executor, node, API server and object storage are the local platform's."""

import asyncio
import json

import aiohttp
import pytest

from local.deploy import THIRD_PARTY
from tests.e2e.test_main_path import HELLO, eventually, post

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOT_THERE = "there-is-no-such-package-as-this==0.0.1"


class Reader:
    """Reads over REST with the platform's token."""

    def __init__(self, http, session):
        token = (session.data / "api-token").read_text().strip()
        self._http, self._url = http, session.addresses.service
        self._headers = {"Authorization": f"Bearer {token}"}

    async def json(self, path, method="GET"):
        async with self._http.request(method, f"{self._url}{path}", headers=self._headers) as response:
            return response.status, await response.json()

    async def log(self, build_id, **headers):
        """Return the whole stream of a log: its status and its text."""
        options = {"headers": {**self._headers, **headers}, "timeout": aiohttp.ClientTimeout(total=100)}
        async with self._http.get(f"{self._url}/builds/{build_id}/logs", **options) as response:
            return response.status, await response.text()


def read(text):
    """Return the lines of a stream by their number, and the outcome."""
    blocks = [dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
              for block in text.split("\n\n") if block and block[0] != ":"]  # fmt: skip
    ends = [json.loads(block["data"]) for block in blocks if block.get("event") == "end"]
    return [(block["id"], block.get("data", "")) for block in blocks if "event" not in block], ends[0]


@pytest.fixture
def reader(http, session):
    return Reader(http, session)


async def begin(parser, client, http, session):
    await client.put_code(parser.folder, parser.id)
    status, body = await post(http, session, "build.start", parser.id)
    assert status == 200, body
    return body["build_id"]


async def test_a_log_followed_from_the_start_is_the_one_that_is_kept(parser, client, http, session, reader):
    build_id = await begin(parser.write(HELLO), client, http, session)

    lines, outcome = read((await reader.log(build_id))[1])
    _, build = await reader.json(f"/builds/{build_id}")

    assert (outcome["status"], build["status"]) == ("succeeded", "succeeded")
    assert "@sha256:" in build["image_uri"]
    assert [number for number, _ in lines] == [str(number) for number in range(1, len(lines) + 1)]
    assert read((await reader.log(build_id))[1])[0] == lines
    assert read((await reader.log(build_id, **{"Last-Event-ID": "3"}))[1])[0] == lines[3:]
    text = (await reader.log(build_id, Accept="text/plain"))[1]
    assert text.splitlines() == [line for _, line in lines]


async def test_the_log_of_a_failed_build_outlives_its_pod_and_says_why(parser, client, http, session, reader):
    build_id = await begin(parser.write(HELLO, NOT_THERE), client, http, session)
    lines, outcome = read((await reader.log(build_id))[1])
    labels = f"build.notifi.network/parser-id={parser.id}"

    async def gone():
        return not (await client.api("GET", f"/api/v1/pods?labelSelector={labels}"))["items"]

    await eventually(gone)
    _, build = await reader.json(f"/builds/{build_id}")
    _, found = await reader.json(f"/builds?third_party_id={THIRD_PARTY}&parser_id={parser.id}&status=failed")

    assert (outcome["status"], outcome["reason"]) == ("failed", "dependency_install")
    assert any("there-is-no-such-package" in line for _, line in lines)
    assert read((await reader.log(build_id))[1])[0] == lines
    assert "there-is-no-such-package" in build["logs_preview"]
    assert [one["build_id"] for one in found["builds"]] == [build_id]


async def test_a_cancelled_build_ends_its_readers(parser, client, http, session, reader):
    build_id = await begin(parser.write(HELLO), client, http, session)
    reading = asyncio.create_task(reader.log(build_id))

    status, body = await reader.json(f"/builds/{build_id}/cancel", "POST")

    assert (status, body["status"]) == (200, "cancelled")
    assert read((await reading)[1])[1]["reason"] == "cancelled"
    assert (await reader.json(f"/builds/{build_id}/cancel", "POST"))[0] == 409
