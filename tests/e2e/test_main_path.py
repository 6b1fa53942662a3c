"""From code in a bucket to a running function and back to nothing, on the local platform."""

import asyncio
import contextlib
import datetime
import json
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from automation.adapters.kubernetes_builds import KubernetesBuilds
from automation.reconciliation import finding
from automation.settings import AutomationSettings
from local.addresses import CONTEXT_BUCKET, NAMESPACE, SOURCE_BUCKET
from local.client import JOBS, SERVICES, selector
from local.deploy import PREFIX, THIRD_PARTY, DeployFailed
from local.progress import Phase

pytestmark = pytest.mark.asyncio(loop_scope="session")

HELLO = "def handler(event):\n    return {'hello': event.get('name', 'nobody')}\n"


async def post(http, session, suffix: str, parser_id: str, *, event_id: str | None = None, **data):
    """Post one event straight to the service; returns (status, JSON body)."""
    headers = {
        "Ce-Specversion": "1.0",
        "Ce-Id": event_id or str(uuid.uuid4()),
        "Ce-Type": PREFIX + suffix,
        "Ce-Source": f"network.notifi.{THIRD_PARTY}",
        "Ce-Subject": parser_id,
    }
    body = {"third_party_id": THIRD_PARTY, "parser_id": parser_id, **data}
    async with http.post(session.addresses.service, json=body, headers=headers) as response:
        return response.status, await response.json()


async def eventually(condition, seconds: float = 60, pause: float = 0.02):
    """Poll until the condition holds; its value is returned."""
    async with asyncio.timeout(seconds):
        while not (value := await condition()):
            await asyncio.sleep(pause)
        return value


async def test_an_event_turns_code_into_a_running_function_and_a_delete_leaves_nothing(
    parser, client, session
):
    deployment = parser.write(HELLO).deployment({"name": "Ada"})
    await deployment.deploy()
    await deployment.call()
    assert deployment.answer == {"hello": "Ada"}

    await deployment.delete()

    labels = selector(THIRD_PARTY, parser.id)
    for path in ("/api/v1/pods", "/apis/serving.knative.dev/v1/revisions", "/apis/batch/v1/jobs"):
        assert (await client.api("GET", f"{path}?labelSelector={labels}"))["items"] == []
    contexts = Path(session.data, "buckets", CONTEXT_BUCKET)
    kept = [path for path in contexts.rglob("*") if parser.id in str(path) and path.is_file()]
    histories = {"builds", "provenance"}  # what happened stays readable
    assert [path for path in kept if histories.isdisjoint(path.relative_to(contexts).parts)] == []


async def test_edited_code_rolls_out_as_a_new_revision(parser, client):
    first = parser.write(HELLO).deployment({"name": "Ada"})
    await first.deploy()
    second = parser.write(HELLO.replace("hello", "goodbye")).deployment({"name": "Ada"})
    await second.deploy()
    await second.call()

    assert second.answer == {"goodbye": "Ada"}
    service = (await client.api("GET", f"{SERVICES}?labelSelector={selector(THIRD_PARTY, parser.id)}"))[
        "items"
    ]
    assert len(service) == 1
    assert service[0]["status"]["latestReadyRevisionName"].endswith("-00002")


async def test_a_build_that_fails_says_why_and_makes_no_service(parser, client, http, session):
    parser.write(HELLO, requirements="this is no requirement\n")
    deployment = parser.deployment()
    with pytest.raises(DeployFailed, match=r"(?s)dependency_install.*Invalid requirement"):
        await deployment.deploy()

    labels = selector(THIRD_PARTY, parser.id)
    assert (await client.api("GET", f"{SERVICES}?labelSelector={labels}"))["items"] == []


async def test_a_builds_end_can_be_told_from_outside_should_its_monitor_not_have_told(parser, session):
    """With the service's own rights, a day later, as reconciliation looks at it."""
    good = parser.write(HELLO).deployment()
    await good.deploy()
    digest = good.timeline.notes[Phase.BUILD]
    settings = AutomationSettings(
        environment="local",
        backend_url="file:///nowhere",
        kubeconfig=str(Path(session.data, "service-kubeconfig")),
        registry="registry.test",
        executor_image="executor",
        monitor_image="monitor",
    )
    with contextlib.closing(KubernetesBuilds(settings)) as observer:
        builds = await asyncio.to_thread(observer.builds)
        tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
        findings = [finding(build, tomorrow) for build in builds]
        found = next(one for one in findings if one and one.function.parser_id == parser.id)
        log = await asyncio.to_thread(observer.log, found.pod)

    assert found.verdict.diagnosis is None
    assert found.verdict.image_digest == digest
    assert log.strip()


async def test_a_repeated_event_is_skipped_and_still_tells_the_job(parser, client, http, session):
    await client.put_code(parser.write(HELLO).folder, parser.id)
    event_id = str(uuid.uuid4())
    status, first = await post(http, session, "build.start", parser.id, event_id=event_id)
    assert (status, first["status"]) == (200, "started")

    status, second = await post(http, session, "build.start", parser.id, event_id=event_id)
    assert (status, second["status"]) == (200, "skipped")
    assert second["event_id"] == event_id
    assert second["job_name"] == first["job_name"]


async def test_equal_content_is_not_built_twice(parser, client):
    deployment = parser.write(HELLO).deployment()
    await deployment.deploy()
    again = parser.deployment()
    await again.deploy()

    assert again.timeline.notes[Phase.START].startswith("skipped")
    jobs = (await client.api("GET", f"{JOBS}?labelSelector={selector(THIRD_PARTY, parser.id)}"))["items"]
    assert len(jobs) == 1


async def test_a_newer_build_supersedes_the_one_under_way(parser, client, http, session):
    await client.put_code(parser.write(HELLO).folder, parser.id)
    _, first = await post(http, session, "build.start", parser.id)
    newer = parser.write(HELLO.replace("hello", "newer")).deployment({"name": "Ada"})
    await newer.deploy()
    await newer.call()

    assert newer.answer == {"newer": "Ada"}
    jobs = (await client.api("GET", f"{JOBS}?labelSelector={selector(THIRD_PARTY, parser.id)}"))["items"]
    assert first["job_name"] not in [job["metadata"]["name"] for job in jobs]


async def test_a_service_that_dies_between_two_events_goes_on_where_it_was(
    parser, client, spectator, session
):
    """The build goes on without the service, the broker redelivers, and the function still comes up."""
    await client.put_code(parser.write(HELLO).folder, parser.id)
    event_id = await client.send(PREFIX + "build.start", third_party_id=THIRD_PARTY, parser_id=parser.id,
                                 data={"third_party_id": THIRD_PARTY, "parser_id": parser.id})  # fmt: skip
    started = await spectator.first(
        lambda s: s.type.endswith(".reply") and s.data.get("event_id") == event_id
    )
    assert started.data["status"] == "started"

    await session.restart_service(kill=True)

    async def ready():
        labels = selector(THIRD_PARTY, parser.id)
        services = (await client.api("GET", f"{SERVICES}?labelSelector={labels}"))["items"]
        return [s for s in services if s.get("status", {}).get("latestReadyRevisionName")]

    assert await eventually(ready)


async def test_a_service_that_dies_in_the_middle_of_an_update_does_it_again(parser, client, session):
    """What it left (a lock, an object that nobody recorded) is in nobody's way when the broker redelivers."""
    await client.put_code(parser.write(HELLO).folder, parser.id)
    state = Path(session.data, "state", ".pulumi")
    await client.send(PREFIX + "build.start", third_party_id=THIRD_PARTY, parser_id=parser.id,
                      data={"third_party_id": THIRD_PARTY, "parser_id": parser.id})  # fmt: skip

    async def begun():
        traces = (*(state / "locks").rglob("*.json"), *(state / "stacks").rglob("*.json"))
        return any(parser.id in str(path) for path in traces)

    await eventually(begun, pause=0.001)
    await session.restart_service(kill=True)

    async def ready():
        labels = selector(THIRD_PARTY, parser.id)
        services = (await client.api("GET", f"{SERVICES}?labelSelector={labels}"))["items"]
        return [s for s in services if s.get("status", {}).get("latestReadyRevisionName")]

    assert await eventually(ready)


async def test_code_that_is_not_there_is_a_clear_error(http, session):
    status, body = await post(http, session, "build.start", "nothing-here")
    assert (status, body["error_type"]) == (404, "not_found")
    assert f"{SOURCE_BUCKET}" in json.dumps(body)
    assert "global/parser/nothing-here" in json.dumps(body)


async def test_kubectl_sees_the_function(parser, session):
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on the PATH")
    await parser.write(HELLO).deployment().deploy()
    arguments = ["get", "ksvc,jobs,triggers", "-l", selector(THIRD_PARTY, parser.id)]
    shown = await asyncio.to_thread(
        subprocess.run,
        [kubectl, "--kubeconfig", str(session.addresses.kubeconfig), "-n", NAMESPACE, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert f"service.serving.knative.dev/lambda-{THIRD_PARTY}-{parser.id}" in shown.stdout
    assert "job.batch/kaniko-build-" in shown.stdout


async def test_the_broker_hears_what_became_of_a_function(parser, spectator):
    await parser.write(HELLO).deployment().deploy()

    for end in ("build.started", "function.created", "build.completed", "service.created"):
        seen = await asyncio.wait_for(
            spectator.first(
                lambda seen, end=end: (
                    seen.type == f"io.knative.lambda.lifecycle.{end}" and seen.data.get("name") == parser.id
                )
            ),
            30,
        )
        assert seen.attributes["subject"] == f"{THIRD_PARTY}/{parser.id}"
