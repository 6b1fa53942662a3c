"""A function's life through the facade: code, build, rollout, change, failure, deletion."""

import dataclasses

import pytest

from automation.errors import DependencyUnavailable, DeployFailed, InvalidEvent, SourceNotFound, StackBusy
from automation.events import Notice
from automation.ports import Snapshot, StackMoved
from engine import Engine, FileBackend, StackRef
from tests.automation.conftest import CODE, DIGEST, with_function

FUNCTION_KINDS = ["ConfigMap", "Service", "ServiceAccount", "Trigger"]


async def test_a_build_start_is_answered_with_the_job_that_builds(world):
    reply = await world.send(world.build_start("e1"))

    job = world.cluster.the("Job")
    assert reply.status == "started"
    assert reply.fields["event_id"] == "e1"
    assert reply.fields["job_name"] == job["metadata"]["name"]
    assert reply.fields["build_id"] == job["metadata"]["labels"]["build.notifi.network/build-id"]
    assert (
        f"--destination={reply.fields['image_uri']}"
        in job["spec"]["template"]["spec"]["containers"][0]["args"]
    )
    assert world.contexts() == [f"build-context/p1/tp1/{reply.fields['content_hash']}/context.tar.gz"]
    assert world.cluster.kinds() == ["Job"]


async def test_a_complete_build_is_rolled_out_by_digest(world):
    _, done = await world.deploy()

    service = next(value for (kind, _), value in world.cluster.objects.items() if kind == "Service")
    assert done.status == "service_created"
    assert done.fields["service_name"] == "lambda-tp1-p1" == service["metadata"]["name"]
    assert done.fields["url"] == "http://lambda-tp1-p1.knative-lambda-local.svc.cluster.local"
    image = service["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == done.fields["image_uri"] == f"registry.test/knative-lambdas@{DIGEST}"
    assert world.cluster.kinds() == ["ConfigMap", "Job", "Service", "ServiceAccount", "Trigger"]


async def test_a_cancelled_build_leaves_no_job_and_its_result_changes_nothing(world):
    started = await world.send(world.build_start())

    reply = await world.send(world.cancel())
    late = await world.send(world.build_complete(started))

    assert (reply.status, late.status) == ("cancelled", "skipped")
    assert reply.fields["job_name"] == started.fields["job_name"]
    assert world.cluster.objects == {}


async def test_a_rollback_runs_the_earlier_image_again(world):
    _, first = await world.deploy()
    world.put(CODE + b"# newer\n")
    _, second = await world.deploy(digest="sha256:" + "e" * 64)

    reply = await world.send(world.rollback())

    services = [value for (kind, _), value in world.cluster.objects.items() if kind == "Service"]
    assert reply.status == "rolled_back"
    assert (first.fields["revision"], second.fields["revision"], reply.fields["revision"]) == (1, 2, 3)
    assert services[0]["spec"]["template"]["spec"]["containers"][0]["image"] == first.fields["image_uri"]


async def test_a_function_is_described_with_the_event_that_made_each_revision(world):
    assert await world.automation.describe(world.function) is None
    started, _ = await world.deploy()
    await world.send(world.rollback(revision="1"))
    world.put(CODE + b"# newer\n")
    _, second = await world.deploy(digest="sha256:" + "e" * 64)
    await world.send(world.rollback(id="back"))

    told = await world.automation.describe(world.function)

    assert (told["phase"], told["revision"]) == ("ready", 3)
    assert [one["revision"] for one in told["revisions"]] == [3, 2, 1]
    assert (told["revisions"][0]["event_id"], told["revisions"][0]["restored"]) == ("back", 1)
    assert told["revisions"][1]["event_id"] == second.fields["event_id"]
    assert told["build"]["status"] == "succeeded"
    assert told["events"][-1]["id"] == started.fields["event_id"]


async def test_a_failed_build_is_described_with_its_reason_and_log(world):
    started = await world.send(world.build_start())
    await world.send(world.build_failed(started, message="no", exit_code=1, log_tail="the end"))

    build = (await world.automation.describe(world.function))["build"]

    assert (build["status"], build["reason"], build["logs_preview"]) == ("failed", "oom", "the end")


async def test_a_delete_takes_everything_away(world):
    await world.deploy()

    reply = await world.send(world.delete())

    assert reply.status == "deleted"
    assert world.cluster.objects == {}
    assert world.contexts() == []


async def test_a_delete_of_nothing_is_a_success(world):
    replies = [await world.send(world.delete()) for _ in range(2)]

    assert [reply.status for reply in replies] == ["deleted", "deleted"]


async def test_late_events_do_not_bring_a_deleted_function_back(world):
    before = world.clock.now
    started, _ = await world.deploy()
    world.clock.forward(seconds=10)
    await world.send(world.delete())

    late = [
        await world.send(world.build_start(time=before)),
        await world.send(world.build_complete(started)),
        await world.send(world.build_failed(started)),
    ]

    assert [reply.status for reply in late] == ["skipped"] * 3
    assert world.cluster.objects == {}


async def test_a_deleted_function_can_be_built_again(world):
    await world.deploy()
    await world.send(world.delete())
    world.clock.forward(seconds=1)

    _, done = await world.deploy()

    assert done.status == "service_created"


async def test_a_failed_build_is_recorded_and_its_job_removed(world):
    started = await world.send(world.build_start())

    reply = await world.send(world.build_failed(started, exit_code=137, log_tail="killed"))

    assert (reply.status, reply.fields["reason"]) == ("build_failed", "oom")
    assert world.cluster.objects == {}
    record = world.engine.outputs("fn-tp1-p1").outputs["record"]
    assert '"log_tail":"killed"' in record


async def test_what_runs_survives_a_failed_update(world):
    await world.deploy()
    world.put(b"def handler(event):\n    return 2\n")
    started = await world.send(world.build_start())

    await world.send(world.build_failed(started))

    assert world.cluster.kinds() == FUNCTION_KINDS


async def test_a_newer_build_replaces_the_job_of_an_older_one(world):
    old = await world.send(world.build_start())
    world.put(b"def handler(event):\n    return 2\n")

    new = await world.send(world.build_start())
    late = await world.send(world.build_complete(old))

    assert world.cluster.the("Job")["metadata"]["name"] == new.fields["job_name"] != old.fields["job_name"]
    jobs = [(verb, name) for verb, kind, name in world.cluster.calls if kind == "Job"]
    assert jobs[1:] == [("delete", old.fields["job_name"]), ("create", new.fields["job_name"])]
    assert late.status == "skipped"


async def test_equal_content_under_way_is_not_built_twice(world):
    first = await world.send(world.build_start())
    second = await world.send(world.build_start())

    assert second.status == "started"
    assert second.fields["job_name"] == first.fields["job_name"]
    assert [verb for verb, kind, _ in world.cluster.calls if kind == "Job"] == ["create"]


async def test_equal_content_that_runs_is_not_built_again_unless_forced(world):
    first, _ = await world.deploy()

    again = await world.send(world.build_start())
    forced = await world.send(world.build_start(force=True))

    assert again.status == "skipped"
    assert again.fields["service_name"] == "lambda-tp1-p1"
    assert forced.status == "started"
    assert forced.fields["job_name"] != first.fields["job_name"]


@pytest.mark.parametrize("restarted", [False, True], ids=["same-process", "another-replica"])
async def test_a_repeated_event_is_skipped_with_its_first_answer(world, restarted):
    first = await world.send(world.build_start("e1"))
    calls = list(world.cluster.calls)
    if restarted:
        await world.automation.close(1)
        world.restart()

    again = await world.send(world.build_start("e1"))

    assert again.status == "skipped"
    assert again.fields == first.fields
    assert world.cluster.calls == calls


async def test_an_older_event_does_not_win(world):
    late = world.build_start(time=world.clock.now)
    world.clock.forward(seconds=1)
    await world.send(world.build_start())

    reply = await world.send(late)

    assert reply.status == "skipped"
    assert len([call for call in world.cluster.calls if call[1] == "Job"]) == 1


async def test_the_contracts_four_fields_are_enough_to_roll_an_image_out(world):
    image = "registry.test/knative-lambdas:by-hand"
    plain = dataclasses.replace(
        world.build_complete(await world.send(world.build_start()), image_uri=image),
        job_name=None,
        content_hash=None,
        image_digest=None,
        function=dataclasses.replace(world.function, parser_id="p2"),
    )

    reply = await world.send(plain)

    assert (reply.status, reply.fields["image_uri"]) == ("service_created", image)


@pytest.mark.parametrize(
    "image",
    ["elsewhere.test/knative-lambdas:x", "registry.test/other:x", "registry.test/knative-lambdas-evil:x"],
)
async def test_an_image_of_another_repository_is_refused(world, image):
    started = await world.send(world.build_start())

    with pytest.raises(InvalidEvent, match="is not in registry"):
        await world.send(world.build_complete(started, image_uri=image))

    assert world.cluster.kinds() == ["Job"]


async def test_missing_code_is_the_senders_fault_and_changes_nothing(world):
    world.store.objects.clear()

    with pytest.raises(SourceNotFound):
        await world.send(world.build_start())

    assert world.engine.stacks() == []


async def test_a_single_object_is_code_too(world):
    world.store.objects.clear()
    world.store.objects["code", "some/where"] = b"def handler(event): ..."

    reply = await world.send(world.build_start(source_bucket="code", source_prefix="some/where"))

    assert reply.status == "started"


async def test_a_language_that_the_files_are_not_in_is_refused(world):
    with pytest.raises(InvalidEvent, match=r"name the file with the handler parser\.go"):
        await world.send(world.build_start(language="go"))


async def test_notices_are_acknowledged_without_any_work(world):
    meta = world.meta("parser.start")

    reply = await world.send(Notice(meta=meta, kind="parser.start"))

    assert reply.status == "acknowledged"
    assert world.engine.stacks() == []


async def test_a_refusing_cluster_leaves_the_old_record_and_the_event_can_come_again(world):
    world.cluster.refuse("create", "Job")
    event = world.build_start("e1")

    with pytest.raises(DeployFailed) as failed:
        await world.send(event)
    assert failed.value.retry_after
    assert "refuses to create Job" in " ".join(failed.value.details)

    world.cluster.refusals.clear()
    assert (await world.send(event)).status == "started"


async def test_a_deletion_that_failed_half_way_is_finished_by_the_next_delivery(world):
    await world.deploy()
    world.cluster.refuse("delete", "Service")
    event = world.delete("d1")
    with pytest.raises(DeployFailed):
        await world.send(event)
    assert "Service" in world.cluster.kinds()

    world.cluster.refusals.clear()
    await world.send(event)

    assert world.cluster.objects == {}


async def test_what_somebody_deleted_by_hand_is_made_again(world):
    await world.deploy()
    key = next(key for key in world.cluster.objects if key[0] == "Service")
    del world.cluster.objects[key]
    world.put(CODE + b"# changed\n")
    world.clock.forward(seconds=1)

    started = await world.send(world.build_start())
    done = await world.send(world.build_complete(started, image_digest="sha256:" + "e" * 64))

    assert done.status == "service_created"
    image = world.cluster.objects[key]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == done.fields["image_uri"]


async def test_a_finished_build_does_not_run_again_when_settings_change(world):
    await world.deploy()
    await world.automation.close(1)
    world.settings = dataclasses.replace(world.settings, executor_image="registry.test/kaniko:newer")
    world.restart()
    world.cluster.calls.clear()

    again = await world.send(world.build_start())

    assert again.status == "skipped"
    assert [call for call in world.cluster.calls if call[1] == "Job"] == []
    world.put(CODE + b"# changed\n")
    world.clock.forward(seconds=1)
    await world.send(world.build_start())
    job = world.cluster.the("Job")
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.test/kaniko:newer"


async def test_storage_that_is_down_is_a_retryable_error(world, monkeypatch):
    def down(*_):
        raise DependencyUnavailable("storage is down")

    monkeypatch.setattr(world.store, "put_context", down)

    with pytest.raises(DependencyUnavailable):
        await world.send(world.build_start())
    assert world.cluster.objects == {}


async def test_a_stack_that_moved_is_read_again(world, monkeypatch):
    seen = []
    real = world.engine.outputs

    def outputs(stack):
        seen.append(stack)
        return Snapshot(outputs={}, version="stale") if len(seen) == 1 else real(stack)

    monkeypatch.setattr(world.engine, "outputs", outputs)

    assert (await world.send(world.build_start())).status == "started"
    assert len(seen) == 2


async def test_a_stack_that_keeps_moving_is_busy(world, monkeypatch):
    def moved(*_, **__):
        raise StackMoved("the stack was changed")

    monkeypatch.setattr(world.engine, "up", moved)

    with pytest.raises(StackBusy) as busy:
        await world.send(world.build_start())
    assert busy.value.status == 409


async def test_a_stack_that_another_process_updates_is_busy(world):
    ref = StackRef(world.settings.project, "fn-tp1-p1")
    other = Engine(FileBackend(world.settings.backend_url), {})

    with other._storage.locked(ref), pytest.raises(StackBusy):
        await world.send(world.build_start())


async def test_tombstones_are_swept_after_a_day(world):
    await world.send(world.delete())
    assert world.sweeper.round() == 0
    world.clock.forward(hours=25)

    assert world.sweeper.round() == 1
    assert world.engine.stacks() == []


async def test_a_stack_that_cannot_be_swept_does_not_keep_others(world, monkeypatch):
    await world.send(world.delete())
    await world.send(with_function(world.delete(), "tp1", "p2"))
    world.clock.forward(hours=25)
    real = world.engine.remove

    def remove(stack, *, expect):
        if stack == "fn-tp1-p1":
            raise StackBusy("the stack is locked")
        real(stack, expect=expect)

    monkeypatch.setattr(world.engine, "remove", remove)

    assert world.sweeper.round() == 1
    assert world.engine.stacks() == ["fn-tp1-p1"]


async def test_a_function_that_came_back_meanwhile_is_not_swept(world, monkeypatch):
    await world.send(world.delete())
    world.clock.forward(hours=25)
    before = world.engine.outputs("fn-tp1-p1")
    await world.deploy()
    monkeypatch.setattr(world.engine, "outputs", lambda _: before)

    assert world.sweeper.round() == 0
    assert "Service" in world.cluster.kinds()


async def test_functions_that_live_are_not_swept(world):
    await world.deploy()
    world.clock.forward(days=30)

    assert world.sweeper.round() == 0
    assert world.engine.stacks() == ["fn-tp1-p1"]


async def test_a_stack_says_in_its_outputs_what_it_is(world):
    started, done = await world.deploy()

    outputs = dict(world.engine.outputs("fn-tp1-p1").outputs)
    outputs.pop("record")
    assert outputs == {
        "third_party_id": "tp1",
        "parser_id": "p1",
        "phase": "ready",
        "image": done.fields["image_uri"],
        "service_name": "lambda-tp1-p1",
        "url": done.fields["url"],
        "job_name": started.fields["job_name"],
    }


async def test_a_record_of_another_function_is_refused(world, monkeypatch):
    await world.deploy()
    monkeypatch.setattr("components.naming.stack_name", lambda *_: "fn-tp1-p1")
    world.put(parser="p2")
    event = world.build_start(function=dataclasses.replace(world.function, parser_id="p2"))

    with pytest.raises(DeployFailed, match="have the same stack name"):
        await world.send(event)


async def test_a_record_that_cannot_be_read_is_left_alone(world, monkeypatch):
    monkeypatch.setattr(world.engine, "outputs", lambda _: Snapshot(outputs={"record": "{}"}, version="1"))

    with pytest.raises(DeployFailed, match="cannot be read"):
        await world.send(world.build_start())
    assert world.cluster.objects == {}


async def test_dependencies_are_told_apart_when_one_is_down(world, monkeypatch):
    def down():
        raise DependencyUnavailable("storage is down")

    assert await world.automation.ready() == {"storage": "ok", "state": "ok"}
    world.automation._checks = {**world.automation._checks, "storage": down}
    assert await world.automation.ready() == {"storage": "storage is down", "state": "ok"}
