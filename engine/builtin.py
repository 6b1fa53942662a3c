"""The package `pulumi` itself: references to other stacks, stashes, and functions that look into states."""

import uuid
from collections.abc import Callable
from typing import Final

from engine import urns
from engine.errors import EngineError
from engine.names import StackRef
from engine.provider import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    Properties,
    ProviderError,
    ReadResult,
)
from engine.reader import StackReader, referenced
from engine.state import ResourceState
from engine.values import contains_secret, same, unwrap

_STACK_REFERENCE: Final = "pulumi:pulumi:StackReference"
_STASH: Final = "pulumi:index:Stash"


class Builtin:
    """The provider of package `pulumi`, for a run on `stack`.

    `reader` reads the other stacks; `registered` returns what the run has recorded so far for a URN.
    """

    def __init__(
        self, stack: StackRef, reader: StackReader, registered: Callable[[str], ResourceState | None]
    ) -> None:
        self._stack = stack
        self._reader = reader
        self._registered = registered

    def check_config(self, urn: str, olds: Properties, news: Properties) -> CheckResult:
        """Return the configuration as given: the package has none of its own."""
        return CheckResult(inputs=news)

    def diff_config(self, urn: str, olds: Properties, news: Properties) -> DiffResult:
        """Say what changed; it never matters to resources."""
        return DiffResult(changes=not same(olds, news))

    def configure(self, inputs: Properties) -> None:
        """Do nothing."""

    def check(self, *, urn: str, olds: Properties, news: Properties, random_seed: bytes) -> CheckResult:
        """Check a stash: it has one input, `input`."""
        _expect_stash(urn)
        failures = [CheckFailure(key, f"unknown property {key!r}") for key in news if key != "input"]
        if "input" not in news:
            failures.append(CheckFailure("input", "missing required property 'input'"))
        return CheckResult(inputs=news, failures=tuple(failures))

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
        """Compare what is stashed."""
        _expect_stash(urn)
        changed = not same(unwrap(old_inputs.get("input")), unwrap(news.get("input")))
        return DiffResult(changes=changed, diffs=("input",) if changed else ())

    def create(
        self, *, urn: str, inputs: Properties, timeout: float | None = None, preview: bool = False
    ) -> CreateResult:
        """Stash a value."""
        _expect_stash(urn)
        outputs = {"input": inputs["input"], "output": inputs["input"]}
        return CreateResult(id="" if preview else str(uuid.uuid4()), outputs=outputs)

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
        """Take note of the new input; the stashed output is the first one until the stash is replaced."""
        _expect_stash(urn)
        return {"input": news["input"], "output": old_outputs.get("output")}

    def delete(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        timeout: float | None = None,
    ) -> None:
        """Do nothing: what is deleted is only in the state."""

    def read(
        self,
        *,
        urn: str,
        id: str,
        inputs: Properties,
        outputs: Properties,
        timeout: float | None = None,
    ) -> ReadResult:
        """Read a referenced stack's outputs; a stash is as recorded."""
        if urns.parse(urn).type == _STACK_REFERENCE:
            if "name" not in inputs:
                raise ProviderError("a stack reference cannot be imported")
            return ReadResult(id=id, inputs=inputs, outputs=self._stack_outputs(inputs, "name"))
        _expect_stash(urn)
        if not inputs:
            raise ProviderError("a stash cannot be imported")
        return ReadResult(id=id, inputs=inputs, outputs=outputs)

    def invoke(self, token: str, args: Properties) -> Properties:
        """Call one of the functions that look into states; ProviderError for another one."""
        if token == "pulumi:pulumi:getResource":  # noqa: S105 - a function's name
            return self._resource(args)
        if token == "pulumi:pulumi:readStackOutputs":  # noqa: S105
            return self._stack_outputs(args, "name")
        if token == "pulumi:pulumi:readStackResourceOutputs":  # noqa: S105
            return self._stack_resources(args, "stackName")
        raise ProviderError(f"package 'pulumi' has no function {token!r}")

    def _resource(self, args: Properties) -> Properties:
        urn = _text(args, "urn")
        state = self._registered(urn)
        if state is None:
            raise ProviderError(f"unknown resource {urn}: it is not registered in this run")
        return {"urn": urn, "id": state.id, "provider": state.provider, "state": state.outputs}

    def _stack_outputs(self, args: Properties, key: str) -> Properties:
        name = _text(args, key)
        try:
            outputs = self._reader.outputs(referenced(name, self._stack.project))
        except EngineError as error:
            raise ProviderError(f"cannot read stack {name!r}: {error}") from error
        secret = sorted(key for key, value in outputs.items() if contains_secret(value))
        return {"name": name, "outputs": outputs, "secretOutputNames": secret}

    def _stack_resources(self, args: Properties, key: str) -> Properties:
        name = _text(args, key)
        try:
            snapshot = self._reader.snapshot(referenced(name, self._stack.project))
        except EngineError as error:
            raise ProviderError(f"cannot read stack {name!r}: {error}") from error
        outputs = {
            state.urn: {"type": state.type, "outputs": state.outputs}
            for state in snapshot.resources
            if not state.delete
        }
        return {"name": name, "outputs": outputs}


def _text(args: Properties, key: str) -> str:
    value = unwrap(args.get(key))
    if not isinstance(value, str):
        raise ProviderError(f"property {key!r} must be a string, not {type(value).__name__}")
    return value


def _expect_stash(urn: str) -> None:
    type_ = urns.parse(urn).type
    if type_ != _STASH:
        raise ProviderError(
            f"package 'pulumi' manages no {type_!r}: it has {_STASH}, and {_STACK_REFERENCE} to be read"
        )
