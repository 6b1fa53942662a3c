"""Turns of builds on a real API server: the service's own rights, the guards of an environment."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from automation.adapters.kubernetes_builds import KubernetesBuilds
from automation.build_queue import Limits
from automation.build_turns import Turns, line, suspended
from automation.settings import AutomationSettings
from components.manifests import kaniko
from tests.cluster.pods import build_objects
from tests.cluster.server import Server

pytestmark = pytest.mark.cluster


@pytest.fixture
def builds(server: Server, guarded: str, tmp_path: Path) -> Iterator[KubernetesBuilds]:
    user = {"token": server.token(guarded, "knative-lambda-builder")}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps({**server.config, "users": [{"name": "admin", "user": user}]}))
    settings = AutomationSettings(
        environment="dev",
        backend_url="file:///nowhere",
        kubeconfig=str(path),
        namespace=guarded,
        registry="registry.test",
        executor_image="registry.test/kaniko:1",
        monitor_image="registry.test/monitor:1",
    )
    made = KubernetesBuilds(settings)
    yield made
    made.close()


def test_of_two_replicas_that_give_turns_at_once_one_is_told_so(builds: KubernetesBuilds) -> None:
    first, second = builds.turns(), builds.turns()

    assert builds.give_turns(Turns(frozenset({"a", "b"}), first.version))
    assert not builds.give_turns(Turns(frozenset({"c"}), second.version))

    now = builds.turns()
    assert now.jobs == {"a", "b"}
    assert builds.give_turns(Turns(frozenset(), now.version))
    assert not builds.give_turns(Turns(frozenset({"c"}), now.version))
    assert builds.turns().jobs == frozenset()


def test_a_suspended_job_waits_and_one_that_is_released_counts_as_running(
    builds: KubernetesBuilds, server: Server, guarded: str
) -> None:
    waiting: dict[str, Any] = copy.deepcopy(build_objects(guarded)[0])
    waiting["spec"]["suspend"] = True
    waiting["metadata"]["annotations"] |= {
        kaniko.QUEUED_AT: "2026-01-31T12:00:00+00:00",
        kaniko.PRIORITY: "high",
    }
    path = f"/apis/batch/v1/namespaces/{guarded}/jobs"
    name = server.call(path, waiting)["metadata"]["name"]
    limits = Limits(running=1, third_party=0, waiting=0)

    found = line(builds.jobs(), limits)
    assert [(one.name, one.priority) for one in found.turns()] == [(name, "high")]
    assert suspended(builds.jobs()) == {name}

    server.patch(f"{path}/{name}", {"spec": {"suspend": False}})
    assert (suspended(builds.jobs()), line(builds.jobs(), limits).running.total()) == (frozenset(), 1)
    server.delete(f"{path}/{name}")
