"""What happens when a program registers a resource.

Find its old state, check, compare, and take the steps.
"""

import dataclasses
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future

from engine import aliases, packages, paths, plan, urns
from engine.deletion import DeleteFirst
from engine.errors import EngineError
from engine.goals import Goal
from engine.journal import Entry
from engine.packages import Package, Packages
from engine.provider import CheckFailure, DiffResult, Properties, Provider
from engine.providers import Providers, own_config, reference
from engine.run import Run, Stopped
from engine.state import ResourceState
from engine.steps import NO_DIFF, Steps
from engine.transforms import Transforms
from engine.values import same

_SEED_BYTES = 32


class Registrar:
    """Takes the registrations of one program, from many threads at once."""

    def __init__(
        self,
        run: Run,
        steps: Steps,
        providers: Providers,
        transforms: Transforms,
        config: Mapping[str, str],
        secret_keys: frozenset[str],
    ) -> None:
        self.packages = Packages()
        self._transforms = transforms
        self._run = run
        self._journal = run.journal
        self._steps = steps
        self._providers = providers
        self._delete_first = DeleteFirst(run, steps)
        self._config = config
        self._secret_keys = secret_keys
        self._goals: dict[str, Goal] = {}
        self._aliased: dict[str, str] = {}  # present URN -> the old one under which it was found
        self._replaced: set[str] = set()
        self._defaults: dict[Package, Future[str]] = {}
        self._lock = threading.Lock()

    def prepared(self, goal: Goal) -> Goal:
        """Return the goal of the program with what comes from elsewhere: its parent's options, transforms."""
        return self._transforms.applied(self._inheriting(goal), self._inherited_transforms(goal))

    def register(self, goal: Goal) -> ResourceState:
        """Bring a resource to its wanted state and return it as recorded; the goal is a prepared one.

        Stopped or an error if that failed.
        """
        self._run.check()
        if goal.custom and not urns.is_provider_type(goal.type):
            goal = dataclasses.replace(goal, provider=self.provider_reference(goal))
        urn = self._claim(goal)
        old = self._find(urn, goal)
        new = _state(urn, goal)
        if goal.custom:
            return self._register_custom(goal, new, old)
        return self._register_component(goal, new, old)

    def read(self, goal: Goal, id_: str) -> ResourceState:
        """Read a resource that is not managed here; the goal's inputs are what is known of it."""
        self._run.check()
        goal = dataclasses.replace(goal, provider=self.provider_reference(goal))
        urn = self._claim(goal)
        new = dataclasses.replace(_state(urn, goal), id=id_, external=True)
        return self._steps.read(new, self._journal.old(urn))

    def provider_reference(self, goal: Goal) -> str:
        """Return the provider that carries the resource's calls out; a default one is made on first use."""
        name = urns.package_of(goal.type)
        parent = self._goals.get(goal.parent)
        chosen = goal.provider or goal.providers.get(name) or (parent and parent.providers.get(name))
        if chosen:
            return chosen
        package = Package(name, goal.version, goal.download_url)
        return self.default_reference(self.packages.resolve(goal.package_ref, package))

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
            state = self.register(goal)
            mine.set_result(reference(state.urn, state.id))
        except BaseException as error:
            mine.set_exception(error)
            raise
        return mine.result()

    def _inheriting(self, goal: Goal) -> Goal:
        parent = self._goals.get(goal.parent)
        if parent is None:
            return goal
        return dataclasses.replace(
            goal,
            protect=parent.protect if goal.protect is None else goal.protect,
            retain_on_delete=(
                parent.retain_on_delete if goal.retain_on_delete is None else goal.retain_on_delete
            ),
            deleted_with=goal.deleted_with or parent.deleted_with,
            provider=goal.provider or _shared_provider(goal, parent),
            providers=goal.providers if goal.custom else {**parent.providers, **goal.providers},
        )

    def _inherited_transforms(self, goal: Goal) -> Iterator[str]:
        parent = self._goals.get(goal.parent)
        while parent is not None:
            yield from parent.transforms
            parent = self._goals.get(parent.parent)

    def _claim(self, goal: Goal) -> str:
        stack = self._run.stack
        urn = urns.make(stack.name, stack.project, goal.parent, goal.type, goal.name)
        with self._lock:
            if urn in self._goals:
                raise EngineError(f"duplicate resource URN {urn!r}; give the resource a unique name")
            self._goals[urn] = goal
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
            if alias in self._goals or alias in self._aliased.values():
                return False
            self._aliased[urn] = alias
            return True

    def _register_component(self, goal: Goal, new: ResourceState, old: Entry | None) -> ResourceState:
        if old is None:
            return self._steps.create(new)
        if old.state.custom:
            return self._replace(goal, new, old, None, DiffResult(changes=True, replaces=("provider",)))
        if same(old.state.inputs, new.inputs):
            return self._steps.same(new, old)
        return self._steps.update(new, old, plan.input_diff(old.state.inputs, new.inputs))

    def _register_custom(self, goal: Goal, new: ResourceState, old: Entry | None) -> ResourceState:
        provider = self._steps.provider_for(new)
        assert provider is not None
        if old is None:
            return self._steps.create(self._checked(new, {}, provider))
        if old.state.external or old.state.pending_replacement:
            return self._replace(goal, new, old, provider, NO_DIFF)
        news = paths.reset(new.inputs, old.state.inputs, goal.ignore_changes)
        checked = self._checked(dataclasses.replace(new, inputs=news), old.state.inputs, provider)
        diff = plan.with_replacements(
            self._diff(goal, checked, old.state, provider),
            goal.replace_on_changes,
            init_errors=bool(old.state.init_errors),
        )
        if diff.changes and diff.replaces:
            return self._replace(goal, new, old, provider, diff)
        if diff.changes or old.state.init_errors:
            return self._steps.update(checked, old, diff)
        return self._steps.same(checked, old)

    def _checked(self, new: ResourceState, olds: Properties, provider: Provider) -> ResourceState:
        result = self._run.call(
            provider.check, urn=new.urn, olds=olds, news=new.inputs, random_seed=os.urandom(_SEED_BYTES)
        )
        if result.failures:
            for failure in result.failures:
                self._run.fail(_check_failure(new, failure), urn=new.urn)
            raise Stopped
        return dataclasses.replace(new, inputs=result.inputs)

    def _diff(self, goal: Goal, new: ResourceState, old: ResourceState, provider: Provider) -> DiffResult:
        forced = plan.forced_by(old, goal, self._replaced)
        if forced is None and self._provider_replaced(old, new, provider):
            forced = "provider"
        if forced is not None:
            return DiffResult(changes=True, replaces=(forced,))
        diff = self._run.call(
            provider.diff,
            urn=new.urn,
            id=old.id,
            old_inputs=old.inputs,
            old_outputs=old.outputs,
            news=new.inputs,
            ignore_changes=goal.ignore_changes,
        )
        return plan.settled(diff, old.inputs, new.inputs)

    def _provider_replaced(self, old: ResourceState, new: ResourceState, provider: Provider) -> bool:
        """Say whether the new provider cannot take over what the old one made."""
        if old.provider == new.provider:
            return False
        if not old.provider or not new.provider:
            return True
        before, after = urns.parse_reference(old.provider), urns.parse_reference(new.provider)
        if self._aliased.get(after.urn) == before.urn:
            return False
        old_config = self._journal.provider(*before)
        new_config = self._journal.new(after.urn)
        if old_config is None or new_config is None:
            return True
        diff = provider.diff_config(after.urn, own_config(old_config.inputs), own_config(new_config.inputs))
        return bool(diff.replaces)

    def _replace(
        self, goal: Goal, new: ResourceState, old: Entry, provider: Provider | None, diff: DiffResult
    ) -> ResourceState:
        before = old.state
        if before.protect and new.protect:
            raise EngineError(
                f"unable to replace resource {new.urn!r} as it is protected. To unprotect it, remove the "
                "`protect` flag from the resource in the program and update"
            )
        self._replaced.add(new.urn)
        if provider is not None:
            # The defaults that were carried over from the old resource do not hold for a new one.
            new = self._checked(new, {}, provider)
        delete_first = diff.delete_before_replace
        if goal.delete_before_replace is not None:
            delete_first = goal.delete_before_replace
        if delete_first and not before.pending_replacement and not before.external:
            self._delete_first.carry_out(old, self._goals.keys())
        if old.state.pending_replacement:
            self._steps.replaced(new, before, diff)
            return self._steps.create(new, old, diff)
        state = self._steps.create(new, old, diff)
        self._steps.replaced(state, before, diff)
        return state


def _shared_provider(goal: Goal, parent: Goal) -> str:
    """Return the parent's provider if it is one of the goal's package, else nothing."""
    if not parent.provider:
        return ""
    package = urns.package_of(urns.parse(urns.parse_reference(parent.provider).urn).type)
    return parent.provider if package == urns.package_of(goal.type) else ""


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


def _check_failure(state: ResourceState, failure: CheckFailure) -> str:
    name = urns.parse(state.urn).name
    text = f"{state.type} resource {name!r} has a problem: {failure.reason}"
    return f"{text}. Examine values at '{name}.{failure.property}'." if failure.property else text
