"""How a new revision comes to its traffic, and how it is taken back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation import record, traffic
from automation.configuration import Configuration, RolloutPolicy
from automation.errors import InvalidEvent
from automation.events import FunctionDeploy, FunctionPromote
from automation.machine import decide
from automation.model import ApplyStack, Phase, Requested, RolloutObserved
from tests.automation import worlds
from tests.automation.worlds import FUNCTION, NOW, at

CANARY = RolloutPolicy(steps=(10, 50), pause_seconds=60, ready_within_seconds=300)
OTHER = "registry.test/other@sha256:" + "e" * 64


def sound(policy=None):
    """A function whose third deployment has been seen ready, and has all of the traffic."""
    world = worlds.grown()
    configuration = Configuration(rollout=policy)
    deployment = replace(world.deployment, revision="fn-00003", ready_at=at(-50), configuration=configuration)
    return replace(world, deployment=deployment, configuration=configuration)


def deploy(id="p1", time=None, **fields):
    meta = worlds.meta(id, time, "io.knative.lambda.command.function.deploy")
    return FunctionDeploy(meta=meta, function=FUNCTION, **fields)


def image(state, id="p1", **fields):
    fields = {"configuration": state.configuration, **fields}
    return send(state, deploy(id, image=OTHER, **fields))


def promote(percent=100, time=None):
    meta = worlds.meta("pr1", time, "io.knative.lambda.command.function.promote")
    return FunctionPromote(meta=meta, function=FUNCTION, percent=percent)


def send(state, event, now=NOW, **fields):
    state, commands = decide(state, Requested(event=event, **fields), now)
    assert worlds.impossible(state) == []
    assert record.loads(record.dumps(state)) == state
    return state, commands[-1].reply


def look(state, seconds=0, *, number=None, ready=True, **fields):
    """Let a round look at the Service so many seconds from now."""
    number = number or state.deployment.number
    seen = RolloutObserved(number=number, ready=ready, revision=f"fn-0000{number}", **fields)
    after, commands = decide(state, seen, at(seconds))
    assert worlds.impossible(after) == []
    assert record.loads(record.dumps(after)) == after
    assert [type(command) for command in commands] == ([ApplyStack] if after != state else [])
    return after


def share(state):
    return None if state.rollout is None else (state.rollout.percent, state.rollout.stable_revision)


def test_a_new_revision_has_arrived_when_it_is_seen_ready():
    state, reply = image(sound())
    assert reply.status == "service_created"
    assert state.rollout.percent == 100

    state = look(state, 5)

    assert state.rollout is None
    assert (state.deployment.revision, state.deployment.ready_at) == ("fn-00004", at(5))
    assert look(state, 10) == state


def test_a_canary_goes_up_step_by_step():
    state, _ = image(sound(CANARY))
    shares = [share(state)]

    for seconds in (5, 30, 66, 100, 127):
        state = look(state, seconds)
        shares.append(share(state))

    stable = "fn-00003"
    assert shares == [(10, stable), (10, stable), (10, stable), (50, stable), (50, stable), None]


def test_a_canary_without_pauses_waits_to_be_promoted():
    state, _ = image(sound(RolloutPolicy(steps=(20,))))
    state = look(state, 5)

    assert share(look(state, 100_000)) == (20, "fn-00003")
    state, reply = send(state, promote(), at(100_000))

    assert (reply.status, reply.fields["percent"]) == ("promoted", 100)
    assert state.rollout is None


def test_a_canary_can_be_given_a_share_by_an_event_and_goes_on_from_there():
    state, _ = image(sound(CANARY))
    state = look(state, 5)

    state, _ = send(state, promote(30), at(6))
    assert share(state) == (30, "fn-00003")

    assert share(look(state, 66)) == (50, "fn-00003")


def test_a_promotion_before_readiness_gives_everything_once_it_is_ready():
    state, _ = send(image(sound(CANARY))[0], promote())

    assert state.rollout.percent == 100
    assert look(state, 5).rollout is None


@pytest.mark.parametrize(
    "world", [worlds.absent, worlds.building, worlds.broken, worlds.deleted, worlds.running, sound]
)
def test_a_promotion_of_nothing_changes_nothing(world):
    state, reply = send(world(), promote())

    assert (state, reply.status) == (world(), "skipped")


def test_the_first_revision_takes_everything_whatever_the_steps():
    """There is nothing that the rest could go to."""
    state, _ = send(worlds.absent(), deploy(image=OTHER, configuration=Configuration(rollout=CANARY)))

    assert share(state) == (100, "")


def test_the_environment_says_how_functions_are_rolled_out_that_do_not():
    state, _ = send(sound(), deploy(image=OTHER), policy=CANARY)

    assert share(state) == (10, "fn-00003")


def test_a_revision_that_does_not_become_ready_gives_way_to_the_one_before():
    before = sound(CANARY)
    changed = replace(before.configuration, min_scale=3)
    state, _ = image(before, configuration=changed)

    waiting = look(state, 299, ready=False, message="image not found")
    assert waiting == state
    state = look(state, 300, ready=False, message="image not found")

    assert (state.deployment.number, state.deployment.restored) == (5, 3)
    assert state.deployment.image == before.deployment.image
    assert state.configuration == state.deployment.configuration == before.configuration
    assert state.previous[-1].failure == "it was not ready within 300 s: image not found"
    assert share(state) == (0, "fn-00003"), "requests stay where they are until the old one runs again"
    assert look(state, 310).rollout is None


def test_what_knative_calls_failed_is_given_up_before_the_time_is_over():
    state, _ = image(sound())
    failed = {"ready": False, "failed_since": at(10), "message": "exit code 1"}

    assert look(state, 39, **failed) == state
    state = look(state, 40, **failed)

    assert (state.deployment.restored, state.previous[-1].failure) == (3, "exit code 1")


def test_a_first_revision_that_fails_is_told_of_and_may_still_become_ready():
    state, _ = send(worlds.absent(), deploy(image=OTHER))
    failed = {"ready": False, "failed_since": at(0), "message": "exit code 1"}

    state = look(state, 60, **failed)
    assert (state.rollout.failure, state.phase) == ("exit code 1", Phase.READY)
    assert look(state, 90, **failed) == state

    assert look(state, 120).rollout is None


def test_a_restored_revision_that_fails_is_not_restored_for_ever():
    state, _ = image(sound())
    state = look(state, 600, ready=False)
    assert state.deployment.number == 5

    state = look(state, 1200, ready=False)

    assert state.deployment.number == 5
    assert state.rollout.failure
    assert look(state, 1800, ready=False) == state


def test_a_rollback_leaves_the_failed_ones_out():
    state, _ = image(sound())
    state = look(look(state, 600, ready=False), 610)

    with pytest.raises(InvalidEvent, match="'99' is not known"):
        send(state, worlds.rollback(revision="99"))
    state, _ = send(state, worlds.rollback("r9"))

    assert state.deployment.restored == 3


def test_a_canary_that_is_overtaken_leaves_the_stable_one_where_it_is():
    state, _ = image(sound(CANARY))
    state = look(state, 5)

    state, _ = send(
        state, deploy("p2", image=OTHER, configuration=Configuration(min_scale=1, rollout=CANARY))
    )

    assert (state.deployment.number, share(state)) == (5, (10, "fn-00003"))
    assert look(state, 900, ready=False).deployment.restored == 3


def test_looking_at_another_deployment_changes_nothing():
    state, _ = image(sound(CANARY))

    assert look(state, 900, number=3) == state


def test_a_rollback_restores_the_configuration_with_the_image():
    before = sound()
    state, _ = image(before, configuration=Configuration(env=(("A", "1"),), min_scale=2))

    state, _ = send(state, worlds.rollback(revision="3"))

    assert state.deployment.configuration == before.configuration == state.configuration


def test_a_changed_configuration_is_rolled_out_without_a_build():
    configuration = Configuration(min_scale=1)

    state, reply = send(sound(), deploy(has_source=False, configuration=configuration))

    assert (reply.status, reply.fields["revision"]) == ("updated", 4)
    assert state.deployment.image == sound().deployment.image
    assert state.deployment.configuration == configuration
    assert send(state, deploy("p2", has_source=False, configuration=configuration))[1].status == "skipped"


def test_an_update_leaves_what_it_does_not_mention():
    state, _ = send(sound(), deploy(has_source=False, configuration=Configuration(min_scale=1)))

    update = deploy(
        "p2",
        has_source=False,
        configuration=Configuration(env=(("A", "1"),)),
        said=frozenset({"env", "secrets"}),
    )
    state, _ = send(state, update)

    assert state.configuration == Configuration(min_scale=1, env=(("A", "1"),))


def test_a_configuration_waits_for_the_build_that_is_under_way():
    configuration = Configuration(min_scale=1)
    state, reply = send(worlds.building(), deploy(has_source=False, configuration=configuration))
    assert reply.fields["build_id"] == "build-1"

    state, _ = send(state, worlds.complete(build=worlds.build()))

    assert state.deployment.configuration == configuration


def test_a_rebuild_keeps_the_configuration():
    configuration = Configuration(min_scale=1)
    state, _ = send(sound(), deploy(has_source=False, configuration=configuration))
    state, _ = decide(state, worlds.ready(worlds.start("e9"), "v9"), NOW)

    state, _ = send(state, worlds.complete(build=state.build))

    assert state.deployment.configuration == configuration


def test_there_is_nothing_to_configure_where_nothing_is():
    with pytest.raises(InvalidEvent, match=r"tp1/parser1 is absent: there is nothing to configure; send"):
        send(worlds.absent(), deploy(has_source=False))


def test_an_image_takes_the_place_of_a_build():
    state, _ = send(worlds.updating(), deploy(image=OTHER))
    after, commands = decide(state, Requested(event=worlds.complete(build=worlds.build())), NOW)

    assert state.deployment.image == OTHER
    assert (after, commands[-1].reply.status) == (state, "skipped")


def test_the_same_image_again_is_no_new_revision():
    state, _ = image(sound())

    again, reply = image(state, "p2")

    assert (reply.status, again.deployment) == ("skipped", state.deployment)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["image", "ready", "late", "failed", "promote", "rollback", "configure"]),
            st.integers(1, 100),
        ),
        max_size=25,
    )
)
def test_whatever_happens_to_canaries_something_sound_has_the_traffic(happenings):
    state = sound(CANARY)
    clock = 0
    for index, (what, value) in enumerate(happenings):
        clock += value * 10
        now = at(clock)
        configuration = replace(state.configuration, max_scale=value)
        try:
            if what == "image":
                event = deploy(f"p{index}", image=f"r.test/i:{value}", configuration=configuration)
                state, _ = send(state, event, now)
            elif what == "configure":
                event = deploy(f"p{index}", has_source=False, configuration=configuration)
                state, _ = send(state, event, now)
            elif what == "promote":
                state, _ = send(state, promote(value), now)
            elif what == "rollback":
                state, _ = send(state, worlds.rollback(f"r{index}"), now)
            else:
                failed_since = at(clock - 60) if what == "failed" else None
                state = look(state, clock, ready=what == "ready", failed_since=failed_since)
        except InvalidEvent:
            assert what == "rollback"
        if state.rollout is not None and state.rollout.percent < 100:
            known = {one.number: one.revision for one in state.previous}
            assert known[state.rollout.stable] == state.rollout.stable_revision != ""
        assert len(state.previous) <= traffic.KEPT
        assert state.rollout is not None or state.deployment.revision
