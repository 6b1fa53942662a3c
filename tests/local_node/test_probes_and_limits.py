"""Probes, memory limits, logs."""

import asyncio
import os
from pathlib import Path

from local.node.logs import MAX_BYTES, shorten
from tests.local_node.world import World, python, shell, until

SERVER = """
import http.server, os, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if pathlib.Path(os.environ["FLAG"]).exists() else 503)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer((os.environ["HOST"], 8080), Handler).serve_forever()
"""
GROW = "import time\nheld = []\nwhile True:\n    held.append(bytearray(4 << 20)); time.sleep(0.005)"


def server(flag: Path, **probes: object) -> dict:
    return python(
        SERVER, env=[{"name": "FLAG", "value": str(flag)}], ports=[{"containerPort": 8080}], **probes
    )


async def test_readiness_follows_the_probe_both_ways(world: World, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    world.run("web", server(flag, readinessProbe=probe))
    await world.phase("web", "Running")
    assert world.state("web")["ready"] is False

    flag.touch()
    await until(lambda: world.state("web")["ready"])

    flag.unlink()
    await until(lambda: not world.state("web")["ready"])
    assert "Unhealthy" in world.reasons("web")


async def test_the_first_readiness_does_not_wait_for_the_period(world: World, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    world.run(
        "quick", server(flag, readinessProbe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 3600})
    )

    await until(lambda: world.state("quick").get("ready"))


async def test_a_dead_container_is_restarted(world: World, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    world.run("sick", server(flag, livenessProbe=probe), restartPolicy="Always")
    await until(lambda: world.state("sick").get("ready"))

    flag.unlink()

    await until(lambda: world.state("sick")["restartCount"] == 1)
    assert world.state("sick")["lastState"]["terminated"]["exitCode"] == 143


async def test_the_startup_probe_holds_the_others_back(world: World, tmp_path: Path) -> None:
    up = tmp_path / "up"
    startup = {"exec": {"command": ["test", "-e", str(up)]}, "periodSeconds": 1, "failureThreshold": 30}
    liveness = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1000}
    world.run(
        "slow", shell("exec sleep 600", startupProbe=startup, livenessProbe=liveness), restartPolicy="Always"
    )
    await world.phase("slow", "Running")
    assert (world.state("slow")["started"], world.state("slow")["ready"]) == (False, False)

    up.touch()

    await until(lambda: world.state("slow")["started"] and world.state("slow")["ready"])


async def test_a_failed_startup_probe_kills_the_container(world: World) -> None:
    startup = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    world.run("mute", shell("exec sleep 600", startupProbe=startup))

    await world.phase("mute", "Failed")

    assert "Killing" in world.reasons("mute")


async def test_a_container_over_its_memory_limit_is_oom_killed(world: World) -> None:
    world.run("greedy", python(GROW, resources={"limits": {"memory": "64Mi"}}))

    await world.phase("greedy", "Failed")

    ended = world.state("greedy")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")


async def test_memory_of_child_processes_counts(world: World) -> None:
    script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', '''{GROW}'''])"
    world.run("family", python(script, resources={"limits": {"memory": "64Mi"}}))

    await world.phase("family", "Failed")

    assert world.state("family")["state"]["terminated"]["reason"] == "OOMKilled"


async def test_a_container_below_its_limit_is_left_alone(world: World) -> None:
    script = "import time; held = bytearray(20 << 20); time.sleep(0.5)"
    world.run("modest", python(script, resources={"limits": {"memory": "64Mi"}}))

    pod = await world.phase("modest", "Succeeded", "Failed")

    assert pod["status"]["phase"] == "Succeeded"


async def test_work_that_ends_gives_way_to_what_answers_requests(world: World) -> None:
    world.run("batch", shell("exec sleep 600"))
    world.run("web", shell("exec sleep 600"), restartPolicy="Always")
    await until(lambda: world.state("batch").get("ready") and world.state("web").get("ready"))

    nice = {name: os.getpriority(os.PRIO_PROCESS, world.pid(name)) for name in ("batch", "web")}

    assert nice["batch"] > nice["web"]


async def test_a_container_cannot_gain_privileges(world: World) -> None:
    world.run("plain", shell("grep NoNewPrivs /proc/self/status"))

    await world.phase("plain", "Succeeded")

    assert (await world.log("plain")).split() == ["NoNewPrivs:", "1"]


async def test_a_followed_log_ends_with_the_container(world: World) -> None:
    world.run("talker", shell("for i in 1 2 3; do echo line $i; sleep 0.1; done"))
    await until(lambda: world.state("talker").get("containerID"))

    async with asyncio.timeout(10):
        text = await world.log("talker", follow=True)

    assert text == "line 1\nline 2\nline 3\n"


async def test_followers_get_lines_while_the_container_runs(world: World) -> None:
    world.run("talker", shell("echo first; exec sleep 600"))
    await until(lambda: world.state("talker").get("ready"))

    async with asyncio.timeout(10):
        stream = world.node.logs("lambda", "talker", "main", True)
        assert await anext(stream) == b"first\n"
        await stream.aclose()


def test_a_long_log_keeps_its_newer_half(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    line = b"x" * 99 + b"\n"
    with log.open("ab") as writer:
        writer.write(line * (MAX_BYTES // 100 + 1))
        writer.flush()

        shorten(log)
        writer.write(b"newest\n")

    content = log.read_bytes()
    assert MAX_BYTES // 2 - 200 < len(content) <= MAX_BYTES // 2 + 200
    assert content.startswith(line)
    assert content.endswith(b"x\nnewest\n")
