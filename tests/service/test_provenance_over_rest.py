"""Provenance over REST: a revision's chain, the way back, a build's attestation."""

import httpx
import pytest

from automation.scans import Scan
from tests.automation.conftest import DIGEST
from tests.service.rest_world import BEARER, RestWorld


@pytest.fixture
async def world(tmp_path):
    world = RestWorld(tmp_path)
    yield world
    await world.close()


@pytest.fixture
async def client(world):
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=BEARER) as client:
        yield client


async def built(world):
    started = await world.send(world.build_start(id="asked"))
    await world.send(world.build_complete(started))
    return started.fields["build_id"]


async def test_a_revisions_chain_is_read_and_leads_back_to_itself(world, client):
    await built(world)
    forward = (await client.get("/functions/tp1/p1/revisions/1/provenance")).json()
    back = (await client.get("/provenance", params={"digest": forward["image"]["digest"]})).json()
    by_source = (await client.get("/provenance", params={"digest": forward["source"]["digest"]})).json()
    by_event = (await client.get("/provenance", params={"event": forward["event"]["id"]})).json()

    assert forward["event"]["id"] == "asked"
    assert forward["image"]["digest"] == DIGEST
    assert back == by_source == by_event == {"revisions": [forward], "count": 1}


@pytest.mark.parametrize("revision", ["2", "0", "-1", "first", "9" * 30])
async def test_a_revision_that_is_not_remembered_is_404(world, client, revision):
    await built(world)

    assert (await client.get(f"/functions/tp1/p1/revisions/{revision}/provenance")).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "",
        "digest=abc",
        "digest=",
        "event=",
        "other=1",
        f"digest={DIGEST}&event=e",
        f"digest={DIGEST}&digest={DIGEST}",
    ],
)
async def test_a_question_that_is_none_is_refused_with_what_is_allowed(client, query):
    answer = await client.get(f"/provenance?{query}")

    assert answer.status_code == 400
    assert answer.json()["details"]


async def test_an_attestation_is_served_under_its_own_media_type(world, client):
    answer = await client.get(f"/builds/{await built(world)}/attestation")

    assert answer.headers["content-type"] == "application/vnd.in-toto+json"
    assert answer.json()["subject"][0]["digest"] == {"sha256": DIGEST.removeprefix("sha256:")}


async def test_a_build_without_an_attestation_says_so(world, client):
    started = await world.send(world.build_start())
    answer = await client.get(f"/builds/{started.fields['build_id']}/attestation")

    assert answer.status_code == 404
    assert "has no attestation" in answer.json()["error"]


@pytest.mark.parametrize(
    "path", ["/provenance?event=e", "/functions/tp1/p1/revisions/1/provenance", "/builds/b/attestation"]
)
async def test_nobody_reads_it_without_a_token(world, path):
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        assert (await client.get(path)).status_code == 401


async def test_a_scan_and_its_sbom_are_read_with_their_build(world, client):
    started = await world.send(world.build_start())
    world.logs.scans[started.fields["job_name"]] = b'{"bomFormat": "CycloneDX"}'
    await world.send(world.build_complete(started, scan=Scan(status="complete", counts={"LOW": 3})))
    build_id = started.fields["build_id"]
    build = (await client.get(f"/builds/{build_id}")).json()
    sbom = await client.get(f"/builds/{build_id}/sbom")

    assert build["scan"]["counts"] == {"LOW": 3}
    assert sbom.headers["content-type"] == "application/vnd.cyclonedx+json"
    assert sbom.json()["bomFormat"] == "CycloneDX"
    assert "scan" not in (await client.get("/builds")).json()["builds"][0]


async def test_a_build_that_was_not_scanned_has_none(world, client):
    build_id = await built(world)

    assert (await client.get(f"/builds/{build_id}/sbom")).status_code == 404
    assert (await client.get(f"/builds/{build_id}")).json()["scan"] is None
