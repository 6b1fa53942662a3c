"""The contract's provider, package `testbed`: one behaviour, which `plugin` also serves to the CLI.

Inputs are free. Outputs are the inputs and the resource's `name`. Of the inputs mean something: `forced`
differing forces a replacement; `first` too, deleting first; `invalid` is refused; `computed` asks for an
output `answer`; `autonamed` asks for an input `kept` that is made up once; `untold` makes the diff unknown.
"""

from typing import Any

from engine.provider import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffKind,
    DiffResult,
    PartialFailure,
    Properties,
    PropertyDiff,
    ProviderError,
    ReadResult,
)
from engine.values import Secret, unwrap
from tests.contract.world import World

PACKAGE = "testbed"


class TestbedProvider:
    """One configured instance. `region` in its configuration differing replaces its resources."""

    __test__ = False

    def __init__(self, world: World) -> None:
        self._world = world
        self._config: Properties = {}

    def check_config(self, urn: str, olds: Properties, news: Properties) -> CheckResult:
        return CheckResult(inputs=news)

    def diff_config(self, urn: str, olds: Properties, news: Properties) -> DiffResult:
        moved = unwrap(olds).get("region") != unwrap(news).get("region")
        replaces = ("region",) if moved else ()
        return DiffResult(changes=unwrap(olds) != unwrap(news), replaces=replaces, diffs=replaces)

    def configure(self, inputs: Properties) -> None:
        self._config = unwrap(inputs)

    def check(self, *, urn: str, olds: Properties, news: Properties, random_seed: bytes) -> CheckResult:
        self._world.begin("check", _name(urn))
        if "invalid" in news:
            return CheckResult(inputs=news, failures=(CheckFailure("invalid", "it is not allowed"),))
        if news.get("autonamed") and "kept" not in news:
            return CheckResult(inputs={**news, "kept": olds.get("kept") or random_seed.hex()[:8]})
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
        self._world.begin("diff", _name(urn), ignore_changes=list(ignore_changes))
        if news.get("untold"):
            return DiffResult(changes=None)
        old, new = unwrap(old_inputs), unwrap(news)
        diffs = tuple(sorted(key for key in {**old, **new} if old.get(key) != new.get(key)))
        replaces = tuple(key for key in diffs if key in ("forced", "first"))
        return DiffResult(
            changes=bool(diffs),
            diffs=diffs,
            replaces=replaces,
            detailed={key: PropertyDiff(_kind(key, old, new), input_diff=True) for key in diffs},
            delete_before_replace="first" in replaces,
        )

    def create(
        self, *, urn: str, inputs: Properties, timeout: float | None = None, preview: bool = False
    ) -> CreateResult:
        if preview:
            return CreateResult(id="", outputs=inputs)
        name = _name(urn)
        fault = self._world.begin("create", name, timeout=timeout or 0, inputs=_plain(inputs))
        _refuse(fault)
        id_, outputs = self._world_id(name), _outputs(name, inputs)
        self._world.put(id_, _plain(outputs))
        _fail_late(fault, id_, outputs)
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
        name = _name(urn)
        outputs = _outputs(name, news)
        if preview:
            return outputs
        fault = self._world.begin("update", name, timeout=timeout or 0, inputs=_plain(news))
        _refuse(fault)
        self._world.put(id, _plain(outputs))
        _fail_late(fault, id, outputs)
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
        _refuse(self._world.begin("delete", _name(urn), id=id, timeout=timeout or 0))
        self._world.remove(id)

    def read(
        self,
        *,
        urn: str,
        id: str,
        inputs: Properties,
        outputs: Properties,
        timeout: float | None = None,
    ) -> ReadResult:
        _refuse(self._world.begin("read", _name(urn), id=id, timeout=timeout or 0))
        found = self._world.get(id)
        if found is None:
            return ReadResult(id=None)
        kept = {key: value for key, value in found.items() if key not in ("name", "answer")}
        return ReadResult(id=id, inputs=kept, outputs=found)

    def invoke(self, token: str, args: Properties) -> Properties:
        self._world.begin("invoke", token)
        if args.get("fail"):
            raise ProviderError("no such thing")
        return {"sum": sum(args.get("numbers", [])), "region": self._config.get("region", "")}

    def _world_id(self, name: str) -> str:
        made = sum(call["name"] == name for call in self._world.calls("create"))
        taken = self._world.resources
        return next(id_ for n in range(made, made + 1000) if (id_ := f"{name}-{n}") not in taken)


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _kind(key: str, old: Properties, new: Properties) -> DiffKind:
    kind = "add" if key not in old else "delete" if key not in new else "update"
    return DiffKind(f"{kind}-replace" if key in ("forced", "first") else kind)


def _outputs(name: str, inputs: Properties) -> Properties:
    answer: Properties = {"answer": "42"} if inputs.get("computed") else {}
    return {**inputs, "name": name, **answer}


def _plain(properties: Properties) -> dict[str, Any]:
    """Return what JSON can hold of the properties: other special values by their class's name."""
    return {key: _plain_value(value) for key, value in properties.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Secret):
        return _plain_value(value.value)
    if isinstance(value, dict):
        return _plain(value)
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else type(value).__name__


def _refuse(fault: dict[str, Any] | None) -> None:
    if fault is not None and fault["kind"] == "fail":
        raise ProviderError(fault["text"])


def _fail_late(fault: dict[str, Any] | None, id_: str, outputs: Properties) -> None:
    if fault is not None:
        raise PartialFailure(id=id_, outputs=outputs, reasons=(fault["text"],))
