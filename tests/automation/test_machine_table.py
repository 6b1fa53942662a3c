"""What every stimulus does in every phase."""

from dataclasses import replace

import pytest

from automation.errors import InvalidEvent
from automation.machine import TRANSITIONS, InvalidTransition, decide
from automation.model import (
    Answer,
    ApplyStack,
    BuildStatus,
    Phase,
    PrepareContext,
    RemoveContexts,
    RemoveStack,
    Requested,
    StoreContext,
    TombstoneExpired,
)
from tests.automation import worlds
from tests.automation.worlds import NOW, at

WORLDS = {
    Phase.ABSENT: worlds.absent,
    Phase.BUILDING: worlds.building,
    Phase.READY: worlds.running,
    Phase.UPDATING: worlds.updating,
    Phase.FAILED: worlds.broken,
    Phase.DELETED: worlds.deleted,
}

STORE, APPLY, REMOVE = StoreContext, ApplyStack, RemoveContexts


def row(world, stimulus, phase, status, *kinds, id):
    return pytest.param(world, stimulus, phase, status, kinds, id=id)


CURRENT = worlds.build()
OTHER = worlds.build(job="kaniko-build-tp1-parser1-ffffffff")
START, DELETE, CANCEL = worlds.start(), worlds.delete(), worlds.cancel()

TABLE = [
    row(worlds.absent, worlds.ready(START), Phase.BUILDING, "started", STORE, APPLY, id="first-build"),
    row(worlds.building, worlds.ready(START), Phase.BUILDING, "started", APPLY, id="same-content-is-joined"),
    row(
        worlds.building,
        worlds.ready(START, "v2"),
        Phase.BUILDING,
        "started",
        STORE,
        APPLY,
        REMOVE,
        id="superseded",
    ),
    row(worlds.running, worlds.ready(START), Phase.UPDATING, "started", STORE, APPLY, id="update"),
    row(worlds.running, worlds.ready(START, "v0"), Phase.READY, "skipped", APPLY, id="same-content-runs"),
    row(
        worlds.updating,
        worlds.ready(START, "v0"),
        Phase.READY,
        "skipped",
        APPLY,
        REMOVE,
        id="back-to-what-runs",
    ),
    row(
        worlds.broken, worlds.ready(START), Phase.BUILDING, "started", STORE, APPLY, id="again-after-failure"
    ),
    row(worlds.deleted, worlds.ready(START), Phase.BUILDING, "started", STORE, APPLY, id="after-deletion"),
    row(
        worlds.running,
        worlds.ready(worlds.start(force=True), "v0"),
        Phase.UPDATING,
        "started",
        STORE,
        APPLY,
        id="force-builds-what-runs",
    ),
    row(worlds.building, worlds.complete(build=CURRENT), Phase.READY, "service_created", APPLY, id="rollout"),
    row(worlds.updating, worlds.complete(build=CURRENT), Phase.READY, "service_created", APPLY, id="reroll"),
    row(
        worlds.broken,
        worlds.complete(build=CURRENT),
        Phase.READY,
        "service_created",
        APPLY,
        id="late-success",
    ),
    row(worlds.building, worlds.complete(build=OTHER), Phase.BUILDING, "skipped", id="superseded-success"),
    row(worlds.absent, worlds.complete(build=OTHER), Phase.ABSENT, "skipped", id="unknown-success"),
    row(
        worlds.deleted, worlds.complete(build=CURRENT), Phase.DELETED, "skipped", id="success-after-deletion"
    ),
    row(worlds.deleted, worlds.complete(), Phase.DELETED, "skipped", id="foreign-image-after-deletion"),
    row(worlds.absent, worlds.complete(), Phase.READY, "service_created", APPLY, id="foreign-image"),
    row(worlds.running, worlds.complete(), Phase.READY, "service_created", APPLY, id="newer-foreign-image"),
    row(worlds.building, worlds.complete(), Phase.BUILDING, "skipped", id="foreign-image-during-build"),
    row(
        worlds.building,
        worlds.complete(image_uri=CURRENT.image),
        Phase.READY,
        "service_created",
        APPLY,
        id="four-fields-of-the-current-build",
    ),
    row(worlds.building, worlds.failed(build=CURRENT), Phase.FAILED, "build_failed", APPLY, id="failure"),
    row(
        worlds.updating, worlds.failed(build=CURRENT), Phase.READY, "build_failed", APPLY, id="failed-update"
    ),
    row(worlds.building, worlds.failed(), Phase.FAILED, "build_failed", APPLY, id="failure-without-names"),
    row(worlds.building, worlds.failed(build=OTHER), Phase.BUILDING, "skipped", id="superseded-failure"),
    row(worlds.running, worlds.failed(build=CURRENT), Phase.READY, "skipped", id="failure-of-nothing"),
    row(worlds.deleted, worlds.failed(build=CURRENT), Phase.DELETED, "skipped", id="failure-after-deletion"),
    row(worlds.building, CANCEL, Phase.FAILED, "cancelled", APPLY, REMOVE, id="cancel"),
    row(worlds.updating, CANCEL, Phase.READY, "cancelled", APPLY, REMOVE, id="cancel-an-update"),
    row(
        worlds.building,
        worlds.cancel(build_id="build-1"),
        Phase.FAILED,
        "cancelled",
        APPLY,
        REMOVE,
        id="cancel-it",
    ),
    row(
        worlds.building,
        worlds.cancel(build_id="build-9"),
        Phase.BUILDING,
        "skipped",
        APPLY,
        id="cancel-another",
    ),
    row(worlds.building, worlds.cancel(time=at(-101)), Phase.BUILDING, "skipped", id="cancel-from-before"),
    row(worlds.absent, CANCEL, Phase.ABSENT, "skipped", APPLY, id="cancel-nothing"),
    row(worlds.running, CANCEL, Phase.READY, "skipped", APPLY, id="cancel-what-is-done"),
    row(worlds.deleted, CANCEL, Phase.DELETED, "skipped", APPLY, id="cancel-after-deletion"),
    row(worlds.cancelled, worlds.complete(build=CURRENT), Phase.FAILED, "skipped", id="success-after-cancel"),
    row(worlds.cancelled, worlds.failed(build=CURRENT), Phase.FAILED, "skipped", id="failure-after-cancel"),
    row(worlds.cancelled, worlds.ready(START), Phase.BUILDING, "started", STORE, APPLY, id="after-cancel"),
    row(worlds.grown, worlds.rollback(), Phase.READY, "rolled_back", APPLY, id="rollback"),
    row(worlds.grown, worlds.rollback(revision="3"), Phase.READY, "skipped", APPLY, id="rollback-to-present"),
    row(worlds.grown, worlds.rollback(time=at(-101)), Phase.READY, "skipped", id="rollback-from-before"),
    row(worlds.deleted, worlds.rollback(time=at(-101)), Phase.DELETED, "skipped", id="rollback-overtaken"),
    row(worlds.absent, DELETE, Phase.DELETED, "deleted", APPLY, id="delete-nothing"),
    row(worlds.building, DELETE, Phase.DELETED, "deleted", REMOVE, APPLY, id="delete-a-build"),
    row(worlds.running, DELETE, Phase.DELETED, "deleted", REMOVE, APPLY, id="delete"),
    row(worlds.deleted, DELETE, Phase.DELETED, "deleted", APPLY, id="delete-twice"),
    row(worlds.running, worlds.delete(time=at(-101)), Phase.READY, "skipped", id="delete-from-before"),
    row(worlds.running, worlds.start(time=at(-101)), Phase.READY, "skipped", id="start-from-before"),
    row(worlds.deleted, worlds.start(time=at(-101)), Phase.DELETED, "skipped", id="start-before-deletion"),
]


@pytest.mark.parametrize(("world", "stimulus", "phase", "status", "kinds"), TABLE)
def test_a_stimulus_leads_to_its_phase_and_answer(world, stimulus, phase, status, kinds):
    stimulus = stimulus if hasattr(stimulus, "context_key") else Requested(event=stimulus)

    state, commands = decide(world(), stimulus, NOW)

    assert (state.phase, commands[-1].reply.status) == (phase, status)
    assert tuple(type(command) for command in commands) == (*kinds, Answer)
    assert worlds.impossible(state) == []


@pytest.mark.parametrize(
    ("revision", "number"),
    [
        pytest.param(None, 2, id="the-one-before"),
        pytest.param("1", 1, id="number"),
        pytest.param("build-2", 2, id="build"),
        pytest.param("e1", 1, id="event"),
        pytest.param(worlds.content_hash("v1"), 1, id="content"),
        pytest.param(worlds.DIGEST, 3, id="digest-of-several-is-the-latest"),
    ],
)
def test_a_rollback_finds_its_revision_and_counts_on(revision, number):
    state, _ = decide(worlds.grown(), Requested(event=worlds.rollback(revision=revision)), NOW)

    if number == 3:
        assert state.deployment.number == 3
        return
    assert state.deployment.content_hash == worlds.content_hash(f"v{number}")
    assert (state.deployment.number, state.deployment.restored, state.deployment.cause) == (4, number, "r1")
    assert [one.number for one in state.previous] == [1, 2, 3]


def test_a_rollback_takes_a_number_for_a_revision_before_it_takes_it_for_an_event():
    """Who numbers events from 1 would else be rolled back to another revision than the one named."""
    world = worlds.grown()
    world = replace(world, deployment=replace(world.deployment, cause="1"))

    state, _ = decide(world, Requested(event=worlds.rollback(revision="1")), NOW)

    assert state.deployment.restored == 1


@pytest.mark.parametrize("status", [BuildStatus.CANCELLED, BuildStatus.SUPERSEDED])
def test_a_result_that_names_only_the_image_of_a_given_up_build_changes_nothing(status):
    """As senders of the contract's four fields do; it is no image that others built."""
    build = worlds.build(status=status)
    world = replace(worlds.running(), build=build)

    state, commands = decide(world, Requested(event=worlds.complete(image_uri=build.image)), NOW)

    assert (state, commands[-1].reply.status) == (world, "skipped")


def test_a_rollback_gives_up_the_build_that_would_undo_it():
    world = replace(worlds.grown(), build=worlds.build())

    state, _ = decide(world, Requested(event=worlds.rollback()), NOW)
    after, commands = decide(state, Requested(event=worlds.complete(build=worlds.build())), NOW)

    assert state.build.status is BuildStatus.SUPERSEDED
    assert (after, commands[-1].reply.status) == (state, "skipped")


@pytest.mark.parametrize(
    ("world", "revision", "problem"),
    [
        pytest.param(worlds.absent, None, "is absent: there is no revision to roll back to", id="absent"),
        pytest.param(worlds.building, "1", "is building: there is no revision", id="building"),
        pytest.param(worlds.running, None, "has had one revision only", id="only-one"),
        pytest.param(
            worlds.grown, "9", r"'9' is not known of tp1/parser1; allowed: 1 \(event e1\), 2", id="unknown"
        ),
    ],
)
def test_a_rollback_to_nowhere_is_refused_with_what_is_there(world, revision, problem):
    with pytest.raises(InvalidEvent, match=problem):
        decide(world(), Requested(event=worlds.rollback(revision=revision)), NOW)


def test_only_the_last_ten_revisions_are_remembered():
    platform = worlds.Platform(worlds.grown())
    for number in range(12):
        platform.deliver(worlds.rollback(id=f"r{number}"))

    assert [one.number for one in platform.state.previous] == list(range(5, 15))
    assert platform.state.deployment.number == 15


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_a_build_start_looks_at_the_code_first(world):
    state, commands = decide(world(), Requested(event=START), NOW)

    assert state == world()
    assert [type(command) for command in commands] == [PrepareContext]


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_start_worlds_are_possible(world):
    assert worlds.impossible(world()) == []


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(replace(worlds.deleted(), deployment=worlds.deployment()), id="deleted-and-running"),
        pytest.param(replace(worlds.running(), desired_at=None), id="undecided"),
        pytest.param(replace(worlds.building(), build=worlds.build("v1", BuildStatus.SUCCEEDED)), id="lost"),
        pytest.param(replace(worlds.building(), build=replace(CURRENT, reason="oom")), id="reason"),
    ],
)
def test_the_checker_refuses_impossible_worlds(state):
    assert worlds.impossible(state)


def test_every_phase_answers_every_event():
    events = {kind for _, kind in TRANSITIONS} - {TombstoneExpired}

    assert {(phase, kind) for phase in Phase for kind in events} <= set(TRANSITIONS)


def test_a_tombstone_is_forgotten_after_a_day():
    old = replace(worlds.deleted(), deleted_at=at(-24 * 3600))

    state, commands = decide(old, TombstoneExpired(), NOW)

    assert state == worlds.absent()
    assert [type(command) for command in commands] == [RemoveStack]


@pytest.mark.parametrize("world", [worlds.deleted, worlds.running], ids=["too-early", "not-deleted"])
def test_what_cannot_happen_is_refused_with_its_story(world):
    platform = worlds.Platform(world())
    platform.deliver(worlds.delete("d9"))
    state = replace(platform.state, deleted_at=None) if world is worlds.running else platform.state

    with pytest.raises(InvalidTransition) as refused:
        decide(state, TombstoneExpired(), NOW)

    assert refused.value.state is state
    assert refused.value.story[-1].endswith("network.notifi.lambda.service.delete -> deleted")


def test_an_image_is_rolled_out_by_digest_in_our_own_repository():
    platform = worlds.Platform(worlds.building())

    platform.deliver(worlds.complete(build=CURRENT, image_uri="elsewhere.test/evil:1"))

    assert platform.state.deployment.image == f"{worlds.REPOSITORY}@{worlds.DIGEST}"


def test_without_a_digest_the_tag_is_rolled_out():
    platform = worlds.Platform(worlds.building())

    platform.deliver(worlds.complete(build=CURRENT, image_digest=None))

    assert platform.state.deployment.image == CURRENT.image


def test_a_registry_port_is_no_tag():
    platform = worlds.Platform()

    platform.deliver(worlds.complete(image_uri="registry.test:5000/knative-lambdas"))

    assert platform.state.deployment.image == f"registry.test:5000/knative-lambdas@{worlds.DIGEST}"


def test_a_failure_is_kept_with_its_reason_and_the_end_of_its_log():
    platform = worlds.Platform(worlds.building())

    platform.deliver(worlds.failed(build=CURRENT, exit_code=137, log_tail="x" * 9000 + "the end"))

    kept = platform.state.build
    assert (kept.reason, kept.exit_code, kept.has_job) == ("oom", 137, False)
    assert kept.log_tail.endswith("the end")
    assert len(kept.log_tail) <= 4096


def test_a_repeated_event_gets_the_first_answer_again_and_finishes_what_was_left():
    platform = worlds.Platform()
    first = platform.deliver(START)

    again = platform.deliver(START)

    assert again.status == "skipped"
    assert again.fields == first.fields
    assert [type(command) for command in platform.commands] == [ApplyStack, Answer]


def test_two_builds_with_one_build_id_have_two_jobs():
    platform = worlds.Platform(content={"b": "v2"})
    first = platform.deliver(worlds.start("a", build_id="nightly"))
    second = platform.deliver(worlds.start("b", build_id="nightly"))

    assert first.fields["build_id"] == second.fields["build_id"] == "nightly"
    assert first.fields["job_name"] != second.fields["job_name"]


def test_a_clock_that_runs_ahead_does_not_block_later_events():
    platform = worlds.Platform(content={"later": "v2"})
    platform.deliver(worlds.start("hasty", time=at(3600)))
    platform.now = at(60)

    assert platform.deliver(worlds.start("later", time=at(30))).status == "started"


@pytest.mark.parametrize(("seconds", "joined"), [(2099, True), (2100, False)], ids=["in-time", "too-late"])
def test_a_stalled_build_is_given_up_after_its_deadline(seconds, joined):
    platform = worlds.Platform()
    first = platform.deliver(worlds.start("a"))
    platform.now = at(seconds)

    second = platform.deliver(worlds.start("b"))

    assert second.status == "started"
    assert (second.fields["job_name"] == first.fields["job_name"]) is joined


def test_superseded_requests_are_remembered_with_the_one_that_replaced_them():
    platform = worlds.Platform()
    platform.deliver(worlds.start("new"), superseded=(worlds.meta("old"),))

    assert platform.deliver(worlds.start("old")).status == "skipped"


def test_only_the_latest_32_events_of_the_last_day_are_remembered():
    platform = worlds.Platform()
    for number in range(40):
        platform.deliver(worlds.delete(f"d{number}"))
    assert [seen.id for seen in platform.state.handled] == [f"d{number}" for number in range(8, 40)]

    platform.now = at(25 * 3600)
    platform.deliver(worlds.delete("tomorrow"))
    assert [seen.id for seen in platform.state.handled] == ["tomorrow"]
