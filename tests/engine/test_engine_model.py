"""Random programs, edits, failures and crashes: whatever happens, the engine finds its way back.

A longer search: HYPOTHESIS_PROFILE=long (an hour's worth), or ENGINE_MODEL_EXAMPLES=<number of stories>.
"""

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from engine import Engine, crypto
from engine.options import Options
from tests.engine.model import STACK, TROUBLES, Model, Node, Trouble, changed, matches, program

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
EXAMPLES = int(os.environ.get("ENGINE_MODEL_EXAMPLES", "5000" if LONG else "40"))

KINDS = {0: "cloud", 1: "group", 2: "group", **dict.fromkeys(range(3, 8), "thing")}
GROUPS = [rank for rank, kind in KINDS.items() if kind == "group"]
THINGS = [rank for rank, kind in KINDS.items() if kind == "thing"]
SALT = crypto.new_state("p")  # deriving a key takes longer than a story

small = st.integers(1, 2)
flag = st.booleans()
cuts = st.sampled_from([None, None, None, *range(25)])
mishaps = st.none() | st.builds(
    lambda call, kind: Trouble(call, *kind), st.integers(0, 5), st.sampled_from(TROUBLES)
)


def below(rank: int, ranks: list[int]) -> st.SearchStrategy[int | None]:
    """Return a strategy for references to nodes of a lower rank."""
    lower = [other for other in ranks if other < rank]
    return st.none() | st.sampled_from(lower) if lower else st.none()


def nodes(rank: int) -> st.SearchStrategy[Node]:
    """Return a strategy for nodes of a rank."""
    kind = KINDS[rank]
    if kind == "cloud":
        return st.builds(Node, kind=st.just(kind), rank=st.just(rank), forced=small)
    if kind == "group":
        return st.builds(Node, kind=st.just(kind), rank=st.just(rank), parent=below(rank, GROUPS))
    return st.builds(
        Node,
        kind=st.just(kind),
        rank=st.just(rank),
        parent=below(rank, GROUPS),
        after=below(rank, THINGS),
        uses=below(rank, THINGS),
        forced_by=below(rank, THINGS),
        cloud=st.sampled_from([None, None, 0]),
        deleted_with=st.none() | below(rank, THINGS),
        size=small,
        forced=small,
        first=small,
        secret=flag,
        protect=st.sampled_from([False] * 7 + [True]),
        retain=st.sampled_from([False, False, False, True]),
        delete_first=st.sampled_from([None, None, True, False]),
        ignores=st.sampled_from([False, False, True]),
        replaces=st.sampled_from([False, False, True]),
    )


def write(blueprint: dict[int, Node], data: Any) -> None:
    """Add a resource to the program, or write it anew; its former names stay its own."""
    rank = data.draw(st.sampled_from(sorted(KINDS)))
    old = blueprint.get(rank)
    blueprint[rank] = changed(data.draw(nodes(rank)), renames=old.renames if old else 0)


def change(blueprint: dict[int, Node], data: Any) -> None:
    """Change a property of a resource."""
    rank = data.draw(st.sampled_from(sorted(blueprint))) if blueprint else None
    if rank is not None:
        node = blueprint[rank]
        keys = ["forced"] if node.kind != "thing" else ["size", "size", "secret", "forced", "first"]
        key = data.draw(st.sampled_from(keys))
        value = getattr(node, key)
        blueprint[rank] = changed(node, **{key: not value if isinstance(value, bool) else 3 - value})


def take_out(blueprint: dict[int, Node], data: Any) -> None:
    """Take a resource out of the program."""
    if blueprint:
        del blueprint[data.draw(st.sampled_from(sorted(blueprint)))]


def rename(blueprint: dict[int, Node], data: Any) -> None:
    """Give a resource a new name, its former ones as aliases."""
    rank = data.draw(st.sampled_from(sorted(blueprint))) if blueprint else None
    if rank is not None and blueprint[rank].renames < 3:
        blueprint[rank] = changed(blueprint[rank], renames=blueprint[rank].renames + 1)


EDITS = [change, change, change, write, take_out, rename]


class Story(RuleBasedStateMachine):
    """One stack through edits, operations, troubles and cuts.

    What is drawn never depends on what the engine did: independent resources come in any order, so that the
    same story can run into its troubles elsewhere the next time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(finds=False)

    @initialize(finds=flag, data=st.data())
    def begin(self, finds: bool, data: Any) -> None:
        """Begin with a program of most resources, and mostly with what it wants already there."""
        self.model = Model(finds=finds)
        for rank in sorted(KINDS):
            if data.draw(st.sampled_from([True, True, True, False])):
                self.model.blueprint[rank] = data.draw(nodes(rank))
        if data.draw(st.sampled_from([True, True, False])):
            assert self.model.run(self.model.up()) is None

    @rule(data=st.data(), trouble=mishaps, changes=cuts, go_on=flag)
    def edit_and_up(self, data: Any, trouble: Trouble | None, changes: int | None, go_on: bool) -> None:
        """Change the program and update, whatever comes in between."""
        for edit in data.draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=3)):
            edit(self.model.blueprint, data)
        options = Options(continue_on_error=go_on)
        self.model.run(self.model.up(options=options), trouble=trouble, changes=changes)

    @rule(trouble=mishaps, changes=cuts)
    def refresh_and_up(self, trouble: Trouble | None, changes: int | None) -> None:
        """Update with a refresh before."""
        failure = self.model.run(
            self.model.up(options=Options(refresh=True)), trouble=trouble, changes=changes
        )
        if failure is None:
            self.model.drifted.clear()

    @rule(ranks=st.sets(st.sampled_from(THINGS), min_size=1, max_size=2), trouble=mishaps, replace=flag)
    def up_to_targets(self, ranks: set[int], trouble: Trouble | None, replace: bool) -> None:
        """Update some resources only, or replace them; all others are left alone."""
        world = self.model.world
        before = {id_: world.resources[id_] for id_ in self.model.bystanders(ranks)}
        urns = tuple(
            f"**::{self.model.blueprint[rank].name}" for rank in ranks if rank in self.model.blueprint
        )
        options = Options(replace=urns, targets=urns) if replace else Options(targets=urns)
        if urns:
            self.model.run(self.model.up(options=options), trouble=trouble)
            assert before == {id_: world.resources.get(id_) for id_ in before}, urns

    @rule()
    def preview(self) -> None:
        """Preview; that changes nothing."""
        files, world = dict(self.model.files), dict(self.model.world.resources)
        self.model.run(lambda engine: engine.preview(STACK, program(self.model.blueprint)))
        assert (self.model.files, self.model.world.resources) == (files, world)

    @rule(changes=cuts)
    def refresh(self, changes: int | None) -> None:
        """Refresh, and what was done behind the engine's back is known."""
        if not self.model.exists():
            return
        failure = self.model.run(lambda engine: engine.refresh(STACK), changes=changes)
        if failure is None:
            self.model.drifted.clear()

    @rule(trouble=mishaps, changes=cuts)
    def destroy(self, trouble: Trouble | None, changes: int | None) -> None:
        """Destroy; what is protected stays."""
        if not self.model.exists():
            return
        blueprint, self.model.blueprint = self.model.blueprint, {}
        self.model.run(lambda engine: engine.destroy(STACK), trouble=trouble, changes=changes)
        self.model.blueprint = blueprint

    @rule(which=st.integers(0, 9), gone=flag)
    def drift(self, which: int, gone: bool) -> None:
        """Change or delete something behind the engine's back."""
        existing = sorted(self.model.world.resources)
        if not existing:
            return
        id_ = existing[which % len(existing)]
        self.model.drifted.add(id_)
        if gone:
            del self.model.world.resources[id_]
        else:
            self.model.world.resources[id_] = {**self.model.world.resources[id_], "size": 7}

    @rule()
    def settle(self) -> None:
        """Bring all to the program, without trouble: then all agree, and nothing is left to do."""
        model = self.model
        self._refresh_if_drifted()
        self._free_protected()
        pending = bool(model.pending)
        foretold = _steps(model.engine().preview(STACK, program(model.blueprint)))
        done: list[Any] = []
        failure = model.run(lambda engine: done.append(engine.up(STACK, program(model.blueprint))))
        assert failure is None, failure
        if not pending:
            assert _steps(done[0]) == foretold
        matches(model)
        again: list[Any] = []
        model.run(lambda engine: again.append(engine.up(STACK, program(model.blueprint))))
        assert again[0].changes.keys() <= {"same"}

    def teardown(self) -> None:
        """Every story ends with all in order, and leaves nothing behind."""
        model = self.model
        self.settle()
        model.blueprint = {}
        failure = model.run(lambda engine: engine.destroy(STACK))
        assert failure is None or "protected" in str(failure)

    def _refresh_if_drifted(self) -> None:
        if self.model.drifted and self.model.exists():
            failure = self.model.run(lambda engine: engine.refresh(STACK))
            assert failure is None, failure
            self.model.drifted.clear()

    def _free_protected(self) -> None:
        """Take all protection away: by updates as far as they get, else as `pulumi state unprotect` does."""
        model = self.model
        wanted = dict(model.blueprint)
        model.blueprint = {rank: changed(node, protect=False) for rank, node in wanted.items()}
        failure = model.run(model.up())
        if failure is not None:
            assert "it is protected" in str(failure), failure
            model.run(_unprotect)
        model.blueprint = wanted


def _unprotect(engine: Engine) -> None:
    """Do what `pulumi state unprotect --all` does."""
    exported = engine.export(STACK)
    for item in exported["deployment"]["resources"]:
        item.pop("protect", None)
    engine.import_deployment(STACK, exported)


def _steps(result: Any) -> Counter[tuple[str, str]]:
    return Counter((step.op, step.urn) for step in result.steps)


@pytest.fixture(autouse=True)
def one_salt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "new_state", lambda _: SALT)


TestStory = Story.TestCase
TestStory.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30 if LONG else 10,
    deadline=None,
    database=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
    phases=list(Phase) if LONG else [Phase.explicit, Phase.generate],  # making stories short takes minutes
)
