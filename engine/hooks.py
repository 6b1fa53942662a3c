"""Hooks: functions of the program that run before and after a resource's steps, or decide on another try.

The state records only their names; the functions are there when the program that registers them runs.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pulumi.runtime.proto import resource_pb2

from engine import goals, wire
from engine.callbacks import CallbackFailed, Callbacks
from engine.errors import EngineError
from engine.provider import PartialFailure, ProviderError
from engine.run import Run
from engine.state import ResourceState
from engine.urns import parse

Result = TypeVar("Result")

MAX_RETRIES: Final = 100
"""How often a call is made at most, whatever its error hooks say. Pulumi's number."""


@dataclass(frozen=True)
class _Hook:
    token: str
    on_dry_run: bool = True
    ignore_errors: bool = False


@dataclass(frozen=True)
class Subject:
    """What a step works on: the resource before and after; `action` is create, update or delete."""

    action: str
    old: ResourceState | None = None
    new: ResourceState | None = None

    @property
    def state(self) -> ResourceState:
        """The state whose hooks count: the wanted one, or that of what is deleted."""
        state = self.new or self.old
        assert state is not None
        return state

    def names(self, when: str) -> list[str]:
        """Return the names of the hooks that run `Before` or `After` it."""
        return self.state.resource_hooks.get(f"{when}{self.action.capitalize()}", [])


class Hooks:
    """The hooks that the program registered, and the running of them. Thread-safe."""

    def __init__(self, run: Run, callbacks: Callbacks) -> None:
        self._run = run
        self._callbacks = callbacks
        self._hooks: dict[str, _Hook] = {}
        self._components: dict[str, Subject] = {}  # by URN: what waits for the component's outputs
        self._lock = threading.Lock()

    def register(self, request: resource_pb2.RegisterResourceHookRequest) -> None:
        """Take a hook; EngineError if there is one of that name. Does not block."""
        self._add(request.name, _Hook(request.callback.token, request.on_dry_run, request.ignore_errors))

    def register_error(self, request: resource_pb2.RegisterErrorHookRequest) -> None:
        """Take a hook for errors; EngineError if there is one of that name. Does not block."""
        self._add(request.name, _Hook(request.callback.token))

    def before(
        self, action: str, *, old: ResourceState | None = None, new: ResourceState | None = None
    ) -> None:
        """Run the hooks before a step. EngineError if one fails, or one of the step's is not registered."""
        if not _hooked(old, new):
            return
        subject = Subject(action, old, new)
        names = subject.names("Before")
        for name in (*names, *subject.names("After")):
            self._find(name)
        self._call("before", names, subject)

    def after(
        self, action: str, *, old: ResourceState | None = None, new: ResourceState | None = None
    ) -> None:
        """Run the hooks after a step. One that fails fails the run; the step is done all the same.

        A component is done when its outputs are registered, so its hooks wait for that.
        """
        if not _hooked(old, new):
            return
        subject = Subject(action, old, new)
        if not subject.state.custom and subject.action != "delete":
            self._components[subject.state.urn] = subject
            return
        try:
            self._call("after", subject.names("After"), subject)
        except EngineError as error:
            self._fail(error, subject.state.urn)

    def component_done(self, state: ResourceState) -> None:
        """Run the hooks after a component's step; its outputs are in `state`."""
        subject = self._components.pop(state.urn, None)
        if subject is None:
            return
        finished = Subject(subject.action, subject.old, state)
        try:
            self._call("after", finished.names("After"), finished)
        except EngineError as error:
            self._fail(error, state.urn)

    def retrying(self, subject: Subject, call: Callable[[], Result]) -> Result:
        """Make a provider call, again as long as it fails cleanly and one of the error hooks asks for it.

        What was created in part is not created a second time. A hook that fails counts as the call's failure.
        """
        errors: list[str] = []
        while True:
            try:
                return call()
            except PartialFailure as error:
                if subject.action == "create" or not self._wants_retry(subject, errors, error):
                    raise
            except ProviderError as error:
                if not self._wants_retry(subject, errors, error):
                    raise

    def _fail(self, error: EngineError, urn: str) -> None:
        stop = not self._run.options.continue_on_error
        self._run.fail(str(error), urn=urn, cause=error, stop=stop)

    def _wants_retry(self, subject: Subject, errors: list[str], error: ProviderError) -> bool:
        """Ask the error hooks; `errors` are those before, newest first, and get this one."""
        names = subject.state.resource_hooks.get("OnError", ())
        errors.insert(0, str(error))
        if not names:
            return False
        urn = subject.state.urn
        if len(errors) >= MAX_RETRIES:
            self._run.events.diagnostic(
                f"maximum number of error hook retries ({MAX_RETRIES}) reached", severity="warning", urn=urn
            )
            return False
        wanted = [self._asks_for_retry(name, subject, errors) for name in names]
        if any(wanted):
            text = f"retrying {subject.action} due to on-error hook request ({len(errors)}/{MAX_RETRIES})"
            self._run.events.diagnostic(text, severity="warning", urn=urn)
        return any(wanted)

    def _asks_for_retry(self, name: str, subject: Subject, errors: list[str]) -> bool:
        if name not in self._hooks:  # the failure itself is what the user has to know
            text = f"error hook {name!r} was not registered, so it was not asked"
            self._run.events.diagnostic(text, severity="warning", urn=subject.state.urn)
            return False
        request = resource_pb2.ErrorHookRequest(
            **_arguments(subject), failed_operation=subject.action, errors=errors
        )
        try:
            answer = self._callbacks.call(self._hooks[name].token, request, resource_pb2.ErrorHookResponse)
        except CallbackFailed as error:
            raise ProviderError(f"error hook {name!r} failed: {error}") from error
        if answer.error:
            raise ProviderError(f"error hook {name!r} failed: {answer.error}")
        return bool(answer.retry)

    def _call(self, when: str, names: list[str], subject: Subject) -> None:
        for name in names:
            hook = self._find(name)
            if self._run.preview and not hook.on_dry_run:
                continue
            problem = self._problem(hook, subject, after=when == "after")
            if problem and not hook.ignore_errors:
                raise EngineError(f"{when} hook {name!r} failed: {problem}")
            if problem:
                text = f"{when} {subject.action} hook {name!r} failed: {problem}"
                self._run.events.diagnostic(text, severity="warning", urn=subject.state.urn)

    def _problem(self, hook: _Hook, subject: Subject, *, after: bool) -> str:
        request = resource_pb2.ResourceHookRequest(**_arguments(subject))
        if after and subject.new is not None:
            request.new_outputs.CopyFrom(wire.to_struct(subject.new.outputs))
        try:
            return str(self._callbacks.call(hook.token, request, resource_pb2.ResourceHookResponse).error)
        except CallbackFailed as error:
            return str(error)

    def _add(self, name: str, hook: _Hook) -> None:
        with self._lock:
            if not name or name in self._hooks:
                raise EngineError(f"resource hook already registered for name {name!r}; each needs its own")
            self._hooks[name] = hook

    def _find(self, name: str) -> _Hook:
        hook = self._hooks.get(name)
        if hook is None:
            raise EngineError(
                f"hook {name!r} was not registered: hooks are there only when the program that defines them "
                "runs, so run it with this operation, or take the hook from the resource first"
            )
        return hook


def _hooked(old: ResourceState | None, new: ResourceState | None) -> bool:
    state = new or old
    return state is not None and bool(state.resource_hooks)


def _arguments(subject: Subject) -> dict[str, Any]:
    """Return what all requests to hooks say about the resource."""
    old, new, state = subject.old, subject.new, subject.state
    name = parse(state.urn).name
    found: dict[str, Any] = {"urn": state.urn, "id": state.id, "name": name, "type": state.type}
    if new is not None:
        found |= {"new_inputs": wire.to_struct(new.inputs), "new_options": _options(new)}
    if old is not None:
        found |= {
            "old_inputs": wire.to_struct(old.inputs),
            "old_outputs": wire.to_struct(old.outputs),
            "old_options": _options(old),
        }
    return found


def _options(state: ResourceState) -> resource_pb2.ResourceOptions:
    timeouts = {name: f"{seconds}s" for name, seconds in state.custom_timeouts.items()}
    options = resource_pb2.ResourceOptions(
        depends_on=state.dependencies,
        protect=state.protect,
        ignore_changes=state.ignore_changes,
        replace_on_changes=state.replace_on_changes,
        provider=state.provider,
        custom_timeouts=resource_pb2.RegisterResourceRequest.CustomTimeouts(**timeouts) if timeouts else None,
        retain_on_delete=state.retain_on_delete,
        deleted_with=state.deleted_with,
        replace_with=state.replace_with,
        additional_secret_outputs=state.additional_secret_outputs,
        hooks=goals.hooks_message(state.resource_hooks),
        hide_diff=state.hide_diff,
        parent=state.parent,
    )
    setattr(options, "import", state.import_id)  # a word of Python's own
    return options
