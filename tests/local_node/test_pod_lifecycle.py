"""A pod's way from Pending to its end."""

import os
import signal
from pathlib import Path

from local.apiserver.kinds import POD
from tests.local_node.world import NAMESPACE_NAME, World, alive, python, shell, until

IGNORE_SIGTERM = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(600)"


def conditions(pod: dict) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in pod["status"]["conditions"]}


async def test_a_pod_that_ends_well_has_succeeded(world: World) -> None:
    world.run("hello", python("print('hello')"))

    pod = await world.phase("hello", "Succeeded", "Failed")

    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert pod["status"]["phase"] == "Succeeded"
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert ended["startedAt"] <= ended["finishedAt"]
    assert conditions(pod)["Initialized"] == "True"
    assert conditions(pod)["Ready"] == "False"
    assert await world.log("hello") == "hello\n"
    assert {"Scheduled", "Pulled", "Started"} <= world.reasons("hello")


async def test_a_running_pod_says_so_and_is_ready(world: World) -> None:
    world.run("steady", shell("exec sleep 600"))
    await until(lambda: world.state("steady").get("ready"))

    pod = await world.phase("steady", "Running")

    assert conditions(pod) == dict.fromkeys(
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"], "True"
    )
    assert pod["status"]["podIP"].startswith("127.")


async def test_the_exit_status_and_the_termination_message_are_reported(world: World) -> None:
    script = "open('/dev/termination-log', 'w').write('sha256:abc'); raise SystemExit(3)"
    world.run("failing", {"name": "main", "image": "python", "command": ["python", "-c", script]})

    pod = await world.phase("failing", "Failed")

    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "sha256:abc")


async def test_the_message_falls_back_to_the_end_of_the_log(world: World) -> None:
    world.run("talks", shell("echo the reason; exit 1", terminationMessagePolicy="FallbackToLogsOnError"))

    await world.phase("talks", "Failed")

    assert world.state("talks")["state"]["terminated"]["message"] == "the reason\n"


async def test_init_containers_run_first_and_one_after_the_other(world: World) -> None:
    volume = {"name": "work", "emptyDir": {}}
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    init = [shell(f"echo {name} >> /work/order", name, **mount) for name in ("one", "two")]
    world.run("ordered", shell("cat /work/order", **mount), initContainers=init, volumes=[volume])

    pod = await world.phase("ordered", "Succeeded")

    assert await world.log("ordered") == "one\ntwo\n"
    assert [entry["state"]["terminated"]["exitCode"] for entry in pod["status"]["initContainerStatuses"]] == [
        0,
        0,
    ]


async def test_a_failed_init_container_fails_the_pod_and_nothing_else_runs(world: World) -> None:
    world.run("stuck", shell("echo never"), initContainers=[shell("exit 7", "first")])

    pod = await world.phase("stuck", "Failed")

    assert conditions(pod)["Initialized"] == "False"
    assert "waiting" in world.state("stuck")["state"]


async def test_sidecars_among_init_containers_are_refused_by_name(world: World) -> None:
    world.run("modern", shell("true"), initContainers=[shell("sleep 600", "side", restartPolicy="Always")])

    pod = await world.phase("modern", "Failed")

    assert pod["status"]["reason"] == "Unsupported"
    assert "sidecars" in pod["status"]["message"]


async def test_a_pod_deleted_before_it_began_is_just_gone(world: World) -> None:
    world.run("brief", shell("sleep 600"))

    world.store.delete(POD, NAMESPACE_NAME, "brief")

    assert not world.exists("brief")
    world.run("brief", shell("echo second"))
    await world.phase("brief", "Succeeded")
    assert await world.log("brief") == "second\n"


async def test_all_containers_of_a_pod_run_at_once(world: World) -> None:
    mount = {"volumeMounts": [{"name": "meet", "mountPath": "/meet"}]}
    script = "touch /meet/{mine}; while [ ! -e /meet/{other} ]; do sleep 0.01; done"
    pair = [shell(script.format(mine=a, other=b), a, **mount) for a, b in (("a", "b"), ("b", "a"))]
    world.run("pair", *pair, volumes=[{"name": "meet", "emptyDir": {}}])

    assert (await world.phase("pair", "Succeeded"))["status"]["phase"] == "Succeeded"


async def test_a_crash_loop_backs_off_and_counts_restarts(world: World) -> None:
    world.run("crashing", shell("echo boom; exit 2"), restartPolicy="Always")

    def backs_off() -> bool:
        state = world.state("crashing")
        return state.get("restartCount", 0) >= 2 and "waiting" in state["state"]

    await until(backs_off)

    state = world.state("crashing")
    assert state["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert state["lastState"]["terminated"]["exitCode"] == 2
    assert "BackOff" in world.reasons("crashing")
    assert await world.log("crashing", previous=True) == "boom\n"


async def test_on_failure_restarts_until_it_ends_well(world: World) -> None:
    mount = {"volumeMounts": [{"name": "memory", "mountPath": "/memory"}]}
    script = "test -e /memory/seen && exit 0; touch /memory/seen; exit 1"
    world.run(
        "second-try",
        shell(script, **mount),
        restartPolicy="OnFailure",
        volumes=[{"name": "memory", "emptyDir": {}}],
    )

    await world.phase("second-try", "Succeeded")

    assert world.state("second-try")["restartCount"] == 1


async def test_a_deleted_pod_gets_sigterm_and_stays_until_it_has_ended(world: World, tmp_path: Path) -> None:
    said = tmp_path / "said"
    script = f"trap 'sleep 0.2; echo bye > {said}; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    world.run("polite", shell(script))
    await world.logged("polite", "up")

    world.store.delete(POD, NAMESPACE_NAME, "polite")

    assert world.pod("polite")["metadata"]["deletionTimestamp"]
    await world.gone("polite")
    assert said.read_text() == "bye\n"
    assert "Killing" in world.reasons("polite")


async def test_what_ignores_sigterm_is_killed_after_the_grace_period(world: World) -> None:
    world.run("stubborn", python(IGNORE_SIGTERM), terminationGracePeriodSeconds=1)
    await world.logged("stubborn", "up")
    pid = world.pid("stubborn")

    world.store.delete(POD, NAMESPACE_NAME, "stubborn")

    await world.gone("stubborn")
    assert not alive(pid)


async def test_what_a_container_has_started_ends_with_it(world: World) -> None:
    world.run("parent", shell("sleep 600 & echo $!; exit 0"))
    await world.phase("parent", "Succeeded")

    child = int(await world.log("parent"))

    await until(lambda: not alive(child))


async def test_a_pod_over_its_deadline_is_failed(world: World) -> None:
    world.run("late", shell("exec sleep 600"), activeDeadlineSeconds=1)
    await until(lambda: world.state("late").get("ready"))
    pid = world.pid("late")

    pod = await world.phase("late", "Failed")

    assert pod["status"]["reason"] == "DeadlineExceeded"
    await until(lambda: not alive(pid))


async def test_a_container_killed_from_outside_reports_its_signal(world: World) -> None:
    world.run("shot", shell("exec sleep 600"))
    await until(lambda: world.state("shot").get("ready"))

    os.kill(world.pid("shot"), signal.SIGKILL)

    await world.phase("shot", "Failed")
    assert world.state("shot")["state"]["terminated"]["exitCode"] == 137
