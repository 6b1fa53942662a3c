"""From every revision to the event that asked for it, and back."""

from dataclasses import replace

import pytest

from automation import record
from automation.errors import DependencyUnavailable
from automation.events import FunctionDeploy, FunctionId
from automation.provenance import chain
from tests.automation import worlds
from tests.automation.conftest import DIGEST

OTHER = "sha256:" + "e" * 64


async def built(world, digest=DIGEST, code=b"def handler(event):\n    return 1\n", **ids):
    world.put(code)
    started = await world.send(world.build_start(id=ids.get("start")))
    await world.send(world.build_complete(started, id=ids.get("complete"), image_digest=digest))
    return started


async def test_a_revision_leads_to_its_event_its_code_its_job_and_its_image(world):
    started = await built(world, start="asked", complete="told")
    found = await world.evidence.of_revision(world.function, 1)

    assert found["event"] == {"id": "asked", "source": "network.notifi.tp1"}
    assert found["source"] == {
        "digest": f"sha256:{started.fields['content_hash']}",
        "location": f"s3://{world.settings.source_bucket}/global/parser/p1/",
    }
    assert found["job"] == {"name": started.fields["job_name"], "build_id": started.fields["build_id"]}
    assert found["image"]["uri"] == f"registry.test/knative-lambdas@{DIGEST}"
    assert found["image"]["digest"] == DIGEST
    assert found["update"]["event_id"] == "told"
    assert found["update"]["at"] == world.clock.now.isoformat()
    assert found["update"]["stack"] in world.engine.stacks()


async def test_every_end_of_the_chain_leads_back_to_its_revision(world):
    started = await built(world, start="asked", complete="told")
    world.clock.forward(seconds=5)
    await built(world, OTHER, b"def handler(event):\n    return 2\n", start="asked-again")
    first = await world.evidence.of_revision(world.function, 1)

    assert await world.evidence.by_digest(DIGEST) == [first]
    assert await world.evidence.by_digest(started.fields["content_hash"]) == [first]
    assert await world.evidence.by_event("asked") == [first]
    assert await world.evidence.by_event("told") == [first]
    assert [found["revision"] for found in await world.evidence.by_event("asked-again")] == [2]
    assert await world.evidence.by_event("nobody's") == []


async def test_a_rollback_is_a_revision_of_the_same_image_and_is_found_beside_the_first(world):
    await built(world, start="asked")
    world.clock.forward(seconds=1)
    await built(world, OTHER, b"def handler(event):\n    return 2\n")
    world.clock.forward(seconds=1)
    await world.send(world.rollback("1", id="back"))
    found = await world.evidence.by_digest(DIGEST)

    assert [(one["revision"], one["update"]["restored"]) for one in found] == [(3, 1), (1, None)]
    assert {one["event"]["id"] for one in found} == {"asked"}
    assert found[0]["update"]["event_id"] == "back"


async def test_an_image_that_others_built_has_an_event_and_neither_code_nor_job(world):
    meta = world.meta("function.deploy", "deployed")
    await world.send(
        FunctionDeploy(meta=meta, function=world.function, image=f"registry.test/others/x@{OTHER}")
    )
    found = await world.evidence.by_digest(OTHER)

    assert (found[0]["event"]["id"], found[0]["source"], found[0]["job"]) == ("deployed", None, None)


async def test_what_runs_is_found_after_its_function_was_deleted(world):
    await built(world)
    await world.send(world.delete())

    assert await world.evidence.of_revision(world.function, 1) is None
    assert [found["revision"] for found in await world.evidence.by_digest(DIGEST)] == [1]


async def test_a_chain_that_could_not_be_kept_is_kept_when_its_event_comes_again(world, monkeypatch):
    started = await world.send(world.build_start())
    event = world.build_complete(started)

    def broken(key, body, content_type):
        raise DependencyUnavailable("storage is away")

    with monkeypatch.context() as patch:
        patch.setattr(world.objects, "put", broken)
        await world.send(event)
    assert await world.evidence.by_digest(DIGEST) == []

    repeated = await world.send(event)
    assert repeated.status == "skipped"
    assert [found["revision"] for found in await world.evidence.by_digest(DIGEST)] == [1]
    assert await world.evidence.attestation(world.catalogue.build(started.fields["build_id"]))


async def test_a_question_reads_no_stack(world, monkeypatch):
    await built(world)
    monkeypatch.setattr(world.engine, "outputs", None)

    assert len(await world.evidence.by_digest(DIGEST)) == 1


def test_a_revision_that_was_recorded_before_says_what_it_knows():
    state = worlds.running()
    old = replace(state.deployment, number=1, origin=None)
    text = record.dumps(replace(state, deployment=old))
    assert '"origin"' not in text

    found = chain.of_revision(record.loads(text), 1)
    assert found["event"] is None
    assert found["source"]["location"] is None
    assert found["image"]["uri"] == old.image


@pytest.mark.parametrize("digest", ["", "sha256:", "md5:0", "sha256:" + "g" * 64, "f" * 63])
async def test_what_is_no_digest_is_refused(world, digest):
    with pytest.raises(ValueError, match="no SHA-256 digest"):
        await world.evidence.by_digest(digest)


async def test_a_function_that_nobody_knows_has_no_revisions(world):
    assert await world.evidence.of_revision(FunctionId("nobody", "p"), 1) is None
