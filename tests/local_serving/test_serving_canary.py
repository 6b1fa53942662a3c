"""The Services that functions are rolled out with, on the local Serving: splits, readiness, the way back."""

import dataclasses
from collections import Counter
from typing import Any

from automation.rollout_watch import observed
from components.function import FunctionArgs
from components.manifests import function as manifests
from local.apiserver.kinds import KSERVICE
from tests.local_node.world import NAMESPACE_NAME, until
from tests.local_serving.city import City

ONE = FunctionArgs(
    function_name="fn",
    namespace=NAMESPACE_NAME,
    third_party_id="tp",
    parser_id="p",
    image="registry.local/function:v1",
    broker="broker",
    broker_url="http://broker.test",
    variables=(("VERSION", "one"),),
    number=1,
    pending=True,
)


def apply(city: City, args: FunctionArgs) -> None:
    """Apply a function's own Service, with a container that needs nothing that the city does not have."""
    ksvc: dict[str, Any] = manifests.knative_service(args)
    spec = ksvc["spec"]["template"]["spec"]
    for name in ("serviceAccountName", "volumes"):
        del spec[name]
    for name in ("envFrom", "securityContext", "volumeMounts"):
        del spec["containers"][0][name]
    city.store.apply(KSERVICE, NAMESPACE_NAME, "fn", ksvc, manager="test")


async def versions(city: City, count: int = 50) -> Counter[str]:
    return Counter([(await city.send())[1]["version"] for _ in range(count)])


async def test_a_canary_gets_its_percent_once_it_is_ready_and_can_be_called_by_its_tag(city: City) -> None:
    apply(city, ONE)
    await until(lambda: (seen := observed(city.service())) is not None and seen.ready, city.service)
    assert observed(city.service()).revision == "fn-00001"  # type: ignore[union-attr]

    two = dataclasses.replace(
        ONE, variables=(("VERSION", "two"), ("START_SECONDS", "0.3")), number=2, percent=20
    )
    apply(city, dataclasses.replace(two, stable_revision="fn-00001"))

    assert await versions(city, 5) == {"one": 5}
    await until(lambda: (seen := observed(city.service())) is not None and seen.ready, city.service)
    assert await versions(city) == {"one": 40, "two": 10}
    _, canary = await city.send(host=f"canary-fn.{NAMESPACE_NAME}.localhost")
    assert canary["version"] == "two"
    apply(city, dataclasses.replace(two, percent=100, pending=False))
    await until(lambda: len(city.service()["status"]["traffic"]) == 1, city.service)
    assert await versions(city, 5) == {"two": 5}


async def test_a_canary_that_cannot_start_is_seen_as_failed_and_gets_nothing(city: City) -> None:
    apply(city, ONE)
    await city.ready()
    broken = dataclasses.replace(
        ONE, variables=(("BROKEN", "yes"),), number=2, percent=50, stable_revision="fn-00001"
    )

    apply(city, broken)

    await until(
        lambda: (seen := observed(city.service())) is not None and seen.failed_since is not None, city.service
    )
    seen = observed(city.service())
    assert seen is not None
    assert (seen.number, seen.ready) == (2, False)
    assert "cannot import the parser" in seen.message
    assert await versions(city, 10) == {"one": 10}
    back = dataclasses.replace(ONE, number=3, percent=0, stable_revision="fn-00001")
    apply(city, back)
    await until(
        lambda: (seen := observed(city.service())) is not None and (seen.number, seen.ready) == (3, True)
    )
    assert await versions(city, 10) == {"one": 10}


async def test_traffic_that_cannot_be_assigned_stays_where_it_is(city: City) -> None:
    """Of a split that names a revision which is not there, Knative changes nothing."""
    city.deploy(VERSION="one")
    await city.ready()

    city.deploy(VERSION="one", traffic=[{"revisionName": "fn-00042", "percent": 100}])

    await until(lambda: city.condition("RoutesReady").get("reason") == "RevisionMissing", city.service)
    assert await versions(city, 3) == {"one": 3}
    assert city.service()["status"]["traffic"][0]["revisionName"] == "fn-00001"
