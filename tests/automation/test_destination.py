"""Where builds push to: ECR's repositories are there before the Job, and tags that stay are not pushed to."""

import json

import boto3
import pytest
from moto.server import ThreadedMotoServer

from automation.adapters import ecr
from automation.destination import OPEN, suffix
from automation.errors import DependencyUnavailable
from tests.automation.conftest import World
from tests.automation.test_plans import approving, dry

ACCOUNT, REGION = "123456789012", "eu-west-1"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


@pytest.fixture(scope="module")
def address():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def cloud(address, monkeypatch):
    """A client of the emulated ECR, where no repository is yet."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = boto3.client("ecr", region_name=REGION, endpoint_url=address)
    for found in client.describe_repositories()["repositories"]:
        client.delete_repository(repositoryName=found["repositoryName"], force=True)
    yield client
    client.close()


@pytest.fixture
def destination(cloud, tmp_path):
    made = ecr.create(settings(tmp_path, registry=REGISTRY, registry_retention_days=30))
    yield made
    made.close()


def settings(folder, **values):
    return World(folder, **values).settings


def in_ecr(folder):
    """A world whose images go to ECR."""
    world = World(folder, registry=REGISTRY)
    world.destination = ecr.create(world.settings)
    world.restart()
    return world


def push(cloud, tag):
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 1, "digest": tag},
        "layers": [],
    }
    cloud.put_image(repositoryName="knative-lambdas", imageManifest=json.dumps(manifest), imageTag=tag)


def test_a_missing_repository_is_made_as_the_environment_wants_it(cloud, destination):
    destination.make_ready()
    destination.make_ready()

    found = {item["repositoryName"]: item for item in cloud.describe_repositories()["repositories"]}
    assert {name: item["imageTagMutability"] for name, item in found.items()} == {
        "knative-lambdas": "IMMUTABLE",
        "kaniko-cache": "MUTABLE",
    }
    assert all(item["imageScanningConfiguration"]["scanOnPush"] for item in found.values())
    policies = {
        name: cloud.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"] for name in found
    }
    assert '"countNumber": 30' in policies["knative-lambdas"]
    assert '"countNumber": 3}' in policies["kaniko-cache"]


def test_a_repository_that_is_there_is_left_as_it_is(cloud, destination):
    cloud.create_repository(repositoryName="knative-lambdas", imageTagMutability="MUTABLE")

    destination.make_ready()

    (found,) = cloud.describe_repositories(repositoryNames=["knative-lambdas"])["repositories"]
    assert found["imageTagMutability"] == "MUTABLE"
    with pytest.raises(cloud.exceptions.LifecyclePolicyNotFoundException):
        cloud.get_lifecycle_policy(repositoryName="knative-lambdas")


def test_a_tag_is_taken_once_an_image_has_it(cloud, destination):
    image = f"{REGISTRY}/knative-lambdas:tp1-p1-01234567"
    assert not destination.is_taken(image), "without a repository"
    destination.make_ready()
    assert not destination.is_taken(image), "without an image"

    push(cloud, "tp1-p1-01234567")

    assert destination.is_taken(image)


def test_where_tags_move_none_is_taken(cloud, tmp_path):
    moving = ecr.create(settings(tmp_path, registry=REGISTRY, registry_immutable=False))
    moving.make_ready()
    push(cloud, "t")

    assert not moving.is_taken(f"{REGISTRY}/knative-lambdas:t")
    moving.close()


@pytest.mark.parametrize("registry", ["ghcr.io", "localhost:5001", f"{REGISTRY}.evil.test"])
def test_another_registry_needs_nothing(tmp_path, registry):
    assert ecr.create(settings(tmp_path, registry=registry)) is OPEN


def test_ecr_that_does_not_answer_is_a_retryable_error(destination, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:1")

    with pytest.raises(DependencyUnavailable, match="knative-lambdas") as down:
        destination.make_ready()

    assert down.value.retry_after


async def test_content_that_is_built_again_by_force_gets_a_tag_of_its_own(cloud, tmp_path):
    world = in_ecr(tmp_path)
    world.put()
    started, _ = await world.deploy()
    push(cloud, started.fields["image_uri"].rpartition(":")[2])
    event = world.build_start(force=True)

    again = await world.send(event)

    assert again.fields["content_hash"] == started.fields["content_hash"]
    assert again.fields["image_uri"] == f"{started.fields['image_uri']}-{suffix(event.meta)}"
    await world.automation.close(5)


async def test_a_dry_run_makes_no_repository(cloud, tmp_path):
    world = in_ecr(tmp_path)
    world.put()

    plan = await world.send(dry(world.build_start()))

    assert plan.status == "planned"
    assert cloud.describe_repositories()["repositories"] == []
    await world.automation.close(5)


async def test_a_plan_with_a_tag_of_its_own_may_be_approved_by_another_event(cloud, tmp_path):
    world = in_ecr(tmp_path)
    world.put()
    started, _ = await world.deploy()
    push(cloud, started.fields["image_uri"].rpartition(":")[2])

    plan = await world.send(dry(world.build_start(force=True)))
    approved = await world.send(approving(world.build_start(force=True), plan))

    assert approved.status == "started"
    await world.automation.close(5)
