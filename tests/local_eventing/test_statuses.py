import pytest

from local.apiserver.kinds import BROKER, KSERVICE, SERVICE, TRIGGER
from tests.local_eventing.conftest import NS, until


def conditions(status) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in status["conditions"]}


def reason(status, name: str) -> str:
    return next(
        f"{entry['reason']}: {entry['message']}" for entry in status["conditions"] if entry["type"] == name
    )


KSVC = {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "fn"}}


async def test_a_broker_is_ready_and_addressable(world):
    world.broker()

    status = await until(lambda: world.store.get(BROKER, NS, "default").get("status"))

    assert status["address"]["url"] == f"http://127.0.0.1:{world.eventing.port}/{NS}/default"
    assert conditions(status)["Ready"] == "True"
    assert status["observedGeneration"] == 1


async def test_a_trigger_is_ready_with_the_addresses_it_uses(world):
    world.broker()
    world.ksvc("fn", "http://fn.ns.localhost:1")
    world.trigger("t", KSVC, delivery={"deadLetterSink": {"uri": "http://sink/"}})

    status = await world.ready("t")

    assert status["subscriberUri"] == "http://fn.ns.localhost:1"
    assert status["deadLetterSinkUri"] == "http://sink/"
    assert set(conditions(status)) == {
        "BrokerReady",
        "DeadLetterSinkResolved",
        "DependencyReady",
        "Ready",
        "SubscriberResolved",
        "SubscriptionReady",
    }


async def test_a_trigger_waits_for_its_broker(world):
    world.trigger("t", "http://127.0.0.1:1")
    status = await world.ready("t", "False")
    assert reason(status, "Ready") == 'BrokerDoesNotExist: Broker "default" does not exist'

    world.broker()

    await world.ready("t")


async def test_a_trigger_waits_for_its_subscriber_and_keeps_the_events(world):
    subscriber = await world.subscriber()
    world.broker()
    world.trigger("t", KSVC)
    assert "failed to get object knative-lambda-local/fn" in reason(await world.ready("t", "False"), "Ready")
    assert await world.post(id="early") == 202

    world.ksvc("fn", None)
    await until(
        lambda: "address not set" in reason(world.store.get(TRIGGER, NS, "t")["status"], "SubscriberResolved")
    )
    world.store.update_status(KSERVICE, NS, "fn", {"address": {"url": subscriber.url}})

    await world.ready("t")
    await until(lambda: [got.id for got in subscriber.received] == ["early"])


async def test_a_subscriber_that_moves_is_followed(world):
    first, second = await world.subscriber(), await world.subscriber()
    world.broker()
    world.ksvc("fn", first.url)
    world.trigger("t", KSVC)
    await world.ready("t")

    world.store.update_status(KSERVICE, NS, "fn", {"address": {"url": second.url}})
    await until(lambda: world.store.get(TRIGGER, NS, "t")["status"]["subscriberUri"] == second.url)
    await world.post()

    await until(lambda: second.received)
    assert first.received == []


async def test_a_uri_beside_a_reference_is_relative_to_it(world):
    world.broker()
    world.ksvc("fn", "http://fn.localhost:1")
    world.trigger("t", {**KSVC, "uri": "/events"})

    assert (await world.ready("t"))["subscriberUri"] == "http://fn.localhost:1/events"


async def test_a_core_service_is_addressed_by_name_and_one_of_knative_s_by_its_service(world):
    world.broker()
    reference = {"apiVersion": "v1", "kind": "Service", "name": "dlq"}
    world.store.create(
        SERVICE, {"metadata": {"name": "dlq", "namespace": NS}, "spec": {"ports": [{"port": 8080}]}}
    )
    world.trigger("t", {"ref": reference})
    assert (await world.ready("t"))["subscriberUri"] == f"http://dlq.{NS}.svc.cluster.local:8080"

    world.ksvc("dlq", "http://dlq.localhost:1")

    await until(
        lambda: world.store.get(TRIGGER, NS, "t")["status"]["subscriberUri"] == "http://dlq.localhost:1"
    )


async def test_a_broker_can_be_a_subscriber(world):
    end = await world.subscriber()
    world.broker()
    world.broker("second")
    reference = {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "second"}
    world.trigger("over", {"ref": reference})
    world.trigger("end", end.url, broker="second")
    await world.ready("over")
    await world.ready("end")

    await world.post(id="through")

    await until(lambda: [got.id for got in end.received] == ["through"])


@pytest.mark.parametrize(
    ("spec", "condition", "expected"),
    [
        (
            {"filters": [{"cesql": "type = 'a'"}]},
            "SubscriptionReady",
            "FilterNotSupported: the filter dialect 'cesql'",
        ),
        ({"filters": [{"nosuch": {}}]}, "SubscriptionReady", "unknown filter dialect 'nosuch'"),
        (
            {"delivery": {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "1s"}},
            "SubscriptionReady",
            "ISO 8601",
        ),
        ({"delivery": {"deadLetterSink": {"uri": "no url"}}}, "DeadLetterSinkResolved", "uri is 'no url'"),
    ],
)
async def test_what_cannot_be_used_is_named_in_the_status(world, spec, condition, expected):
    world.broker()
    world.trigger("t", "http://127.0.0.1:1", **spec)

    assert expected in reason(await world.ready("t", "False"), condition)


async def test_a_changed_trigger_is_followed(world):
    subscriber = await world.subscriber()
    world.broker()
    made = world.trigger("t", subscriber.url, filter={"attributes": {"type": "old"}})
    await world.ready("t")

    changed = {**made, "spec": {**made["spec"], "filter": {"attributes": {"type": "new"}}}}
    changed["metadata"] = {k: v for k, v in made["metadata"].items() if k != "resourceVersion"}
    world.store.update(TRIGGER, changed)
    await until(lambda: world.store.get(TRIGGER, NS, "t")["status"]["observedGeneration"] == 2)
    await world.post(id="1", type="old")
    await world.post(id="2", type="new")

    await until(lambda: subscriber.received)
    assert [got.id for got in subscriber.received] == ["2"]


async def test_a_deleted_trigger_gets_nothing_more(world):
    gone, stays = await world.subscriber(), await world.subscriber()
    world.broker()
    world.trigger("gone", gone.url)
    world.trigger("stays", stays.url)
    await world.ready("gone")
    await world.ready("stays")

    world.store.delete(TRIGGER, NS, "gone")
    await world.post(id="before-the-watch-tells")
    await until(lambda: stays.received)
    gone.received.clear()
    await world.post(id="after")
    await until(lambda: len(stays.received) == 2)

    assert gone.received == []
