"""Liveness and readiness."""

import pytest

from service import VERSION, health


@pytest.mark.parametrize("path", ["/health", "/healthz"])
async def test_liveness_says_healthy_and_the_version_whatever_the_dependencies(client, automation, path):
    automation.dependencies = {"storage": "away"}
    response = await client.get(path)

    assert response.status_code == 200
    assert response.json() == {"status": "healthy", "healthy": True, "version": VERSION}


@pytest.mark.parametrize("path", ["/ready", "/readyz"])
async def test_readiness_names_every_dependency(client, path):
    response = await client.get(path)

    assert response.status_code == 200
    body = response.json()
    assert body["ready"] is True
    assert body["dependencies"] == {"storage": "ok", "cluster": "ok", "state": "ok"}


async def test_one_failing_dependency_makes_the_service_unready(client, automation):
    automation.dependencies["cluster"] = "connection refused"
    response = await client.get("/ready")

    assert response.status_code == 503
    assert response.json()["status"] == "not_ready"
    assert response.json()["dependencies"]["cluster"] == "connection refused"


async def test_dependencies_that_do_not_answer_make_the_service_unready(client, automation, monkeypatch):
    monkeypatch.setattr(health, "READY_TIMEOUT_SECONDS", 0.05)
    automation.gate.clear()
    response = await client.get("/ready")

    assert response.status_code == 503
    assert "no answer within" in response.json()["dependencies"]["automation"]


async def test_a_draining_service_is_alive_but_unready_and_still_takes_events(
    client, app, automation, binary
):
    app.state.health.drain()

    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert (await client.get("/healthz")).status_code == 200
    response = await client.post("/", **binary())
    assert response.status_code == 200
    assert response.headers["connection"] == "close"


async def test_the_version_is_the_projects():
    import pathlib
    import tomllib

    project = tomllib.loads((pathlib.Path(health.__file__).parent.parent / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION
