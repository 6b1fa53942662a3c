"""A model of a stack: programs as data, a provider that fails at chosen moments, and what has to hold after.

`Blueprint` is a program as data, which `program` runs; `Trouble` is what a provider call is to run into;
`Model` carries operations out on an engine and checks after each that nothing was lost or doubled.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from engine import Engine, EngineError, StackRef
from engine.provider import CreateResult, OutcomeUnknown, PartialFailure, Properties, ProviderError
from engine.values import unwrap
from tests.engine import states
from tests.engine.fake import FakeCloud, FakeProvider, Group, Thing, World
from tests.engine.memory import Files, MemoryBackend

STACK = StackRef("proj", "dev")
PLAINTEXT = "hunter2"
"""The secret of every secret property; it must not be found in any file."""


@dataclass(frozen=True)
class Node:
    """A resource of a program. Others are named by rank, and always have a lower one."""

    kind: str
    """`thing`, `group` (a component), or `cloud` (an explicit provider)."""
    rank: int
    renames: int = 0
    parent: int | None = None
    after: int | None = None
    uses: int | None = None
    forced_by: int | None = None
    cloud: int | None = None
    deleted_with: int | None = None
    size: int = 1
    forced: int = 1
    first: int = 1
    secret: bool = False
    protect: bool = False
    retain: bool = False
    delete_first: bool | None = None
    ignores: bool = False
    replaces: bool = False

    @property
    def name(self) -> str:
        """The resource's name, which changes with every renaming."""
        return self.name_after(self.renames)

    def name_after(self, renames: int) -> str:
        """Return the name that the resource had after so many renamings."""
        return f"{self.kind}{self.rank}" + "r" * renames

    @property
    def needs(self) -> tuple[int | None, ...]:
        """The ranks of others that it refers to."""
        return (self.parent, self.after, self.uses, self.forced_by, self.cloud, self.deleted_with)


Blueprint = Mapping[int, Node]
"""A program: nodes by rank. References to absent nodes mean nothing."""


def program(blueprint: Blueprint) -> Callable[[], None]:
    """Return the program that the blueprint stands for."""

    def run() -> None:
        made: dict[int, Any] = {}
        for rank in sorted(blueprint):
            made[rank] = _resource(blueprint[rank], made)
        pulumi.export("count", len(made))

    return run


def _resource(node: Node, made: dict[int, Any]) -> pulumi.Resource:
    def other(rank: int | None) -> Any:
        return made.get(rank) if rank is not None else None

    formers = [pulumi.Alias(name=node.name_after(renames)) for renames in range(node.renames)]
    options = pulumi.ResourceOptions(
        parent=other(node.parent),
        depends_on=[other(node.after)] if other(node.after) else None,
        aliases=formers or None,
        protect=node.protect or None,
    )
    if node.kind == "group":
        return Group(node.name, options)
    if node.kind == "cloud":
        return FakeCloud(node.name, options, region=str(node.forced))
    options.provider = other(node.cloud)
    options.retain_on_delete = node.retain or None
    options.deleted_with = other(node.deleted_with)
    options.delete_before_replace = node.delete_first
    options.ignore_changes = ["size"] if node.ignores else None
    options.replace_on_changes = ["size"] if node.replaces else None
    return Thing(node.name, options, **_inputs(node, other))


def _inputs(node: Node, other: Callable[[int | None], Any]) -> dict[str, Any]:
    inputs: dict[str, Any] = {"size": node.size, "forced": node.forced, "first": node.first}
    if other(node.uses):
        inputs["uses"] = other(node.uses).id
    if other(node.forced_by):
        inputs["forced"] = other(node.forced_by).id
    if node.secret:
        inputs["note"] = pulumi.Output.secret(PLAINTEXT)
    return inputs


@dataclass(frozen=True)
class Trouble:
    """What one of an operation's provider calls that change something runs into.

    `how`: `refused` (nothing happened), `partly` (it took effect, but not wholly), `unknown` (no answer) or
    `killed` (the process ends). With `late` the call takes effect first.
    """

    call: int
    """Which call it is, from 0."""
    how: str
    late: bool


class Unanswered(Exception):
    """A call of which nobody learns what became of it."""


class TroubledProvider(FakeProvider):
    """The package `fake` with a trouble, and with a memory of which of its creations were recorded."""

    def __init__(self, model: "Model") -> None:
        super().__init__(model.world)
        self._model = model

    def create(self, *, urn: str, inputs: Properties, preview: bool = False, **more: Any) -> CreateResult:
        if preview:
            return super().create(urn=urn, inputs=inputs, preview=True, **more)
        trouble = self._model.met("create")
        made = super().create(urn=urn, inputs=inputs, **more)
        self._model.meet(trouble, "create", made.id, made.outputs)
        return made

    def update(self, *, urn: str, id: str, preview: bool = False, **more: Any) -> Properties:
        if preview:
            return super().update(urn=urn, id=id, preview=True, **more)
        trouble = self._model.met("update")
        outputs = super().update(urn=urn, id=id, **more)
        self._model.meet(trouble, "update", id, outputs)
        return outputs

    def delete(self, *, urn: str, id: str, **more: Any) -> None:
        trouble = self._model.met("delete")
        super().delete(urn=urn, id=id, **more)
        self._model.meet(trouble, "delete", id, {})


class FindingProvider(TroubledProvider):
    """Finds what a creation made that was cut off, as the provider of Kubernetes does."""

    def find_created(self, *, urn: str, inputs: Properties) -> CreateResult | None:
        known = self._model.recorded_ids() | self._model.abandoned
        name = urn.rsplit("::", 1)[-1]
        for id_, outputs in self._model.world.resources.items():
            if id_ not in known and outputs["name"] == name:
                return CreateResult(id=id_, outputs=outputs)
        return None


@dataclass
class Model:
    """A stack with its world, and the engines that work on it."""

    finds: bool
    """Whether the provider can find what a creation made that was cut off."""
    blueprint: dict[int, Node] = field(default_factory=dict)
    world: World = field(default_factory=World)
    files: Files = field(default_factory=dict)
    abandoned: set[str] = field(default_factory=set)
    """What exists and was let go on purpose: retainOnDelete, or deletedWith something that went."""
    unsure: set[str] = field(default_factory=set)
    """Names of resources of which a creation was cut off that the provider cannot find."""
    drifted: set[str] = field(default_factory=set)
    """What was changed or deleted behind the engine's back, and has not been read since."""
    trouble: Trouble | None = None
    """What the operation under way is to run into."""
    _calls: int = 0
    backend: MemoryBackend = field(init=False)

    def __post_init__(self) -> None:
        self.backend = MemoryBackend(self.files)

    @property
    def recorded(self) -> list[dict[str, Any]]:
        """The resources in the checkpoint file, in file order."""
        return list(self._latest().get("resources", []))

    @property
    def pending(self) -> list[dict[str, Any]]:
        """The pending operations in the checkpoint file."""
        return list(self._latest().get("pending_operations", []))

    def recorded_ids(self) -> set[str]:
        """Return the ids of the things in the checkpoint file."""
        return {item["id"] for item in self.recorded if item["type"] == "fake:index:Thing"}

    def engine(self, changes: int | None = None) -> Engine:
        """Return an engine whose backend dies after so many changes, if given."""
        self.backend = MemoryBackend(self.files, changes)
        kind = FindingProvider if self.finds else TroubledProvider
        return Engine(self.backend, {"fake": lambda: kind(self)}, passphrase="p", parallel=1)

    def bystanders(self, ranks: set[int]) -> set[str]:
        """Return the ids of recorded things that stay as they are when only some ranks may change.

        Left out is what goes along where one of those is replaced, deleting first.
        """
        taken: set[str] = set()
        left: set[str] = set()
        names = tuple(f"thing{rank}" for rank in ranks)
        for item in self.recorded:
            forcing = {item.get("deletedWith", ""), *item.get("propertyDependencies", {}).get("forced", [])}
            if _name(item["urn"]).startswith(names) or forcing & taken:
                taken.add(item["urn"])
            elif item["type"] == "fake:index:Thing" and item["id"] in self.world.resources:
                left.add(item["id"])
        return left

    def run(
        self,
        operation: Callable[[Engine], Any],
        *,
        trouble: Trouble | None = None,
        changes: int | None = None,
    ) -> EngineError | None:
        """Carry an operation out, which may run into trouble and be cut; return how it failed, if it did."""
        before = {item["id"]: item for item in self.recorded if item["type"] == "fake:index:Thing"}
        existed = dict(self.world.resources)
        self.trouble, self._calls = trouble, 0
        try:
            operation(self.engine(changes))
        except EngineError as error:
            failure: EngineError | None = error
        else:
            failure = None
            assert not self.backend.died, "the power went out and nobody noticed"
        self.trouble = None
        self.unlock()
        self._check(before, existed)
        return failure

    def unlock(self) -> None:
        """Break the locks of killed runs."""
        Engine(MemoryBackend(self.files), {}).cancel(STACK)

    def met(self, call: str) -> Trouble | None:
        """Return the trouble that is to be met after the call that begins; or meet it now."""
        trouble, self._calls = self.trouble, self._calls + 1
        if trouble is None or trouble.call != self._calls - 1:
            return None
        if trouble.how == "refused" or (trouble.how == "partly" and call == "delete"):
            raise ProviderError("it was refused")
        if not trouble.late and trouble.how != "partly":
            self.meet(trouble, call, "", {})
        return trouble

    def meet(self, trouble: Trouble | None, call: str, id_: str, outputs: Properties) -> None:
        """Meet the trouble, if there is one."""
        if trouble is None:
            return
        if trouble.how == "partly":
            raise PartialFailure(id=id_, outputs=outputs, reasons=("not ready",))
        if trouble.how == "killed":
            self.backend.die()
        raise OutcomeUnknown("no answer") if call == "create" else Unanswered("no answer")

    def up(self, **options: Any) -> Callable[[Engine], Any]:
        """Return the operation that brings the stack to the blueprint."""
        return lambda engine: engine.up(STACK, program(self.blueprint), **options)

    def exists(self) -> bool:
        """Say whether there is a checkpoint at all."""
        return STACK.checkpoint_key in self.files

    def _latest(self) -> dict[str, Any]:
        data = self.files.get(STACK.checkpoint_key)
        return {} if data is None else json.loads(data)["checkpoint"]["latest"]

    def _check(self, before: dict[str, dict[str, Any]], existed: Mapping[str, Properties]) -> None:
        """Check what has to hold after any operation, however it ended."""
        self._sound()
        recorded = self.recorded_ids()
        self._note_abandoned(before, recorded)
        self._note_unsure()
        self._nothing_lost(recorded)
        self._nothing_doubled(recorded)
        self._protected_survived(before, existed)

    def _sound(self) -> None:
        states.assert_in_order(self.recorded)
        if self.exists():
            Engine(MemoryBackend(self.files), {}, passphrase="p").resources(STACK)  # checks on its own
        for data in self.files.values():
            assert PLAINTEXT.encode() not in data, "a secret was stored in the clear"

    def _note_abandoned(self, before: Mapping[str, dict[str, Any]], recorded: set[str]) -> None:
        for id_, item in before.items():
            if id_ not in recorded and (item.get("retainOnDelete") or item.get("deletedWith")):
                self.abandoned.add(id_)
        for node in self.blueprint.values():
            if node.retain or node.deleted_with is not None:
                # The options may have come with the very registration that led to the replacement.
                self.abandoned |= {id_ for id_ in before if id_ not in recorded and _is(node, id_)}

    def _note_unsure(self) -> None:
        self.unsure |= {
            _name(op["resource"]["urn"])
            for op in self.pending
            if op["type"] == "creating" and op["resource"]["type"] == "fake:index:Thing"
        }

    def _nothing_lost(self, recorded: set[str]) -> None:
        unsettled = {op["resource"].get("id") for op in self.pending}
        # These two are on their way out, and may be gone already.
        going = {i["id"] for i in self.recorded if i.get("pendingReplacement") or i.get("delete")}
        lost = recorded - self.world.resources.keys() - self.drifted - unsettled - going
        assert not lost, f"recorded, but gone: {lost}"

    def _nothing_doubled(self, recorded: set[str]) -> None:
        orphans = self.world.resources.keys() - recorded - self.abandoned
        strange = {id_ for id_ in orphans if id_.rsplit("-", 1)[0] not in self.unsure}
        assert not strange, f"they exist, but are not recorded: {strange}"

    def _protected_survived(
        self, before: Mapping[str, dict[str, Any]], existed: Mapping[str, Properties]
    ) -> None:
        freed = {node.name_after(n) for node in self.blueprint.values() if not node.protect for n in range(9)}
        for id_, item in before.items():
            if item.get("protect") and id_ in existed and _name(item["urn"]) not in freed:
                assert id_ in self.world.resources, f"protected, but deleted: {id_}"


def matches(model: Model) -> None:
    """Check that world, state and program say the same."""
    things = {_name(item["urn"]): item for item in model.recorded if item["type"] == "fake:index:Thing"}
    assert not [item["urn"] for item in model.recorded if item.get("delete")]
    assert not [op for op in model.pending if op["type"] != "creating"]
    wanted = {node.name: node for node in model.blueprint.values() if node.kind == "thing"}
    assert things.keys() == wanted.keys()
    ids = {node.rank: things[name]["id"] for name, node in wanted.items()}
    for name, node in wanted.items():
        _matches(model, node, things[name], ids)
    if model.finds:
        orphans = model.world.resources.keys() - model.recorded_ids() - model.abandoned
        assert not orphans, f"cut off, and still there: {orphans}"


def _matches(model: Model, node: Node, item: dict[str, Any], ids: Mapping[int, str]) -> None:
    expected: dict[str, Any] = {"forced": node.forced, "first": node.first}
    if not node.ignores:
        expected["size"] = node.size
    if node.uses in ids:
        expected["uses"] = ids[node.uses]
    if node.forced_by in ids:
        expected["forced"] = ids[node.forced_by]
    assert {key: item["inputs"].get(key) for key in expected} == expected, node
    assert ("note" in item["inputs"]) == node.secret
    real = unwrap(model.world.resources[item["id"]])
    assert {key: real.get(key) for key in expected} == expected, node
    assert bool(item.get("protect")) == node.protect
    cloud = model.blueprint.get(node.cloud) if node.cloud is not None else None
    assert _name(item["provider"].rpartition("::")[0]) == (cloud.name if cloud else "default")
    assert not item.get("initErrors")


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _is(node: Node, id_: str) -> bool:
    return id_.rsplit("-", 1)[0].rstrip("r") == f"{node.kind}{node.rank}"


TROUBLES = [("refused", False), ("partly", True), ("unknown", False), ("unknown", True)]
TROUBLES += [("killed", False), ("killed", True)]
"""The kinds of trouble: how, and whether late."""


def changed(node: Node, **changes: Any) -> Node:
    """Return the node with changes."""
    return dataclasses.replace(node, **changes)
