"""Watches: what they send, from where they begin, and how they end."""

import asyncio
import itertools

import aiohttp

from local.apiserver.server import ApiServer
from local.apiserver.store import Store
from local.apiserver.tokens import Tokens
from local_apiserver.client import Api, configmap, until


def _types_and_names(events):
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


def test_a_watch_from_a_list_sends_what_happens_after_it(api: Api):
    api.post("configmaps", configmap("before"))
    listed = api.get("configmaps")

    with api.watch("configmaps", resourceVersion=listed.version, fieldSelector="metadata.name=a") as events:
        api.post("configmaps", configmap("a", k="v"))
        api.patch("configmaps/a", {"data": {"k": "w"}})
        api.delete("configmaps/a")
        seen = list(itertools.islice(events, 3))

    assert _types_and_names(seen) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert seen[1]["object"]["data"] == {"k": "w"}
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))
    assert seen[0]["object"]["kind"] == "ConfigMap"


def test_a_watch_without_a_version_begins_with_what_is_there(api: Api):
    api.post("configmaps", configmap("a"))

    with api.watch("configmaps", fieldSelector="metadata.name=a") as events:
        first = next(events)

    assert _types_and_names([first]) == [("ADDED", "a")]


def test_a_resumed_watch_sends_what_was_missed(api: Api):
    start = api.get("configmaps").version
    api.post("configmaps", configmap("a"))
    api.post("configmaps", configmap("b"))

    with api.watch(
        "configmaps", resourceVersion=start, fieldSelector="metadata.name!=kube-root-ca.crt"
    ) as events:
        seen = list(itertools.islice(events, 2))

    assert _types_and_names(seen) == [("ADDED", "a"), ("ADDED", "b")]


def test_an_object_that_leaves_a_selection_is_sent_as_deleted_and_one_that_enters_as_added(api: Api):
    start = api.get("configmaps").version

    with api.watch("configmaps", resourceVersion=start, labelSelector="on=1") as events:
        api.post("configmaps", configmap("a"))
        api.patch("configmaps/a", {"metadata": {"labels": {"on": "1"}}})
        api.patch("configmaps/a", {"metadata": {"labels": {"on": "2"}}})
        seen = list(itertools.islice(events, 2))

    assert _types_and_names(seen) == [("ADDED", "a"), ("DELETED", "a")]


def test_a_watch_ends_when_its_time_is_up(api: Api):
    query = {"fieldSelector": "metadata.name=none", "timeoutSeconds": "1"}

    with api.watch("configmaps", resourceVersion=api.get("configmaps").version, **query) as events:
        assert list(events) == []


def test_a_watch_from_a_forgotten_version_gets_a_410(local_api: Api, running):
    start = local_api.get("configmaps").version
    table = running.store.storage._tables
    kind = next(kind for kind in table if kind.kind == "ConfigMap")
    table[kind].forgotten = int(start) + 1

    with local_api.watch("configmaps", resourceVersion=start) as events:
        seen = list(events)

    table[kind].forgotten = 0
    assert [event["type"] for event in seen] == ["ERROR"]
    assert seen[0]["object"]["code"] == 410
    assert seen[0]["object"]["reason"] == "Expired"


def test_all_namespaces_can_be_watched(api: Api):
    body = configmap("a")
    body["metadata"]["labels"] = {"contract": api.namespace}
    start = api.get("configmaps").version

    with api.watch(
        "/api/v1/configmaps", resourceVersion=start, labelSelector=f"contract={api.namespace}"
    ) as events:
        api.post("configmaps", body)
        seen = next(events)

    assert seen["object"]["metadata"]["namespace"] == api.namespace


def test_a_watch_whose_client_is_gone_is_closed(local_api: Api, running):
    before = running.server.open_watches

    with local_api.watch("configmaps", fieldSelector="metadata.name=kube-root-ca.crt") as events:
        next(events)
        assert running.server.open_watches == before + 1

    until(lambda: running.server.open_watches, lambda count: count == before)


async def test_a_stopping_server_ends_its_watches():
    server = ApiServer(Store(), Tokens())
    await server.start()
    headers = {"Authorization": f"Bearer {server.tokens.admin_token}"}
    async with aiohttp.ClientSession(server.url, headers=headers) as session:
        reply = await session.get("/api/v1/namespaces?watch=1")
        first = await reply.content.readline()

        await asyncio.wait_for(server.stop(), 10)

        assert b'"ADDED"' in first
        assert b'"ERROR"' not in await reply.read()


def test_bookmarks_come_at_the_end_on_demand(local_api: Api):
    start = local_api.get("configmaps").version
    query = {"fieldSelector": "metadata.name=none", "timeoutSeconds": "1", "allowWatchBookmarks": "true"}

    with local_api.watch("configmaps", resourceVersion=start, **query) as events:
        seen = list(events)

    assert [event["type"] for event in seen] == ["BOOKMARK"]
    assert int(seen[0]["object"]["metadata"]["resourceVersion"]) >= int(start)
