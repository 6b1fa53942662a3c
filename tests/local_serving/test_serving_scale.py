"""How many pods there are."""

import asyncio
from pathlib import Path

from local.apiserver.kinds import KSERVICE, POD
from local.serving import ServingOptions
from tests.local_node.world import NAMESPACE_NAME, alive, until
from tests.local_serving.city import City, running_city


async def test_an_idle_function_scales_to_zero_and_comes_back(city: City) -> None:
    city.deploy()
    await city.ready()
    _, first = await city.send()

    await city.at_zero()

    assert not alive(first["pid"])
    status, second = await city.send()
    assert status == 200
    assert second["pid"] != first["pid"]


async def test_a_service_at_zero_stays_ready_and_says_that_it_is_inactive(city: City) -> None:
    city.deploy()
    await city.ready()
    await city.at_zero()

    def inactive() -> bool:
        conditions = {entry["type"]: entry for entry in city.revision()["status"]["conditions"]}
        return conditions["Active"]["status"] == "False" and conditions["Ready"]["status"] == "True"

    await until(inactive, city.revision)
    assert city.condition()["status"] == "True"


async def test_load_brings_more_pods_and_idleness_takes_them_away(city: City) -> None:
    city.deploy(
        containerConcurrency=1, annotations={"max-scale": "3", "target-utilization-percentage": "100"}
    )
    await city.ready()
    load = [asyncio.create_task(city.send("/sleep?1.5")) for _ in range(3)]

    await until(lambda: len(city.pods()) == 3)
    answers = await asyncio.gather(*load)

    assert {status for status, _ in answers} == {200}
    assert len({seen["pid"] for _, seen in answers}) == 3
    await city.at_zero()


async def test_max_scale_is_never_exceeded(city: City) -> None:
    city.deploy(containerConcurrency=1, annotations={"max-scale": "2"})
    await city.ready()

    most = 0
    load = asyncio.gather(*(city.send("/sleep?0.2") for _ in range(12)))
    while not load.done():
        most = max(most, len([pod for pod in city.pods() if "deletionTimestamp" not in pod["metadata"]]))
        await asyncio.sleep(0.005)

    assert {status for status, _ in await load} == {200}
    assert most == 2


async def test_a_service_that_is_being_deleted_gets_no_new_pods(tmp_path: Path) -> None:
    async with running_city(tmp_path, ServingOptions(scale_to_zero_seconds=60, tick_seconds=0.02)) as city:
        city.deploy(START_SECONDS="0.3")
        await city.ready()
        names = {pod["metadata"]["name"] for pod in city.pods()}
        answer = asyncio.create_task(city.send("/sleep?0.3"))
        pods = city.store.watch(POD)
        city.store.delete(KSERVICE, NAMESPACE_NAME, "fn", propagation="Foreground")
        await until(lambda: city.revision() is None, city.revision)
        await asyncio.gather(answer, return_exceptions=True)
        pods.close()

        assert {event.object["metadata"]["name"] async for event in pods} == names


async def test_min_scale_keeps_pods_without_requests(tmp_path: Path) -> None:
    async with running_city(tmp_path, ServingOptions(scale_to_zero_seconds=0.1, tick_seconds=0.02)) as city:
        city.deploy(annotations={"min-scale": "2"})
        await city.ready()
        before = {pod["metadata"]["uid"] for pod in city.pods()}
        ticks = asyncio.create_task(asyncio.sleep(1.0))

        while not ticks.done():
            assert {pod["metadata"]["uid"] for pod in city.pods()} == before
            await asyncio.sleep(0.02)

        assert len(before) == 2


async def test_the_scale_down_delay_of_a_service_counts(city: City) -> None:
    city.deploy(annotations={"scale-down-delay": "1h"})
    city.deploy("brief", annotations={"scale-down-delay": "0s"})
    await city.ready()
    await city.ready("brief")

    await city.at_zero("brief-00001")

    assert city.pods()


async def test_a_pod_that_someone_deletes_is_replaced_when_needed(city: City) -> None:
    city.deploy(annotations={"min-scale": "1"})
    await city.ready()
    (pod,) = city.pods()

    city.store.delete(POD, "lambda", pod["metadata"]["name"])

    assert (await city.send())[0] == 200
    await until(lambda: [entry["metadata"]["uid"] for entry in city.pods()] != [pod["metadata"]["uid"]])
