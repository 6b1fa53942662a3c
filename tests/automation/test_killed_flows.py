"""The service is killed (SIGKILL) at every write of every flow, then fed the same events again: same end.

Writes are those of the state, of the cluster, of the storage and of the turns; the process is forked from the
test's, so that it starts at once, and dies without any chance to clean up.
"""

import dataclasses
import itertools
import json
import os
import shutil

import pytest

from automation import record
from automation.configuration import Configuration, RolloutPolicy
from automation.events import FunctionDeploy, FunctionPromote
from automation.model import RolloutObserved
from automation.outbox.emission import Kind
from automation.program import RECORD
from components.gate_rules import parse
from tests.automation.conftest import CODE
from tests.automation.mortals import MortalWorld, a_minute_passes
from tests.engine.killing import KILLED, in_a_process

STACK = "fn-tp1-p1"
KINDS = frozenset({Kind.LIFECYCLE, Kind.AUDIT, Kind.CALLBACKS})
OTHER = "sha256:" + "e" * 64
IMAGE = "registry.test/other@sha256:" + "f" * 64
CANARY = RolloutPolicy(steps=(10, 50), pause_seconds=60, ready_within_seconds=300)
GATE = parse('[{"name": "no-deleting", "when": {"steps": ["delete"], "kinds": ["Service"]}}]')


def nothing(world):
    """Begin with nothing."""


def building(world):
    return world.do(world.build_start("start"))


def rolling_out(world):
    started = building(world)
    world.do(world.build_complete(started, "complete"))


def an_update(world):
    rolling_out(world)
    world.put(CODE + b"# newer\n")
    started = world.do(world.build_start("start-2"))
    world.do(world.build_complete(started, "complete-2", image_digest=OTHER))


def failing(world):
    failed = world.build_failed(building(world))
    world.do(dataclasses.replace(failed, meta=world.meta("build.failed", "fail")))


def retrying(world):
    failing(world)
    world.do(world.build_start("retry", retry=True, force=True))


def superseding(world):
    building(world)
    world.put(CODE + b"# newer\n")
    world.do(world.build_start("start-2"))


def cancelling(world):
    building(world)
    world.do(world.cancel("cancel"))


def deleting_a_build(world):
    building(world)
    world.do(world.delete("delete"))


def deleting(world):
    rolling_out(world)
    world.do(world.delete("delete"))


def rolling_back(world):
    an_update(world)
    world.do(world.rollback("1", "rollback"))


def command(world, name, id):
    return dataclasses.replace(world.meta("", id), type=f"io.knative.lambda.command.function.{name}")


def deploying(world, id, **fields):
    world.do(FunctionDeploy(meta=command(world, "deploy", id), function=world.function, **fields))


def an_image(world):
    deploying(world, "deploy", image=IMAGE)


def inline_code(world):
    deploying(world, "deploy", code={"parser.py": CODE}, language="python")


def configuring(world):
    rolling_out(world)
    configuration = Configuration(env=(("A", "1"),))
    deploying(world, "configure", has_source=False, configuration=configuration)


def seen(world, number):
    """What a round tells that finds a revision ready."""
    revision = f"lambda-tp1-p1-0000{number}"
    world.runner.tell(world.function, RolloutObserved(number=number, ready=True, revision=revision))


def a_stable_image(world):
    an_image(world)
    seen(world, 1)


def a_canary(world):
    a_stable_image(world)
    newer = IMAGE.replace("f", "a")
    deploying(world, "canary", image=newer, configuration=Configuration(rollout=CANARY))
    seen(world, 2)


def promoting(world):
    a_canary(world)
    meta = command(world, "promote", "promote")
    world.do(FunctionPromote(meta=meta, function=world.function, percent=100))


def approving(world):
    """A dry run, and the same event with its plan's id."""
    rolling_out(world)
    event = world.delete("delete")
    planned = world.runner.handle(with_meta(event, dry_run=True))
    world.do(with_meta(event, plan_id=planned.fields.get("plan_id")))


def passing_a_gate(world):
    """The event is parked with its plan, and approved."""
    rolling_out(world)
    event = world.delete("delete")
    parked = world.runner.handle(event)
    if parked.status == "parked":
        world.do(with_meta(event, plan_id=parked.fields["plan_id"]))


def with_meta(event, **fields):
    return dataclasses.replace(event, meta=dataclasses.replace(event.meta, **fields))


def waiting_for_a_turn(world):
    building(world)
    world.usher.round()


FLOWS = [
    (nothing, building),
    (building, rolling_out),
    (building, failing),
    (failing, retrying),
    (building, superseding),
    (building, cancelling),
    (building, deleting_a_build),
    (rolling_out, an_update),
    (rolling_out, deleting),
    (an_update, rolling_back),
    (nothing, an_image),
    (nothing, inline_code),
    (rolling_out, configuring),
    (a_stable_image, a_canary),
    (a_canary, promoting),
    (rolling_out, approving),
    (rolling_out, passing_a_gate),
    (nothing, waiting_for_a_turn),
]
"""Flows, and their beginnings, in which nobody is killed."""

SETTINGS = {
    waiting_for_a_turn: {"build_limit": 1},
    passing_a_gate: {"gate_rules": GATE, "gate_expiry_seconds": 86_400},
}


class Place:
    """A folder with everything that outlives a process, and what is asked about it."""

    def __init__(self, folder, flow):
        self.folder, self._settings = folder, SETTINGS.get(flow, {})
        folder.mkdir(exist_ok=True)

    def live(self, flow, last=None):
        """Carry a flow out from its beginning in a process that dies at a moment; say how that ended."""
        return in_a_process(lambda: self._live(flow, last))

    def _live(self, flow, last):
        world = MortalWorld(self.folder, last, kinds=KINDS, **self._settings)
        world.put()
        flow(world)
        world.outbox.close(30)

    def settle(self):
        """Let time pass, until what dead processes had left to tell is told."""
        assert in_a_process(self._settle) == 0

    def _settle(self):
        world = MortalWorld(self.folder, kinds=KINDS, **self._settings)
        if RECORD in (outputs := world.engine.outputs(STACK).outputs):
            world.outbox.send(STACK, record.loads(outputs[RECORD]))
        world.outbox.close(30)
        world.usher.round()
        state = record.loads(outputs[RECORD]) if outputs else None
        told = [json.loads(line) for line in world.broker.path.read_text().splitlines()]
        end = {
            "record": _settled(state) if state else "",
            "cluster": {key: _without_uid(value) for key, value in world.cluster.objects.items()},
            "store": world.store.objects,
            "turns": world.observer.given.jobs,
            "told": {id: kind for id, *kind in told},
        }
        (self.folder / "end").write_text(repr(_sorted(end)))

    def end(self):
        """Return how everything stands."""
        return (self.folder / "end").read_text()

    def left_over(self):
        """Return the locks that are still there."""
        return list((self.folder / "state" / ".pulumi" / "locks").rglob("*.json"))

    def forgotten(self):
        """Return the events that were answered and are not in the record."""
        answers = self.folder / "answers"
        answered = answers.read_text().split() if answers.exists() else []
        path = self.folder / f"state/.pulumi/stacks/knative-lambda-functions/{STACK}.json"
        held = path.read_text() if path.exists() else ""
        return [id for id in answered if f'\\"id\\":\\"{id}\\"' not in held]


def _settled(state):
    """Return the record as text. Whether a build had to wait when it was asked for depends on the death."""
    return record.dumps(dataclasses.replace(state, outbox=())).replace(
        '"status":"queued"', '"status":"started"'
    )


def _without_uid(value):
    return {**value, "metadata": {k: v for k, v in value["metadata"].items() if k != "uid"}}


def _sorted(value):
    if isinstance(value, dict):
        return sorted((repr(key), _sorted(each)) for key, each in value.items())
    return sorted(value) if isinstance(value, frozenset) else value


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """What a process wrote survives its death without that, and there are hundreds of deaths here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.parametrize(("before", "flow"), FLOWS, ids=lambda flow: flow.__name__)
def test_a_flow_that_is_cut_off_anywhere_ends_as_if_it_was_not(tmp_path, before, flow):
    template, whole = Place(tmp_path / "template", flow), Place(tmp_path / "whole", flow)
    assert template.live(before) == 0
    assert whole.live(flow) == 0
    whole.settle()

    for last in itertools.count():
        shutil.copytree(template.folder, tmp_path / "killed")
        place = Place(tmp_path / "killed", flow)
        if place.live(flow, last) != KILLED:
            break
        assert place.forgotten() == [], f"answered before the death at moment {last}"
        a_minute_passes(place.folder)
        assert place.live(flow) == 0
        place.settle()
        assert place.end() == whole.end(), f"after the death at moment {last}"
        assert place.left_over() == []
        shutil.rmtree(place.folder)

    assert last > 8
