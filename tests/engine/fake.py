"""A provider of the tests' own.

Resources live in memory, and calls can be told to fail, hang or fail in part.
"""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pulumi

from engine.provider import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffKind,
    DiffResult,
    InvokeRefused,
    PartialFailure,
    Properties,
    PropertyDiff,
    ProviderError,
    ReadResult,
)
from engine.values import contains_unknown, unwrap

_KINDS = {(False, True): DiffKind.ADD, (True, False): DiffKind.DELETE, (True, True): DiffKind.UPDATE}
"""Kinds of differences by whether the property was there before, and is now."""

Behaviour = Callable[[str, Properties], None]


class World:
    """What the providers of a test share.

    The resources that exist, the calls that were made, and the faults.
    """

    def __init__(self) -> None:
        self.resources: dict[str, Properties] = {}
        self.calls: list[tuple[str, str]] = []
        self.faults: dict[tuple[str, str], Behaviour] = {}
        self.unready: dict[str, tuple[str, ...]] = {}
        """By name, why reads report a resource as unready."""
        self.detailed = False
        """Whether differences are told by path as well."""
        self.canceled = 0
        """How many instances were asked to cut short what they do."""
        self.configs: list[Properties] = []
        self.timeouts: dict[tuple[str, str], float | None] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def provider(self) -> "FakeProvider":
        """Make an instance; this is the factory."""
        return FakeProvider(self)

    def fail(self, call: str, name: str, text: str = "it broke") -> None:
        """Have a call for the resource of that name fail cleanly."""

        def behave(_: str, __: Properties) -> None:
            raise ProviderError(text)

        self.faults[call, name] = behave

    def fail_partially(self, call: str, name: str, reason: str = "not ready") -> None:
        """Have a call take effect but report that the resource did not get ready."""

        def behave(id_: str, outputs: Properties) -> None:
            raise PartialFailure(id=id_, outputs=outputs, reasons=(reason,))

        self.faults[call, name] = behave

    def hang(self, call: str, name: str) -> tuple[threading.Event, threading.Event]:
        """Have a call wait. Returns the events (it has started, let it go on)."""
        started, go_on = threading.Event(), threading.Event()

        def behave(_: str, __: Properties) -> None:
            started.set()
            assert go_on.wait(20)

        self.faults[call, name] = behave
        return started, go_on

    @staticmethod
    def wait_for(condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds."""
        for _ in range(2000):
            if condition():
                return
            threading.Event().wait(0.01)
        raise AssertionError("it did not come about in 20 s")

    def heal(self) -> None:
        """Forget all faults."""
        self.faults.clear()

    def named(self, name: str) -> Properties:
        """Return the one existing resource of that name."""
        [found] = [item for item in self.resources.values() if item["name"] == name]
        return found

    def lose(self, name: str) -> None:
        """Let the resources of that name vanish."""
        self.resources = {id_: item for id_, item in self.resources.items() if item["name"] != name}

    def names(self, call: str) -> list[str]:
        """Return the names for which a call was made, in order."""
        return [name for made, name in self.calls if made == call]

    def note(self, call: str, urn: str, id_: str = "", outputs: Properties | None = None) -> None:
        name = urn.rsplit("::", 1)[-1]
        with self._lock:
            self.calls.append((call, name))
        behaviour = self.faults.get((call, name))
        if behaviour is not None:
            behaviour(id_, outputs or {})

    def next_id(self, name: str) -> str:
        return f"{name}-{next(self._ids)}"


class FakeProvider:
    """Package `fake`.

    Inputs are free. `forced` differing forces a replacement, `first` too, deleting first; `invalid` is
    refused; outputs are the inputs plus `name`; `computed` asks for an output `answer`.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.config: Properties = {}

    def check_config(self, urn: str, olds: Properties, news: Properties) -> CheckResult:
        return CheckResult(inputs=news)

    def diff_config(self, urn: str, olds: Properties, news: Properties) -> DiffResult:
        replaces = ("region",) if olds.get("region") != news.get("region") else ()
        return DiffResult(changes=unwrap(olds) != unwrap(news), replaces=replaces)

    def configure(self, inputs: Properties) -> None:
        self.config = inputs
        self._world.configs.append(inputs)

    def check(self, *, urn: str, olds: Properties, news: Properties, random_seed: bytes) -> CheckResult:
        self._world.note("check", urn)
        assert len(random_seed) == 32
        if "invalid" in news:
            return CheckResult(inputs=news, failures=(CheckFailure("invalid", "it is not allowed"),))
        if "kept" in olds and "kept" not in news:
            return CheckResult(inputs={**news, "kept": olds["kept"]})
        if "autonamed" in news and "kept" not in news:
            return CheckResult(inputs={**news, "kept": random_seed.hex()[:8]})
        return CheckResult(inputs=news)

    def diff(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        ignore_changes: tuple[str, ...] = (),
    ) -> DiffResult:
        self._world.note("diff", urn)
        if news.get("untold"):
            return DiffResult(changes=None)
        old, new = unwrap(old_inputs), unwrap(news)
        diffs = tuple(key for key in {**old, **new} if old.get(key) != new.get(key))
        replaces = tuple(key for key in diffs if key in ("forced", "first"))
        detailed = {}
        if self._world.detailed:
            kinds = {key: (key in old, key in new) for key in diffs}
            detailed = {key: PropertyDiff(_KINDS[kind]) for key, kind in kinds.items()}
        return DiffResult(
            changes=bool(diffs),
            diffs=diffs,
            replaces=replaces,
            detailed=detailed,
            delete_before_replace="first" in replaces,
        )

    def create(
        self, *, urn: str, inputs: Properties, timeout: float | None = None, preview: bool = False
    ) -> CreateResult:
        if preview:
            return CreateResult(id="", outputs={**inputs})
        assert not contains_unknown(inputs)
        name = urn.rsplit("::", 1)[-1]
        id_ = self._world.next_id(name)
        outputs = self._outputs(name, inputs)
        self._world.timeouts["create", name] = timeout
        fault = self._world.faults.get(("create", name))
        if fault is None or getattr(fault, "__qualname__", "").startswith("World.fail_partially"):
            self._world.resources[id_] = outputs
            self._world.note("create", urn, id_, outputs)
        else:
            self._world.note("create", urn, id_, outputs)
            self._world.resources[id_] = outputs
        return CreateResult(id=id_, outputs=outputs)

    def update(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        timeout: float | None = None,
        ignore_changes: tuple[str, ...] = (),
        preview: bool = False,
    ) -> Properties:
        name = urn.rsplit("::", 1)[-1]
        outputs = self._outputs(name, news)
        if preview:
            return outputs
        self._world.note("update", urn, id, outputs)
        self._world.resources[id] = outputs
        return outputs

    def delete(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        timeout: float | None = None,
    ) -> None:
        self._world.note("delete", urn, id)
        self._world.resources.pop(id, None)

    def read(
        self,
        *,
        urn: str,
        id: str,
        inputs: Properties,
        outputs: Properties,
        timeout: float | None = None,
    ) -> ReadResult:
        self._world.note("read", urn, id)
        self._world.timeouts["read", urn.rsplit("::", 1)[-1]] = timeout
        found = self._world.resources.get(id)
        if found is None:
            return ReadResult(id=None)
        kept = {key: value for key, value in found.items() if key not in ("name", "answer")}
        reasons = self._world.unready.get(urn.rsplit("::", 1)[-1], ())
        return ReadResult(id=id, inputs=kept, outputs=found, reasons=reasons)

    def cancel(self) -> None:
        self._world.canceled += 1

    def invoke(self, token: str, args: Properties) -> Properties:
        self._world.note("invoke", f"::{token}")
        if args.get("fail"):
            raise ProviderError("no such thing")
        if isinstance(args.get("numbers"), str):
            raise InvokeRefused(CheckFailure("numbers", "they must be numbers"))
        return {"sum": sum(args.get("numbers", [])), **self.config}

    @staticmethod
    def _outputs(name: str, inputs: Properties) -> Properties:
        answer: Properties = {"answer": "42"} if inputs.get("computed") else {}
        return {**inputs, "name": name, **answer}


class Thing(pulumi.CustomResource):
    """A resource of the package."""

    answer: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__("fake:index:Thing", name, {"answer": None, "name": None, **props}, opts)


class Group(pulumi.ComponentResource):
    """A component."""

    def __init__(
        self,
        name: str,
        opts: pulumi.ResourceOptions | None = None,
        props: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__("fake:index:Group", name, props, opts)
        self.register_outputs(outputs or {})


class FakeCloud(pulumi.ProviderResource):
    """An explicit provider of the package."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__("fake", name, props, opts)
