"""Requests through the gateway."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from local.serving import ServingOptions
from tests.local_node.world import NAMESPACE_NAME, until
from tests.local_serving.city import City, running_city


async def test_a_request_starts_the_function_from_zero(city: City) -> None:
    city.deploy()
    await city.ready()
    await city.at_zero()

    status, seen = await city.send("/hello?a=1", headers={"Ce-Type": "x"})

    assert (status, seen["path"], seen["query"], seen["headers"]["ce-type"]) == (200, "/hello", "a=1", "x")
    assert seen["headers"]["host"] == f"fn.{NAMESPACE_NAME}.localhost"
    assert city.serving.metrics.cold_starts == 1
    assert 0 < city.serving.metrics.last_cold_start_ms < 5000


async def test_requests_are_buffered_while_the_function_starts(city: City) -> None:
    city.deploy(START_SECONDS="0.5")
    await city.ready()
    await city.at_zero()

    answers = await asyncio.gather(*(city.send(f"/{number}") for number in range(50)))

    assert [status for status, _ in answers] == [200] * 50
    assert sorted(int(seen["path"][1:]) for _, seen in answers) == list(range(50))
    assert len({seen["pid"] for _, seen in answers}) == 1


async def test_more_waiting_requests_than_allowed_are_refused(tmp_path: Path) -> None:
    async with running_city(tmp_path, ServingOptions(max_queued=5)) as city:
        city.deploy(containerConcurrency=1, annotations={"max-scale": "1"})
        await city.ready()

        answers = await asyncio.gather(*(city.send("/sleep?0.5") for _ in range(8)))

    refused = [seen for status, seen in answers if status == 503]
    assert len(refused) == 2
    assert refused[0]["message"] == "5 requests wait for this revision already; try again later"
    assert city.serving.metrics.rejected == 2


async def test_a_pod_never_gets_more_requests_than_its_limit(city: City) -> None:
    city.deploy(containerConcurrency=2, annotations={"max-scale": "1"})
    await city.ready()

    answers = await asyncio.gather(*(city.send("/sleep?0.02") for _ in range(20)))

    assert {status for status, _ in answers} == {200}
    assert max(seen["most"] for _, seen in answers) == 2


async def test_a_request_that_takes_too_long_is_answered_with_504(city: City) -> None:
    city.deploy(timeoutSeconds=1)
    await city.ready()

    status, answer = await city.send("/sleep?60")

    assert status == 504
    assert "within 1 s" in answer["message"]
    assert city.serving.metrics.timeouts == 1


async def test_an_unknown_host_is_not_found(city: City) -> None:
    status, answer = await city.send(host="nobody.lambda.localhost")

    assert status == 404
    assert "nobody.lambda.localhost" in answer["message"]


@pytest.mark.parametrize(
    "host", ["fn.lambda.svc.cluster.local", "fn.lambda.localhost:8080", "fn-00001.lambda.localhost"]
)
async def test_a_service_has_several_names(city: City, host: str) -> None:
    city.deploy()
    await city.ready()

    status, _ = await city.send(host=host)

    assert status == 200


async def test_bodies_are_passed_on_whole(city: City) -> None:
    city.deploy()
    await city.ready()

    async def pieces():
        for _ in range(50):
            yield b"x" * 10_000

    small = await city.send(method="POST", data=b"x" * 100)
    large = await city.send(method="POST", data=b"x" * 300_000)
    chunked = await city.send(method="POST", data=pieces())

    assert [seen["length"] for _, seen in (small, large, chunked)] == [100, 300_000, 500_000]


async def test_compressed_bodies_stay_as_they_are(city: City) -> None:
    city.deploy()
    await city.ready()

    _, seen = await city.send(method="POST", data=b"not really gzip", headers={"Content-Encoding": "gzip"})

    assert (seen["length"], seen["headers"]["content-encoding"]) == (15, "gzip")


async def test_responses_are_streamed(city: City) -> None:
    city.deploy()
    await city.ready()
    url = f"http://127.0.0.1:{city.serving.port}/stream?100"

    async with city.http.get(url, headers={"Host": f"fn.{NAMESPACE_NAME}.localhost"}) as response:
        first = await response.content.readexactly(5)
        assert not response.content.at_eof(), "the response came in one piece"
        rest = await response.content.read()

    assert first == b"00000"
    assert rest.endswith(b"00099")


async def test_head_has_no_body(city: City) -> None:
    city.deploy()
    await city.ready()

    assert await city.send(method="HEAD") == (200, "")


async def test_a_function_that_dies_over_a_request_gives_502(city: City) -> None:
    city.deploy()
    await city.ready()

    status, answer = await city.send("/crash")

    assert status == 502
    assert "broke off" in answer["message"]


async def test_a_response_that_is_cut_off_is_not_passed_off_as_whole(city: City) -> None:
    city.deploy()
    await city.ready()

    with pytest.raises(aiohttp.ClientError):
        await city.send("/cut")


async def test_a_crashed_function_is_back_for_the_next_request(city: City) -> None:
    city.deploy()
    await city.ready()
    await city.send("/crash")

    status, _ = await city.send()

    assert status == 200


async def test_a_sender_that_goes_away_gives_its_place_back(city: City) -> None:
    city.deploy(containerConcurrency=1, annotations={"max-scale": "1"})
    await city.ready()
    long = asyncio.create_task(city.send("/sleep?60"))
    waiting = asyncio.create_task(city.send())
    await until(lambda: city.serving.metrics.requests == 2)

    waiting.cancel()
    long.cancel()

    assert (await city.send())[0] == 200
    await asyncio.gather(long, waiting, return_exceptions=True)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("//127.0.0.1:1/x", "//127.0.0.1:1/x"),
        ("http://fn.lambda.localhost:1/y", "/y"),
        ("/a%2Fb?q=%20", "/a%2Fb"),
    ],
)
async def test_a_request_goes_to_the_pod_whatever_its_target_says(city: City, target: str, path: str) -> None:
    city.deploy()
    await city.ready()

    _, answer = await raw(city, f"GET {target} HTTP/1.1\r\nHost: fn.{NAMESPACE_NAME}.localhost\r\n")

    assert json.loads(answer)["path"] == path


async def test_a_target_that_is_no_path_is_refused(city: City) -> None:
    city.deploy()
    await city.ready()

    head, _ = await raw(city, f"OPTIONS * HTTP/1.1\r\nHost: fn.{NAMESPACE_NAME}.localhost\r\n")

    assert b" 400 " in head


async def raw(city: City, request: str) -> tuple[bytes, bytes]:
    """Send a request head as it is; returns head and body of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", city.serving.port)
    writer.write(f"{request}Connection: close\r\n\r\n".encode())
    response = await reader.read()
    writer.close()
    head, _, body = response.partition(b"\r\n\r\n")
    return head, body
