"""Builds over REST: lists, one of them, cancellation, retry, and the log."""

import asyncio
import json

import httpx
import pytest

from automation.adapters.memory import MemoryStream
from automation.builds.ports import LiveLog
from service.rate_limits import Rate
from tests.service.rest_world import BEARER, RestWorld

LOG = b"INFO[0000] one\nINFO[0001] two\nERROR three\n"


@pytest.fixture
async def make(tmp_path):
    worlds = []

    def world(**changes):
        worlds.append(RestWorld(tmp_path, **changes))
        return worlds[-1]

    yield world
    for one in worlds:
        await one.close()


@pytest.fixture
async def world(make):
    return make()


def client_of(world, headers=BEARER):
    transport = httpx.ASGITransport(world.app)
    return httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers)


@pytest.fixture
async def client(world):
    async with client_of(world) as client:
        yield client


async def begun(world, **fields):
    return (await world.send(world.build_start(**fields))).fields["build_id"]


async def failed(world, log=LOG):
    started = await world.send(world.build_start())
    world.logs.logs[started.fields["job_name"]] = log
    await world.send(world.build_failed(started, message="killed", exit_code=137))
    return started.fields["build_id"]


def events(text):
    """Return what a reader of server-sent events gets: (id, event, data)."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    fields = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
    return [(block.get("id"), block.get("event"), block["data"]) for block in fields]


async def test_builds_are_listed_in_the_contracts_words(world, client):
    build_id = await begun(world)
    body = (await client.get("/builds")).json()

    assert {"builds", "count", "limit", "success", "timestamp", "duration"} == set(body)
    assert (body["success"], body["count"], body["limit"]) == (True, 1, 30)
    assert (body["builds"][0]["build_id"], body["builds"][0]["status"]) == (build_id, "running")


async def test_a_list_is_filtered_and_limited(world, client):
    first = await failed(world)
    second = await begun(world)

    async def ids(query):
        return [build["build_id"] for build in (await client.get(f"/builds?{query}")).json()["builds"]]

    assert await ids("status=failed") == [first]
    assert await ids("status=running&third_party_id=tp1&parser_id=p1") == [second]
    assert await ids("parser_id=other") == []
    assert len(await ids("limit=1")) == 1


@pytest.mark.parametrize(
    "query",
    [
        "status=done",
        "limit=0",
        "limit=101",
        "limit=ten",
        "limit=%C2%B2",
        "parser_id=a/b",
        "page=2",
        "limit=1&limit=2",
    ],
)
async def test_a_query_that_is_wrong_is_refused_with_what_is_allowed(client, query, refusal_problems):
    response = await client.get(f"/builds?{query}")

    assert refusal_problems(response, 400) == []
    assert query.split("=")[0] in response.json()["error"]


async def test_one_build_says_where_its_image_goes_how_long_it_took_and_how_its_log_ends(world, client):
    build_id = await failed(world)
    body = (await client.get(f"/builds/{build_id}")).json()

    assert body["image_uri"].startswith("registry.test/knative-lambdas:tp1-p1-")
    assert (body["status"], body["reason"], body["exit_code"]) == ("failed", "oom", 137)
    assert body["duration"] >= 0
    assert body["logs_preview"] == LOG.decode()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/logs"), ("POST", "/cancel"), ("POST", "/retry")],
)
@pytest.mark.parametrize("build_id", ["build-00000000", "a..b", "%2e%2e"])
async def test_a_build_that_nobody_knows_is_not_found(client, method, path, build_id, refusal_problems):
    assert refusal_problems(await client.request(method, f"/builds/{build_id}{path}"), 404) == []


async def test_a_cancelled_build_leaves_no_job_and_cannot_be_cancelled_again(world, client, refusal_problems):
    build_id = await begun(world)

    response = await client.post(f"/builds/{build_id}/cancel")

    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    assert world.cluster.kinds() == []
    assert (await client.get(f"/builds/{build_id}")).json()["reason"] == "cancelled"
    assert refusal_problems(await client.post(f"/builds/{build_id}/cancel"), 409) == []


async def test_two_who_cancel_one_build_at_once_both_succeed(world, client):
    build_id = await begun(world)

    both = await asyncio.gather(*(client.post(f"/builds/{build_id}/cancel") for _ in range(2)))

    assert {response.status_code for response in both} <= {200, 409}
    assert 200 in {response.status_code for response in both}


async def test_a_cancellation_is_an_event_like_any_other(world, client):
    build_id = await begun(world)
    await client.post(f"/builds/{build_id}/cancel", headers={"x-correlation-id": "trace-me"})

    handled = (await client.get("/functions/tp1/p1")).json()["events"][0]
    metrics = (await client.get("/metrics")).text

    assert handled["type"] == "io.knative.lambda.command.build.cancel"
    assert handled["source"] == "io.knative.lambda/builder/knative-lambda-local"
    assert (
        'cloudevents_received_total{mode="binary",type="io.knative.lambda.command.build.cancel"} 1.0'
        in metrics
    )


async def test_a_failed_build_is_tried_again_and_one_under_way_is_not(world, client, refusal_problems):
    build_id = await failed(world)

    response = await client.post(f"/builds/{build_id}/retry")
    older = await client.post(f"/builds/{build_id}/retry")

    assert (response.status_code, response.json()["status"]) == (202, "started")
    again = response.json()["build_id"]
    assert (await client.get(f"/builds/{again}")).json()["status"] == "running"
    assert refusal_problems(await client.post(f"/builds/{again}/retry"), 409) == []
    assert refusal_problems(older, 409) == []


async def test_retries_count_towards_the_rate_of_builds(make, refusal_problems):
    world = make(third_party_build_rate=Rate(0.001, 1))
    async with client_of(world) as client:
        await client.post(f"/builds/{await failed(world)}/retry")
        response = await client.post(f"/builds/{await failed(world)}/retry")

    assert refusal_problems(response, 429) == []


async def test_readers_have_a_rate_of_their_own(make, refusal_problems):
    world = make(read_rate=Rate(0.001, 2))
    async with client_of(world) as client:
        answers = [await client.get("/builds") for _ in range(3)]
        ready = await client.get("/ready")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert refusal_problems(answers[2], 429) == []
    assert ready.status_code == 200


@pytest.mark.parametrize(
    "path", ["/builds", "/builds/b", "/builds/b/logs", "/builds/b/cancel", "/builds/b/retry"]
)
async def test_nobody_gets_near_builds_without_a_token(world, path):
    method = "POST" if path.endswith(("cancel", "retry")) else "GET"
    async with client_of(world, {}) as client:
        response = await client.request(method, path)

    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_metrics_count_builds_by_template(world, client):
    build_id = await failed(world)
    for path in ("", "/logs"):
        await client.get(f"/builds/{build_id}{path}")

    text = (await client.get("/metrics")).text

    assert 'path="/builds/{build_id}/logs"' in text
    assert build_id not in text


async def test_a_kept_log_is_served_as_events_that_end_with_the_outcome(world, client):
    build_id = await failed(world)
    response = await client.get(f"/builds/{build_id}/logs")

    *lines, end = events(response.text)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert lines == [("1", None, "INFO[0000] one"), ("2", None, "INFO[0001] two"), ("3", None, "ERROR three")]
    assert end[:2] == ("end", "end")
    outcome = json.loads(end[2])
    assert (outcome["build_id"], outcome["status"], outcome["reason"]) == (build_id, "failed", "oom")


async def test_a_log_is_plain_text_for_those_who_ask_for_it(world, client):
    build_id = await failed(world)
    response = await client.get(f"/builds/{build_id}/logs", headers={"accept": "text/plain"})

    assert response.headers["content-type"].startswith("text/plain")
    assert response.text == LOG.decode()


async def test_a_reader_that_comes_back_goes_on_where_it_was(world, client):
    path = f"/builds/{await failed(world)}/logs"

    async def after(last):
        return await client.get(path, headers={"last-event-id": last})

    assert [event[0] for event in events((await after("2")).text)] == ["3", "end"]
    assert (await after("end")).status_code == 204
    assert (await after("x")).status_code == 400
    assert (await client.get(path, headers={"accept": "image/png"})).status_code == 406


async def test_a_log_is_streamed_while_the_build_runs_and_its_end_is_told(world, client):
    started = await world.send(world.build_start())
    world.logs.logs[started.fields["job_name"]] = LOG
    reading = asyncio.create_task(client.get(f"/builds/{started.fields['build_id']}/logs"))
    done, _ = await asyncio.wait((reading,), timeout=0.7)
    assert not done

    await world.send(world.build_complete(started))
    found = events((await reading).text)

    assert [event[0] for event in found] == ["1", "2", "3", "end"]
    assert json.loads(found[-1][2])["status"] == "succeeded"


async def test_more_followers_than_allowed_are_sent_back_and_places_come_free(make, refusal_problems):
    world = make(max_followers=1)
    started = await world.send(world.build_start())
    path = f"/builds/{started.fields['build_id']}/logs"
    async with client_of(world) as client:
        first = asyncio.create_task(client.get(path))
        while not world.builds._following:
            await asyncio.sleep(0.01)
        refused = await client.get(path)
        await world.send(world.build_complete(started))
        await first
        while world.builds._following:
            await asyncio.sleep(0.01)
        again = await client.get(path)

    assert refusal_problems(refused, 429) == []
    assert again.status_code == 200


class Endless(MemoryStream):
    """A log without an end; counts what was read of it."""

    def __init__(self):
        super().__init__([])
        self.pieces = 0

    def read(self):
        self.pieces += 1
        return b"" if self.closed else b"x" * 1023 + b"\n"


async def test_a_reader_that_takes_nothing_makes_nothing_be_read_ahead_and_is_let_go(world, monkeypatch):
    monkeypatch.setattr("service.rest.logs.STALLED_SECONDS", 0.5)
    started = await world.send(world.build_start())
    stream = Endless()
    monkeypatch.setattr(world.logs, "open", lambda job, *, follow: LiveLog(stream, ended=False))
    sent = []

    async def send(message):
        sent.append(message)
        if len(sent) > 4:
            await asyncio.Event().wait()

    async def receive():
        await asyncio.Event().wait()

    path = f"/builds/{started.fields['build_id']}/logs"
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", BEARER["Authorization"].encode())],
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http",
    }
    await asyncio.wait_for(world.app(scope, receive, send), 20)

    assert stream.pieces < 10
    assert stream.closed
    while world.builds._following:
        await asyncio.sleep(0.01)


async def test_logs_end_when_the_process_ends_so_that_readers_go_elsewhere(world, client):
    build_id = await begun(world)
    reading = asyncio.create_task(client.get(f"/builds/{build_id}/logs"))
    while not world.builds._following:
        await asyncio.sleep(0.01)

    world.app.state.health.drain()

    assert events((await asyncio.wait_for(reading, 10)).text) == []
