"""Rollouts from the event to the traffic: what the rounds see of Knative, and what they lead to."""

import asyncio
import dataclasses
import datetime

import pytest

from automation.adapters.kubernetes_functions import KubernetesFunctions
from automation.configuration import Configuration, RolloutPolicy, SecretVariable
from automation.errors import DependencyUnavailable, InvalidEvent
from automation.events import FunctionDeploy
from automation.function_admission import admit
from automation.rollout_watch import RolloutWatch, observed
from automation.runner import Runner
from tests.automation.conftest import WRAPPERS

CANARY = RolloutPolicy(steps=(20,), pause_seconds=60)
IMAGE = "registry.test/mine@sha256:" + "1" * 64
NEWER = "registry.test/mine@sha256:" + "2" * 64


class Knative:
    """What Knative would say of the Services that were applied; `broken` are images that do not start."""

    def __init__(self, world):
        self.world = world
        self.broken = set()
        self.down = False

    def service(self, function):
        if self.down:
            raise DependencyUnavailable("down")
        found = [
            value
            for (kind, _), value in self.world.cluster.objects.items()
            if kind == "Service" and value["metadata"]["labels"]["parser-id"] == function.parser_id
        ]
        return self._told(found[0]) if found else None

    def pending(self):
        service = self.service(self.world.function)
        labels = service["metadata"]["labels"] if service else {}
        return [service] if labels.get("build.notifi.network/rollout") == "pending" else []

    def close(self):
        pass

    def _told(self, service):
        image = service["spec"]["template"]["spec"]["containers"][0]["image"]
        number = int(service["metadata"]["annotations"]["build.notifi.network/revision"])
        status = "False" if image in self.broken else "True"
        since = self.world.clock.now - datetime.timedelta(seconds=100)
        conditions = [
            {
                "type": name,
                "status": status,
                "message": "exit code 1",
                "lastTransitionTime": since.isoformat(),
            }
            for name in ("ConfigurationsReady", "Ready")
        ]
        return {
            **service,
            "metadata": {**service["metadata"], "generation": 1},
            "status": {
                "observedGeneration": 1,
                "latestReadyRevisionName": f"lambda-tp1-p1-{number:05d}",
                "conditions": conditions,
            },
        }


@pytest.fixture
def knative(world):
    return Knative(world)


@pytest.fixture
def watch(world, knative):
    watch = RolloutWatch(knative, lambda function, seen: world.runner.tell(function, seen))
    world.runner = Runner(
        engine=world.engine,
        store=world.store,
        settings=world.settings,
        wrappers=WRAPPERS,
        clock=world.clock,
        look=watch.look,
    )
    return watch


async def deploy(world, **fields):
    meta = dataclasses.replace(world.meta(""), type="io.knative.lambda.command.function.deploy")
    event = FunctionDeploy(meta=meta, function=world.function, **fields)
    return await asyncio.to_thread(world.runner.handle, event)


async def look(watch):
    """Have one round; programs run on no thread that has an event loop."""
    return await asyncio.to_thread(watch.round)


def service(world):
    return next(value for (kind, _), value in world.cluster.objects.items() if kind == "Service")


async def test_a_canary_gets_its_share_then_everything(world, watch):
    await deploy(world, image=IMAGE)
    assert await look(watch) == 1
    assert "build.notifi.network/rollout" not in service(world)["metadata"]["labels"]
    assert await look(watch) == 0, "nothing is looked for once it has arrived"

    await deploy(world, image=NEWER, configuration=Configuration(rollout=CANARY))

    assert service(world)["spec"]["traffic"] == [
        {"revisionName": "lambda-tp1-p1-00001", "percent": 80, "tag": "stable"},
        {"latestRevision": True, "percent": 20, "tag": "canary"},
    ]
    await look(watch)
    world.clock.forward(seconds=61)
    await look(watch)
    assert "traffic" not in service(world)["spec"]
    told = world.runner.describe(world.function)
    assert (told["rollout"], told["revisions"][0]["knative_revision"]) == (None, "lambda-tp1-p1-00002")


async def test_what_runs_is_looked_at_when_a_canary_comes_before_the_round(world, watch):
    await deploy(world, image=IMAGE)

    await deploy(world, image=NEWER, configuration=Configuration(rollout=CANARY))

    assert service(world)["spec"]["traffic"][0]["revisionName"] == "lambda-tp1-p1-00001"


async def test_a_revision_that_does_not_start_is_replaced_by_the_one_before_it(world, watch, knative):
    knative.broken = {NEWER}
    await deploy(world, image=IMAGE, configuration=Configuration(env=(("MODE", "old"),)))
    await look(watch)
    await deploy(world, image=NEWER, configuration=Configuration(env=(("MODE", "new"),)))

    assert await look(watch) == 0, "it may still come"
    world.clock.forward(seconds=31)
    assert await look(watch) == 1

    container = service(world)["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == IMAGE
    assert {"name": "MODE", "value": "old"} in container["env"]
    assert service(world)["spec"]["traffic"][0] == {
        "revisionName": "lambda-tp1-p1-00001",
        "percent": 100,
        "tag": "stable",
    }
    await look(watch)
    assert "traffic" not in service(world)["spec"]
    revisions = world.runner.describe(world.function)["revisions"]
    assert [(one["revision"], one["failure"]) for one in revisions] == [
        (3, None),
        (2, "exit code 1"),
        (1, None),
    ]


async def test_a_round_that_cannot_look_does_nothing(world, watch, knative):
    await deploy(world, image=IMAGE)
    knative.down = True

    with pytest.raises(DependencyUnavailable):
        await look(watch)

    knative.down = False
    assert await look(watch) == 1


async def test_two_replicas_that_see_the_same_decide_once(world, watch, knative):
    await deploy(world, image=IMAGE)
    seen = observed(knative.service(world.function))

    assert [await asyncio.to_thread(world.runner.tell, world.function, seen) for _ in range(2)] == [
        True,
        False,
    ]


async def test_code_in_the_event_is_built_with_its_configuration(world):
    world.store.objects.clear()
    secret = SecretVariable(name="TOKEN", secret="function-x", key="token")
    configuration = Configuration(
        min_scale=1, memory_limit="64Mi", timeout_seconds=5, secrets=(secret,), env=(("A", "$(B)"),)
    )

    started = await deploy(
        world,
        code={"parser.py": b"def handler(event):\n    return event\n"},
        language="python",
        configuration=configuration,
    )
    await world.send(world.build_complete(started))

    template = service(world)["spec"]["template"]
    container = template["spec"]["containers"][0]
    assert started.status == "started"
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] == "1"
    assert template["spec"]["timeoutSeconds"] == 35
    assert container["resources"]["limits"]["memory"] == "64Mi"
    assert container["resources"]["requests"]["memory"] == "64Mi", "a request is never more than the limit"
    env = {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}
    assert env["TIMEOUT_SECONDS"] == "5"
    assert env["A"] == "$$(B)", "Kubernetes would put another variable's value there"
    assert env["TOKEN"] == {"secretKeyRef": {"name": "function-x", "key": "token"}}


@pytest.mark.parametrize("status", [{}, {"observedGeneration": 1}])
def test_a_service_that_knative_has_not_seen_yet_says_nothing(status):
    metadata = {"annotations": {"build.notifi.network/revision": "2"}, "generation": 2, "labels": {}}

    assert observed({"metadata": metadata, "status": status}) is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"image": "registry.test.evil/x:1"}, "allowed: images of registry.test, mirror.test/ours"),
        ({"image": "docker.io/library/x:1"}, "spec.source.image"),
        ({"image": "mirror.test/other/x:1"}, "spec.source.image"),
        ({"source_endpoint": "minio.evil:9000"}, "is not this platform's storage, http://minio.test:9000"),
    ],
)
async def test_what_the_environment_does_not_have_is_refused(world, fields, problem):
    settings = dataclasses.replace(
        world.settings, s3_endpoint="http://minio.test:9000", image_sources=("mirror.test/ours",)
    )
    event = FunctionDeploy(meta=world.meta("x"), function=world.function, **fields)

    with pytest.raises(InvalidEvent, match=problem):
        admit(event, settings)
    for image in ("registry.test/x:1", "mirror.test/ours/x@sha256:" + "1" * 64):
        admit(dataclasses.replace(event, image=image, source_endpoint="minio.test:9000"), settings)


def test_the_cluster_that_cannot_be_reached_is_a_dependency(world_settings):
    functions = KubernetesFunctions(world_settings)

    with pytest.raises(DependencyUnavailable):
        functions.pending()
    functions.close()


@pytest.fixture
def world_settings(tmp_path):
    from automation.settings import AutomationSettings

    return AutomationSettings(
        environment="local",
        backend_url=str(tmp_path),
        kubeconfig=str(tmp_path / "absent"),
        registry="registry.test",
        executor_image="k",
        monitor_image="m",
    )
