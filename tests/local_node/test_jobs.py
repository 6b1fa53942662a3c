"""Jobs on a real node."""

from pathlib import Path
from typing import Any

import pytest

from local.apiserver.errors import ApiError
from local.apiserver.kinds import JOB, POD
from local.node import JobController, NodeOptions
from tests.local_node.world import NAMESPACE_NAME, World, alive, running_node, shell, until


def create(world: World, name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": list(containers)}}
    job = {"metadata": {"name": name, "namespace": NAMESPACE_NAME}, "spec": {"template": template, **spec}}
    return world.store.create(JOB, job)


def job(world: World, name: str) -> dict[str, Any]:
    return world.store.get(JOB, NAMESPACE_NAME, name)


def reasons(world: World, name: str) -> dict[str, str]:
    """The true conditions of a job and their reasons."""
    conditions = job(world, name).get("status", {}).get("conditions", ())
    return {entry["type"]: entry.get("reason", "") for entry in conditions if entry["status"] == "True"}


def pods(world: World, name: str) -> list[dict[str, Any]]:
    found, _ = world.store.list(POD, NAMESPACE_NAME, labels=f"batch.kubernetes.io/job-name={name}")
    return found


def exists(world: World, name: str) -> bool:
    try:
        return bool(job(world, name))
    except ApiError:
        return False


async def test_a_job_completes(world: World, jobs: JobController) -> None:
    created = create(world, "build", shell("echo done"))

    await until(lambda: "Complete" in reasons(world, "build"), lambda: job(world, "build"))

    status = job(world, "build")["status"]
    assert reasons(world, "build") == {
        "SuccessCriteriaMet": "CompletionsReached",
        "Complete": "CompletionsReached",
    }
    assert (status["succeeded"], status.get("active"), status.get("failed")) == (1, None, None)
    assert status["startTime"] <= status["completionTime"]
    (pod,) = pods(world, "build")
    assert pod["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": "build",
            "uid": created["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] == created["metadata"]["uid"]


async def test_failed_pods_are_replaced_up_to_the_backoff_limit(world: World, jobs: JobController) -> None:
    create(world, "hopeless", shell("exit 1"), backoffLimit=2)

    await until(lambda: "Failed" in reasons(world, "hopeless"), lambda: job(world, "hopeless"))

    assert reasons(world, "hopeless")["Failed"] == "BackoffLimitExceeded"
    assert job(world, "hopeless")["status"]["failed"] == 3
    assert len(pods(world, "hopeless")) == 3


async def test_a_job_over_its_deadline_fails_after_its_pods_had_their_grace(
    world: World, jobs: JobController, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    script = f"trap 'echo terminated > {said}; exit 0' TERM; while :; do sleep 0.01; done"
    create(world, "slow", shell(script), activeDeadlineSeconds=2, backoffLimit=0)

    await until(lambda: "FailureTarget" in reasons(world, "slow"), lambda: job(world, "slow"))
    await until(lambda: "Failed" in reasons(world, "slow"), lambda: job(world, "slow"))

    assert reasons(world, "slow")["Failed"] == "DeadlineExceeded"
    assert said.read_text() == "terminated\n"
    await until(lambda: pods(world, "slow") == [])


async def test_a_finished_job_goes_when_its_time_to_live_is_over(world: World, jobs: JobController) -> None:
    create(world, "brief", shell("true"), ttlSecondsAfterFinished=1)
    await until(lambda: "Complete" in reasons(world, "brief"))

    await until(lambda: not exists(world, "brief"))

    await until(lambda: pods(world, "brief") == [])


async def test_a_suspended_job_has_no_pods_until_it_is_resumed(world: World, jobs: JobController) -> None:
    create(world, "later", shell("true"), suspend=True)
    await until(lambda: "Suspended" in reasons(world, "later"))
    assert pods(world, "later") == []

    world.store.patch(JOB, NAMESPACE_NAME, "later", {"spec": {"suspend": False}}, patch_type="merge")

    await until(lambda: "Complete" in reasons(world, "later"), lambda: job(world, "later"))


async def test_suspending_a_running_job_is_no_failure(
    world: World, jobs: JobController, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    create(world, "paused", shell(f"while [ ! -e {go} ]; do sleep 0.01; done"), backoffLimit=0)
    await until(lambda: job(world, "paused").get("status", {}).get("ready"))

    for suspend in (True, False):
        world.store.patch(JOB, NAMESPACE_NAME, "paused", {"spec": {"suspend": suspend}}, patch_type="merge")
        await until(lambda: bool(pods(world, "paused")) is not suspend)  # noqa: B023
    go.touch()

    await until(lambda: "Complete" in reasons(world, "paused"), lambda: job(world, "paused"))
    assert "failed" not in job(world, "paused")["status"]


async def test_several_completions_run_as_parallel_as_asked(world: World, jobs: JobController) -> None:
    create(world, "many", shell("sleep 0.05"), completions=3, parallelism=2)

    await until(lambda: "Complete" in reasons(world, "many"), lambda: job(world, "many"))

    assert job(world, "many")["status"]["succeeded"] == 3
    assert len(pods(world, "many")) == 3


async def test_deleting_a_job_ends_its_processes(world: World, jobs: JobController) -> None:
    create(world, "unwanted", shell("exec sleep 600"))
    await until(lambda: [pod for pod in pods(world, "unwanted") if pod["status"].get("containerStatuses")])
    (pod,) = pods(world, "unwanted")
    await until(lambda: world.state(pod["metadata"]["name"]).get("ready"))
    pid = world.pid(pod["metadata"]["name"])

    world.store.delete(JOB, NAMESPACE_NAME, "unwanted")

    await until(lambda: not alive(pid))
    await until(lambda: pods(world, "unwanted") == [])


async def test_a_lost_pod_is_made_again(world: World, jobs: JobController) -> None:
    create(world, "lost", shell("exec sleep 600"))
    await until(lambda: pods(world, "lost"))
    (first,) = pods(world, "lost")

    world.store.delete(POD, NAMESPACE_NAME, first["metadata"]["name"])

    def replaced() -> bool:
        return [pod["metadata"]["uid"] != first["metadata"]["uid"] for pod in pods(world, "lost")] == [True]

    await until(replaced, lambda: pods(world, "lost"))


@pytest.fixture
def options() -> NodeOptions:
    return NodeOptions(max_concurrent_jobs=1, stop_grace_seconds=1.0)


async def test_jobs_beyond_the_limit_stay_pending_until_one_ends(
    tmp_path: Path, options: NodeOptions
) -> None:
    async with running_node(tmp_path, options) as world:
        controller = JobController(world.store)
        await controller.start()
        go = tmp_path / "go"
        create(world, "first", shell(f"while [ ! -e {go} ]; do sleep 0.01; done"))
        await until(
            lambda: (
                pods(world, "first") and world.state(pods(world, "first")[0]["metadata"]["name"]).get("ready")
            )
        )
        create(world, "second", shell("true"))
        await until(
            lambda: pods(world, "second") and pods(world, "second")[0].get("status", {}).get("conditions")
        )

        (waiting,) = pods(world, "second")
        assert waiting["status"]["phase"] == "Pending"
        assert waiting["status"]["conditions"][0]["reason"] == "Unschedulable"

        go.touch()
        await until(lambda: "Complete" in reasons(world, "second"), lambda: job(world, "second"))
        await controller.stop()
