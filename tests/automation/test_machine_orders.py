"""Any order and any repetition of a function's events ends in the same place."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from automation import record
from automation.errors import InvalidEvent
from automation.model import BuildStatus, Phase
from tests.automation import worlds
from tests.automation.worlds import NOW, at

CONTENTS = ["v1", "v2", "v3", "bad"]


@st.composite
def histories(draw):
    """Draw what happened (a content, or None for a deletion), and a delivery order with repetitions."""
    wanted = draw(st.lists(st.sampled_from([*CONTENTS, None]), min_size=1, max_size=8))
    indices = draw(st.lists(st.integers(0, len(wanted) - 1), max_size=8))
    order = draw(st.permutations([*range(len(wanted)), *indices]))
    return wanted, order


def event(number, content):
    time = at(number - 100)
    return worlds.delete(f"e{number}", time) if content is None else worlds.start(f"e{number}", time)


def result(platform, build, repetition):
    """Return the event that the monitor of a build sends: its outcome depends on the content alone."""
    if build.content_hash == worlds.content_hash("bad"):
        return worlds.failed(f"{build.job_name}-{repetition}", build)
    return worlds.complete(f"{build.job_name}-{repetition}", build)


def replay(wanted, order, data):
    """Deliver everything; in between, results of any build that was ever started, early, late or repeated."""
    platform = worlds.Platform(content={f"e{n}": content for n, content in enumerate(wanted)})
    for step, number in enumerate(order):
        deliver(platform, event(number, wanted[number]))
        builds = sorted(platform.builds)
        if builds and data.draw(st.booleans()):
            build = platform.builds[data.draw(st.sampled_from(builds))]
            deliver(platform, result(platform, build, step))
    for job in sorted(platform.builds):
        deliver(platform, result(platform, platform.builds[job], "last"))
    return platform


def deliver(platform, delivered):
    """Deliver one event and check what must hold after every step."""
    before = platform.state
    reply = platform.deliver(delivered)
    after = platform.state
    assert worlds.impossible(after) == []
    assert record.loads(record.dumps(after)) == after
    assert before.desired_at is None or after.desired_at >= before.desired_at
    assert reply.fields["event_id"] == delivered.meta.id


@settings(max_examples=400, deadline=None)
@given(history=histories(), data=st.data())
def test_any_order_and_repetition_ends_with_the_latest_event(history, data):
    wanted, order = history

    state = replay(wanted, order, data).state

    latest = wanted[-1]
    if latest is None:
        assert state.phase is Phase.DELETED
    elif latest == "bad":
        assert state.build.content_hash == worlds.content_hash("bad")
        assert state.build.status is BuildStatus.FAILED
    else:
        assert state.phase is Phase.READY
        assert state.deployment.content_hash == worlds.content_hash(latest)


@settings(max_examples=200, deadline=None)
@given(history=histories(), data=st.data())
def test_delivering_everything_once_more_changes_nothing(history, data):
    wanted, order = history
    platform = replay(wanted, order, data)
    settled = platform.state

    for number in order:
        deliver(platform, event(number, wanted[number]))

    assert platform.state == settled


COMMANDS = st.lists(st.sampled_from(["v1", "v2", "bad", None, "cancel", "rollback"]), min_size=1, max_size=10)


def command(number, wanted):
    time = at(number - 100)
    if wanted == "cancel":
        return worlds.cancel(f"e{number}", time)
    return worlds.rollback(f"e{number}", time=time) if wanted == "rollback" else event(number, wanted)


@settings(max_examples=400, deadline=None)
@given(wanted=COMMANDS, data=st.data())
def test_results_of_builds_that_were_given_up_change_nothing(wanted, data):
    platform = worlds.Platform(content={f"e{n}": content for n, content in enumerate(wanted)})
    for number, what in enumerate(wanted):
        given_up = {
            job for job, build in platform.builds.items() if build != platform.state.build or is_over(build)
        }
        with contextlib.suppress(InvalidEvent):  # a rollback where nothing ran
            deliver(platform, command(number, what))
        for job in sorted(given_up):
            before = platform.state
            deliver(platform, result(platform, platform.builds[job], f"late-{number}"))
            assert platform.state == before
        if data.draw(st.booleans()) and platform.state.build is not None:
            deliver(platform, result(platform, platform.state.build, number))


def is_over(build):
    return build.status in (BuildStatus.CANCELLED, BuildStatus.SUPERSEDED)


def test_now_is_after_every_event_of_the_histories():
    assert at(-100 + 8) < NOW
