"""Revisions, traffic and what a Service says about them."""

import asyncio
from collections import Counter

from local.apiserver.kinds import CONFIGURATION, KSERVICE, POD, REVISION, ROUTE
from tests.local_node.world import NAMESPACE_NAME, until
from tests.local_serving.city import City


async def test_a_new_service_says_what_knative_says(city: City) -> None:
    city.deploy()

    status = (await city.ready())["status"]

    url = f"http://fn.{NAMESPACE_NAME}.localhost:{city.serving.port}"
    assert status["url"] == status["address"]["url"] == url
    assert status["latestCreatedRevisionName"] == status["latestReadyRevisionName"] == "fn-00001"
    assert status["traffic"] == [{"revisionName": "fn-00001", "percent": 100, "latestRevision": True}]
    assert [entry["type"] for entry in status["conditions"]] == [
        "ConfigurationsReady",
        "Ready",
        "RoutesReady",
    ]
    assert all("lastTransitionTime" in entry for entry in status["conditions"])


async def test_a_service_that_is_starting_is_neither_ready_nor_failed(city: City) -> None:
    city.deploy(START_SECONDS="1")

    seen: set[str] = set()
    while city.condition().get("status") != "True":
        seen |= {city.condition(type).get("status", "") for type in ("Ready", "RoutesReady")}
        await asyncio.sleep(0.005)

    assert seen == {"", "Unknown"}


async def test_a_revision_pins_the_image_by_digest(city: City) -> None:
    city.deploy()
    await city.ready()
    digest = city.world.images.resolve("registry.local/function:v1").digest

    assert city.revision()["status"]["containerStatuses"] == [
        {"name": "user-container", "imageDigest": f"registry.local/function@{digest}"}
    ]
    assert city.pods()[0]["spec"]["containers"][0]["image"] == f"registry.local/function@{digest}"


async def test_only_a_changed_template_makes_a_revision(city: City) -> None:
    city.deploy()
    await city.ready()
    city.deploy()
    city.store.patch(
        KSERVICE, NAMESPACE_NAME, "fn", {"metadata": {"labels": {"team": "a"}}}, patch_type="merge"
    )
    await city.ready()
    assert city.revision("fn-00002") is None

    city.deploy(VERSION="two")

    await city.ready(revision="fn-00002")
    assert city.revision("fn-00001") is not None


async def test_a_rollout_loses_no_request_and_ends_the_old_pods(city: City) -> None:
    city.deploy(VERSION="one", containerConcurrency=4)
    await city.ready()
    answers: list[tuple[int, str]] = []
    rolled_out = asyncio.Event()

    async def client() -> None:
        while not rolled_out.is_set() or answers[-1][1] != "two":
            status, seen = await city.send("/sleep?0.003", method="POST", data=b"x")
            answers.append((status, seen["version"] if status == 200 else str(seen)))

    clients = asyncio.gather(*(client() for _ in range(8)))
    await until(lambda: len(answers) > 50)
    for number, version in enumerate(("extra", "two"), start=2):
        city.deploy(VERSION=version, START_SECONDS="0.2", containerConcurrency=4)
        await city.ready(revision=f"fn-0000{number}")
    rolled_out.set()
    await clients

    assert {status for status, _ in answers} == {200}, Counter(answers)
    assert answers[0][1] == "one"
    await city.at_zero("fn-00001")


async def test_a_running_request_may_end_on_the_old_revision(city: City) -> None:
    city.deploy(VERSION="one")
    await city.ready()
    long = asyncio.create_task(city.send("/sleep?1"))
    await until(lambda: city.serving.metrics.requests == 1)

    city.deploy(VERSION="two")
    await city.ready(revision="fn-00002")
    _, new = await city.send()

    assert new["version"] == "two"
    status, old = await long
    assert (status, old["version"]) == (200, "one")
    await city.at_zero("fn-00001")


async def test_a_revision_that_cannot_start_leaves_the_old_one_in_place(city: City) -> None:
    city.deploy(VERSION="one")
    await city.ready()

    city.deploy(VERSION="two", BROKEN="yes")

    await until(lambda: city.condition().get("status") == "False", city.service)
    ready = city.condition()
    assert ready["reason"] == "RevisionFailed"
    assert ready["message"].startswith('Revision "fn-00002" failed with message: Container failed with: ')
    assert "cannot import the parser" in ready["message"]
    assert city.condition("RoutesReady")["status"] == "True"
    assert city.service()["status"]["latestReadyRevisionName"] == "fn-00001"
    _, seen = await city.send()
    assert seen["version"] == "one"


async def test_a_broken_revision_is_given_up_for_a_newer_one(city: City) -> None:
    city.deploy(VERSION="one", BROKEN="yes")
    await until(lambda: city.condition().get("status") == "False", city.service)

    city.deploy(VERSION="two")
    await city.ready(revision="fn-00002")

    await city.at_zero("fn-00001")
    assert (await city.send())[1]["version"] == "two"


async def test_a_function_that_never_starts_is_answered_for_with_503(city: City) -> None:
    city.deploy(BROKEN="yes")
    await until(lambda: city.condition().get("status") == "False", city.service)

    status, answer = await city.send(host=f"fn-00001.{NAMESPACE_NAME}.localhost")

    assert status == 503
    assert "cannot import the parser" in answer["message"]
    assert city.condition("RoutesReady")["reason"] == "RevisionMissing"


async def test_a_missing_image_is_named_and_found_when_it_comes(city: City) -> None:
    city.deploy(image="registry.local/absent:v1")

    await until(lambda: city.condition().get("status") == "False", city.service)
    assert 'Unable to fetch image "registry.local/absent:v1"' in city.condition()["message"]
    assert city.condition("ConfigurationsReady")["reason"] == "RevisionFailed"
    ready = next(e for e in city.revision()["status"]["conditions"] if e["type"] == "Ready")
    assert ready["reason"] == "ContainerMissing"

    city.world.images.tag(
        "registry.local/absent:v1", city.world.images.resolve("registry.local/function:v1").digest
    )

    await city.ready()


async def test_traffic_is_split_by_percent_and_tags_have_hosts_of_their_own(city: City) -> None:
    city.deploy(VERSION="one")
    await city.ready()
    city.deploy(
        VERSION="two",
        traffic=[
            {"revisionName": "fn-00001", "percent": 80, "tag": "old"},
            {"latestRevision": True, "percent": 20},
        ],
    )
    await city.ready(revision="fn-00002")

    versions = Counter([(await city.send())[1]["version"] for _ in range(50)])
    _, tagged = await city.send(host=f"old-fn.{NAMESPACE_NAME}.localhost")

    assert versions == {"one": 40, "two": 10}
    assert tagged["version"] == "one"
    entry = city.service()["status"]["traffic"][0]
    assert (entry["tag"], entry["url"]) == ("old", f"http://old-fn.lambda.localhost:{city.serving.port}")


async def test_traffic_to_a_revision_that_is_not_there_is_refused(city: City) -> None:
    city.deploy(traffic=[{"revisionName": "fn-00042", "percent": 100}])

    await until(lambda: city.condition("RoutesReady").get("reason") == "RevisionMissing", city.service)

    assert "fn-00042" in city.condition()["message"]


async def test_a_deleted_service_takes_everything_with_it(city: City) -> None:
    city.deploy()
    await city.ready()
    await city.send()

    city.store.delete(KSERVICE, NAMESPACE_NAME, "fn")

    await city.at_zero()
    for kind in (CONFIGURATION, REVISION, ROUTE, POD):
        assert city.store.list(kind, NAMESPACE_NAME)[0] == []
    assert (await city.send())[0] == 404


async def test_a_service_can_be_made_again_after_it_was_deleted(city: City) -> None:
    city.deploy(VERSION="one")
    await city.ready()
    city.store.delete(KSERVICE, NAMESPACE_NAME, "fn")
    await city.at_zero()

    city.deploy(VERSION="again")
    await city.ready()

    assert (await city.send())[1]["version"] == "again"
