"""What happens when a program registers a resource.

Find out who it is and what it was before, and whether this operation may touch it at all.
"""

import dataclasses
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from engine import aliases, packages, urns
from engine.errors import EngineError
from engine.events import Op, Step
from engine.goals import Goal
from engine.journal import Entry
from engine.lifecycle import Lifecycle
from engine.packages import Package, Packages
from engine.providers import reference
from engine.run import Run, StepFailed, Stopped
from engine.state import ResourceState
from engine.steps import Steps
from engine.targets import Targets
from engine.transforms import Transforms
from engine.values import contains_unknown


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a registration led to: the recorded state, or why the program gets none."""

    state: ResourceState
    failed: bool = False
    """It failed, or needs something that failed, and the operation goes on without it."""
    unknown: bool = False
    """It is not there, and this operation is not to create it."""


class Registrar:
    """Takes the registrations of one program, from many threads at once.

    With `destroying` the program only says what there is: nothing but providers and components is made.
    """

    def __init__(
        self,
        run: Run,
        steps: Steps,
        targets: Targets,
        transforms: Transforms,
        config: Mapping[str, str],
        secret_keys: frozenset[str],
        *,
        destroying: bool = False,
    ) -> None:
        self.packages = Packages()
        self._transforms = transforms
        self._run = run
        self._journal = run.journal
        self._steps = steps
        self._targets = targets
        self._destroying = destroying
        self._config = config
        self._secret_keys = secret_keys
        self._goals: dict[str, Goal] = {}
        self._aliased: dict[str, str] = {}  # present URN -> the old one under which it was found
        self._taken: dict[str, str] = {}  # the other way round
        self._claimed: set[str] = set()  # all of these, present and old
        self._lifecycle = Lifecycle(run, steps, targets, aliased=self._aliased, registered=self._claimed)
        self._lost: set[str] = set()  # failed, or left out because something that they need failed
        self._absent: set[str] = set()  # not there, and not to be created by this operation
        self._defaults: dict[Package, Future[str]] = {}
        self._lock = threading.Lock()

    @property
    def claimed(self) -> frozenset[str]:
        """The URNs that the program registered, those by which they were recorded before included."""
        return frozenset(self._claimed)

    @property
    def lost(self) -> frozenset[str]:
        """The URNs of what failed or was left out, those by which they were recorded before included."""
        return frozenset((*self._lost, *(self._aliased[urn] for urn in self._lost if urn in self._aliased)))

    @property
    def complete(self) -> bool:
        """Whether the program registered everything that is recorded, and nothing is to be destroyed."""
        return not (self._destroying or self._journal.entries())

    def prepared(self, goal: Goal) -> Goal:
        """Return the goal of the program with what comes from elsewhere: its parent's options, transforms."""
        self._run.check()
        return self._transforms.applied(self._inheriting(goal), self._inherited_transforms(goal))

    def register(self, goal: Goal) -> Answer:
        """Bring a resource to its wanted state and say what became of it; the goal is a prepared one.

        Stopped or an error if the operation is over with that.
        """
        self._run.check()
        try:
            if urns.is_provider_type(goal.type):
                goal = packages.with_plugin(goal, self._package(goal))
            elif goal.custom:
                goal = dataclasses.replace(goal, provider=self.provider_reference(goal))
        except StepFailed:
            return self._lose(_state(self._claim(goal), goal))
        urn = self._claim(goal)
        new = _state(urn, goal)
        old = self._find(urn, goal)
        try:
            return self._take(goal, new, old)
        except StepFailed:
            return self._lose(dataclasses.replace(new, id=old.state.id) if old else new)

    def give_up(self, goal: Goal) -> Answer:
        """Note that a component failed: what needs it is left out, or the operation is over."""
        return self._lose(_state(self._urn(goal), goal))

    def read(self, goal: Goal, id_: str) -> Answer:
        """Read a resource that is not managed here; the goal's inputs are what is known of it."""
        self._run.check()
        try:
            goal = dataclasses.replace(goal, provider=self.provider_reference(goal))
        except StepFailed:
            return self._lose(_state(self._claim(goal), goal))
        urn = self._claim(goal)
        new = dataclasses.replace(_state(urn, goal), id=id_, external=True)
        if self._lacks(new):
            return self._lose(new)
        if self._targets.limited:
            self._make_room(new)
        try:
            return Answer(self._steps.read(new, self._find(urn, goal)))
        except StepFailed:
            return self._lose(new)

    def awaits_creation(self, needed: Collection[str]) -> bool:
        """Say whether one of the resources, or one within the components among them, is not there yet."""
        missing = self._lost | self._absent
        return not missing.isdisjoint(needed) or self._journal.awaits_creation(needed)

    def provider_reference(self, goal: Goal) -> str:
        """Return the provider that carries the resource's calls out; a default one is made on first use."""
        name = urns.package_of(goal.type)
        parent = self._goals.get(goal.parent)
        chosen = goal.provider or goal.providers.get(name) or (parent and parent.providers.get(name))
        if chosen:
            return chosen
        if packages.denied(name, self._config):
            raise EngineError(
                f"Default provider for {name!r} disabled. {goal.type!r} must use an explicit provider: the "
                "stack's configuration says so in pulumi:disable-default-providers"
            )
        return self.default_reference(self._package(goal))

    def _package(self, goal: Goal) -> Package:
        package = Package.of(urns.package_of(goal.type), goal.version, goal.download_url)
        return self.packages.resolve(goal.package_ref, package)

    def default_reference(self, package: Package) -> str:
        """Return the reference of a package's default provider, registering it on first use."""
        with self._lock:
            known = self._defaults.get(package)
            if known is None:
                mine = self._defaults[package] = Future()
        if known is not None:
            return known.result()
        try:
            goal = packages.default_provider(package, self._config, self._secret_keys)
            answer = self.register(goal)
            if answer.failed:
                raise StepFailed
            mine.set_result(reference(answer.state.urn, answer.state.id))
        except BaseException as error:
            mine.set_exception(error)
            raise
        return mine.result()

    def _take(self, goal: Goal, new: ResourceState, old: Entry | None) -> Answer:
        if self._lacks(new):
            return self._lose(new)
        if self._destroying:
            found = self._only_find(new, old)
            if found is not None:
                return found
        recreated = new.urn in self._lifecycle.delete_first.deleted
        if not (self._targets.covers(new) or recreated):
            return self._leave(new, old)
        if self._targets.limited:
            self._make_room(new)
        return Answer(self._lifecycle.advance(goal, new, old))

    def _only_find(self, new: ResourceState, old: Entry | None) -> Answer | None:
        """Answer by what is recorded; None for what a program that is destroyed still has to make."""
        managed = new.custom and not urns.is_provider_type(new.type)
        if not self._absent.isdisjoint(new.needs()) or (managed and old is None):
            return self._leave(new, None)
        if not managed or old is None:
            return None
        if old.state.external or old.state.pending_replacement:
            # Nothing of it is ours to delete, whatever the program makes of it now.
            self._journal.carry([old.state.urn])
            return Answer(old.state)
        return Answer(self._steps.same(dataclasses.replace(new, inputs=old.state.inputs), old))

    def _leave(self, new: ResourceState, old: Entry | None) -> Answer:
        """Leave a resource as it is: recorded, or not there."""
        state = old.state if old else new
        with self._steps.running(Step(op=Op.SAME, old=old.state if old else None, new=state)):
            if old is None:
                self._absent.add(new.urn)
        return Answer(state, unknown=old is None)

    def _lose(self, new: ResourceState) -> Answer:
        if not self._run.options.continue_on_error:
            raise Stopped
        self._lost.add(new.urn)
        return Answer(new, failed=True)

    def _lacks(self, new: ResourceState) -> bool:
        """Say whether it needs something that failed; no provider may see such values in earnest."""
        if not self._lost:
            return False
        unknown = new.custom and not self._run.preview and contains_unknown(new.inputs)
        return unknown or not self._lost.isdisjoint(new.needs())

    def _make_room(self, new: ResourceState) -> None:
        """See to it that what a resource needs is there and is recorded before it."""
        needs = new.needs()
        for urn in sorted(needs & self._absent):
            text = f"Resource {new.urn!r} depends on {urn!r} which was not specified in --target list."
            self._run.fail(text, urn=new.urn, stop=not self._run.preview)
        self._run.check()
        self._journal.carry(sorted(needs))

    def _inheriting(self, goal: Goal) -> Goal:
        parent = self._goals.get(goal.parent)
        if parent is None:
            return goal
        found: dict[str, Any] = {}
        if goal.protect is None and parent.protect is not None:
            found["protect"] = parent.protect
        if goal.retain_on_delete is None and parent.retain_on_delete is not None:
            found["retain_on_delete"] = parent.retain_on_delete
        if not goal.deleted_with and parent.deleted_with:
            found["deleted_with"] = parent.deleted_with
        if not goal.provider and parent.provider and _shared_package(goal, parent):
            found["provider"] = parent.provider
        if not goal.custom and parent.providers:
            found["providers"] = {**parent.providers, **goal.providers}
        return dataclasses.replace(goal, **found) if found else goal

    def _inherited_transforms(self, goal: Goal) -> Iterator[str]:
        parent = self._goals.get(goal.parent)
        while parent is not None:
            yield from parent.transforms
            parent = self._goals.get(parent.parent)

    def _urn(self, goal: Goal) -> str:
        stack = self._run.stack
        return urns.make(stack.name, stack.project, goal.parent, goal.type, goal.name)

    def _claim(self, goal: Goal) -> str:
        urn = self._urn(goal)
        with self._lock:
            if urn in self._goals:
                raise EngineError(f"duplicate resource URN {urn!r}; give the resource a unique name")
            if urn in self._taken:
                raise EngineError(
                    f"duplicate resource URN {urn!r}: {self._taken[urn]!r} takes over what is recorded "
                    "there, by an alias; remove the alias or give the resource another name"
                )
            self._goals[urn] = goal
            self._claimed.add(urn)
        self._lifecycle.delete_first.await_deletion(urn)
        return urn

    def _find(self, urn: str, goal: Goal) -> Entry | None:
        found = self._journal.old(urn)
        if found is not None:
            return found
        stack = self._run.stack
        parent_alias = self._aliased.get(goal.parent)
        for alias in aliases.candidates(
            goal, stack=stack.name, project=stack.project, parent_alias=parent_alias
        ):
            entry = self._journal.old(alias)
            if entry is not None and self._claim_alias(urn, alias):
                return entry
        return None

    def _claim_alias(self, urn: str, alias: str) -> bool:
        with self._lock:
            if alias in self._goals or alias in self._taken:
                return False
            self._aliased[urn] = alias
            self._taken[alias] = urn
            self._claimed.add(alias)
        self._lifecycle.delete_first.await_deletion(alias)
        return True


def _shared_package(goal: Goal, parent: Goal) -> bool:
    """Say whether the parent's provider is one of the goal's package."""
    provider = urns.parse(urns.parse_reference(parent.provider).urn)
    return urns.package_of(provider.type) == urns.package_of(goal.type)


def _state(urn: str, goal: Goal) -> ResourceState:
    return ResourceState(
        urn=urn,
        custom=goal.custom,
        type=goal.type,
        inputs=goal.inputs,
        parent=goal.parent,
        protect=bool(goal.protect),
        dependencies=goal.dependencies,
        provider=goal.provider if goal.custom else "",
        import_id=goal.import_id,
        property_dependencies=goal.property_dependencies,
        additional_secret_outputs=goal.additional_secret_outputs,
        custom_timeouts=goal.custom_timeouts,
        retain_on_delete=bool(goal.retain_on_delete),
        deleted_with=goal.deleted_with,
        replace_with=goal.replace_with,
        replacement_trigger=goal.replacement_trigger,
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
        hide_diff=goal.hide_diff,
        resource_hooks=goal.hooks,
    )
