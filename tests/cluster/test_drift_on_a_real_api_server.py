"""Drift on a real API server: with its defaults nothing differs, what others do is found, and put back."""

import asyncio
import dataclasses
import datetime
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from automation.adapters import engines, wrappers
from automation.adapters.kubernetes_builds import KubernetesBuilds
from automation.adapters.kubernetes_drift import KubernetesLedger
from automation.adapters.kubernetes_functions import KubernetesFunctions
from automation.adapters.memory import MemoryStore
from automation.app import Automation, assemble
from automation.configuration import Configuration
from automation.drift.schedule import Place
from automation.events import EventMeta, FunctionDeploy, FunctionId, ServiceDelete
from automation.settings import AutomationSettings
from components import naming
from tests.cluster.server import Server

pytestmark = pytest.mark.cluster

FUNCTION = FunctionId("tp1", "drifting")
NAME = naming.function_name("tp1", "drifting")


@pytest.fixture
def settings(server: Server, guarded: str, tmp_path: Path) -> AutomationSettings:
    user = {"token": server.token(guarded, "knative-lambda-builder")}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps({**server.config, "users": [{"name": "admin", "user": user}]}))
    return AutomationSettings(
        environment="dev",
        backend_url=f"file://{tmp_path}/state",
        kubeconfig=str(path),
        namespace=guarded,
        registry="registry.test",
        executor_image="registry.test/kaniko:1",
        monitor_image="registry.test/monitor:1",
        drift_heals=("Trigger", "ConfigMap"),
    )


@pytest_asyncio.fixture
async def automation(settings: AutomationSettings) -> AsyncIterator[Automation]:
    """An automation whose function runs an image; deleted afterwards."""
    made = assemble(
        settings,
        engines.create(settings),
        MemoryStore(settings.context_bucket),
        wrappers.read_all(settings.runtimes_folder),
        KubernetesBuilds(settings),
        KubernetesFunctions(settings),
        ledger=KubernetesLedger(settings),
    )
    image = "registry.test/ours@sha256:" + "1" * 64
    environment = Configuration(env=(("MODE", "calm"),), min_scale=1)
    await made.handle(
        FunctionDeploy(meta=meta("d1"), function=FUNCTION, image=image, configuration=environment)
    )
    yield made
    await made.handle(ServiceDelete(meta=meta("d2"), function=FUNCTION))
    await made.close(10)


def meta(id: str) -> EventMeta:
    now = datetime.datetime.now(datetime.UTC)
    return EventMeta(id=id, source="test", type="test", time=now, correlation_id="c1")


async def looked_at(automation: Automation) -> Any:
    found = await automation.check_drift(FUNCTION)
    assert found is not None
    return found["drift"]


async def test_what_the_api_server_and_others_add_is_no_drift(
    automation: Automation, server: Server, guarded: str
) -> None:
    note = {"metadata": {"annotations": {"somebody.test/else": "was here"}}}
    trigger = f"/apis/eventing.knative.dev/v1/namespaces/{guarded}/triggers/{NAME}"
    await asyncio.to_thread(server.merge, trigger, note)

    assert await looked_at(automation) is None


async def test_what_others_change_and_delete_is_found_and_put_back_by_kind(
    automation: Automation, server: Server, guarded: str
) -> None:
    triggers = f"/apis/eventing.knative.dev/v1/namespaces/{guarded}/triggers/{NAME}"
    config_map = f"/api/v1/namespaces/{guarded}/configmaps/{naming.function_name('tp1', 'drifting')}-config"
    service = f"/apis/serving.knative.dev/v1/namespaces/{guarded}/services/{NAME}"
    await asyncio.to_thread(server.merge, triggers, {"spec": {"filter": {"attributes": {"type": "other"}}}})
    await asyncio.to_thread(server.delete, config_map)

    assert await looked_at(automation) is None, "both kinds are healed"
    attributes = (await asyncio.to_thread(server.call, triggers))["spec"]["filter"]["attributes"]
    assert attributes["type"] == "network.notifi.lambda.parser.start"
    assert (await asyncio.to_thread(server.call, config_map))["data"]["PARSER_ID"] == "drifting"

    again = Configuration(env=(("MODE", "wild"),), min_scale=1)
    said = frozenset({"env", "secrets"})
    event = FunctionDeploy(
        meta=meta("d3"), function=FUNCTION, has_source=False, configuration=again, said=said
    )
    assert (await automation.handle(event)).status == "updated", "what follows is not disturbed"
    assert await looked_at(automation) is None

    await asyncio.to_thread(server.merge, service, {"spec": {"template": {"spec": {"timeoutSeconds": 7}}}})

    (drifted,) = (await looked_at(automation))["resources"]
    assert (drifted["kind"], drifted["name"], drifted["change"]) == (
        "Service",
        f"{guarded}/{NAME}",
        "changed",
    )
    assert drifted["properties"] == [
        {"path": "spec.template.spec.timeoutSeconds", "recorded": 90, "found": 7}
    ]


async def test_the_round_is_kept_by_the_cluster_for_all_replicas(settings: AutomationSettings) -> None:
    ledger, other = KubernetesLedger(settings), KubernetesLedger(settings)
    now = datetime.datetime.now(datetime.UTC)
    try:
        first, second = await asyncio.to_thread(ledger.place), await asyncio.to_thread(other.place)
        assert await asyncio.to_thread(ledger.move, dataclasses.replace(first, last="fn-a", at=now))
        assert not await asyncio.to_thread(other.move, dataclasses.replace(second, last="fn-b", at=now))

        found = await asyncio.to_thread(other.place)
        assert dataclasses.replace(found, version="") == Place(last="fn-a", at=now)
        assert await asyncio.to_thread(other.move, dataclasses.replace(found, last="fn-b"))
    finally:
        ledger.close()
        other.close()
