"""Functions over REST: lists of them, page by page, over the real automation and engine."""

import dataclasses

import httpx
import pytest

from automation import directory
from automation.events import FunctionId
from components import naming
from service.rate_limits import Rate
from tests.service.rest_world import BEARER, RestWorld

PAIRS = [("acme", "a"), ("acme", "b"), ("acme-two", "c"), ("Acme", "d"), ("zed", "e")]


@pytest.fixture
async def world(tmp_path):
    world = RestWorld(tmp_path, read_rate=Rate(0, 1))
    for third_party, parser in PAIRS:
        world.put(parser=parser)
        await world.send(world.build_start(function=FunctionId(third_party, parser)))
    yield world
    await world.close()


@pytest.fixture
async def client(world):
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=BEARER) as client:
        yield client


def pairs(body):
    return [(one["third_party_id"], one["parser_id"]) for one in body["functions"]]


async def walked(client, **query):
    """Return the functions of all pages, and how many pages there were."""
    found, pages = [], 0
    while True:
        body = (await client.get("/functions", params=query)).json()
        assert body["count"] == len(body["functions"]) <= query.get("limit", 30)
        found, pages = [*found, *pairs(body)], pages + 1
        if body["continue"] is None:
            return found, pages
        query["continue"] = body["continue"]


async def test_a_function_is_listed_with_where_it_stands(client):
    first = (await client.get("/functions")).json()["functions"][0]

    assert set(first) == {
        "third_party_id",
        "parser_id",
        "phase",
        "revision",
        "image_uri",
        "build_id",
        "build_status",
        "desired_at",
    }
    assert (first["phase"], first["build_status"], first["revision"]) == ("building", "running", None)


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 100])
async def test_pages_of_any_length_hold_every_function_once(client, limit):
    found, _ = await walked(client, limit=limit)

    assert sorted(found) == sorted(PAIRS)


async def test_nothing_follows_a_page_that_is_just_full(client):
    _, pages = await walked(client, limit=len(PAIRS))

    assert pages == 1


async def test_only_the_functions_of_the_third_party_that_is_named_are_listed(client):
    assert (await walked(client, third_party_id="acme"))[0] == [("acme", "a"), ("acme", "b")]
    assert (await walked(client, third_party_id="Acme"))[0] == [("Acme", "d")]
    assert (await walked(client, third_party_id="nobody"))[0] == []


async def test_only_functions_of_the_phase_that_is_named_are_listed(client, world):
    deleted = dataclasses.replace(world.delete(), function=FunctionId("acme", "b"))
    await world.send(deleted)

    assert (await walked(client, phase="deleted"))[0] == [("acme", "b")]
    assert ("acme", "b") not in (await walked(client, phase="building"))[0]


async def test_a_rare_phase_is_found_however_many_pages_hold_nothing(client, monkeypatch):
    monkeypatch.setattr(directory, "MAX_READ", 2)

    assert await walked(client, phase="ready") == ([], 3)


async def test_a_page_reads_no_stack_behind_it(client, world, monkeypatch):
    read = []
    engine = world.runner._engine
    outputs = engine.outputs
    monkeypatch.setattr(directory, "_READERS", 1)
    monkeypatch.setattr(engine, "outputs", lambda stack: read.append(stack) or outputs(stack))

    await client.get("/functions", params={"limit": 2})

    assert len(read) == 2


async def test_a_function_that_goes_between_two_pages_moves_no_other(client, world):
    first = (await client.get("/functions", params={"limit": 2})).json()
    gone = naming.stack_name(*pairs(first)[0])
    world.engine.remove(gone, expect=world.engine.outputs(gone).version)

    rest, _ = await walked(client, limit=2, **{"continue": first["continue"]})

    assert sorted([*pairs(first), *rest]) == sorted(PAIRS)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("phase=gone", "phase: 'gone' is not allowed"),
        ("limit=0", "limit: '0' is not allowed"),
        ("limit=101", "an integer from 1 to 100"),
        ("continue=../x", "continue: '../x' is not allowed"),
        ("third_party_id=a%2Fb", "third_party_id: 'a/b' is not allowed"),
        ("colour=red", "'colour' is no parameter"),
        ("limit=1&limit=2", "limit: given more than once"),
    ],
)
async def test_a_wrong_query_is_refused_with_what_is_allowed(client, query, problem):
    response = await client.get(f"/functions?{query}")

    assert (response.status_code, response.json()["error_type"]) == (400, "validation_error")
    assert problem.replace("'", '"') in response.json()["error"].replace("'", '"')


async def test_nobody_lists_without_a_token(world):
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as stranger:
        assert (await stranger.get("/functions")).status_code == 401


@pytest.mark.parametrize(("third_party", "parser"), [*PAIRS, ("0307ea43639b4616b044d190310a26bd", "x" * 60)])
def test_the_stacks_of_a_third_party_begin_with_its_prefix(third_party, parser):
    assert naming.stack_name(third_party, parser).startswith(naming.stack_prefix(third_party))
