"""What happens to one registered resource: compare it with its old state, and take the steps that follow."""

import os
from collections.abc import Collection, Mapping

from engine import paths, plan, urns
from engine.deletion import DeleteFirst
from engine.errors import EngineError
from engine.goals import Goal
from engine.journal import Entry
from engine.masking import hidden_in, masked
from engine.provider import CheckFailure, DiffResult, Properties, Provider
from engine.providers import own_config
from engine.run import Run, Stopped
from engine.state import ResourceState, altered
from engine.steps import NO_DIFF, Steps
from engine.targets import Targets
from engine.values import contains_unknown

_SEED_BYTES = 32


class Lifecycle:
    """Brings resources to their wanted state, from many threads at once.

    `aliased` says under which old URN a present one was found, `registered` which URNs the program
    registered so far; both grow meanwhile.
    """

    def __init__(
        self,
        run: Run,
        steps: Steps,
        targets: Targets,
        *,
        aliased: Mapping[str, str],
        registered: Collection[str],
    ) -> None:
        self.delete_first = DeleteFirst(run, steps)
        self._run = run
        self._journal = run.journal
        self._steps = steps
        self._targets = targets
        self._aliased = aliased
        self._registered = registered
        self._replaced: set[str] = set()

    def advance(self, goal: Goal, new: ResourceState, old: Entry | None) -> ResourceState:
        """Take the steps from the old state to the new one, and return what is recorded then.

        Stopped or an error if that failed.
        """
        provider = self._steps.provider_for(new)
        if old is None:
            return self._begin(goal, new, provider)
        if goal.custom and _imports(goal, old.state):
            return self._import(goal, new, old)
        if old.state.custom != goal.custom:
            return self._replace(goal, new, old, provider, _forced("provider"))
        if old.state.external or old.state.pending_replacement:
            return self._replace(goal, new, old, provider, NO_DIFF)
        if self._targets.replaced.match(new.urn) or old.state.taint:
            return self._replace(goal, new, old, provider, _forced("id"))
        return self._compare(goal, new, old, provider)

    def _begin(self, goal: Goal, new: ResourceState, provider: Provider | None) -> ResourceState:
        if goal.import_id:
            return self._import(goal, new, None)
        return self._steps.create(self._checked(new, {}, provider))

    def _import(self, goal: Goal, new: ResourceState, old: Entry | None) -> ResourceState:
        """Take a resource over that exists already, and bring it to what the program says."""
        imported = self._steps.import_(new, old)
        provider = self._steps.provider_for(new)
        return self._compare(goal, new, Entry(imported), provider, keep_same=True)

    def _compare(
        self,
        goal: Goal,
        new: ResourceState,
        old: Entry,
        provider: Provider | None,
        *,
        keep_same: bool = False,
    ) -> ResourceState:
        """Update or replace the resource, or find it unchanged; with `keep_same` its record stays then."""
        before = old.state
        wanted = new
        if goal.ignore_changes:
            news = paths.reset(new.inputs, before.inputs, goal.ignore_changes)
            wanted = altered(new, inputs=news)
        checked = self._checked(wanted, before.inputs, provider)
        diff = plan.with_replacements(
            self._diff(goal, checked, before, provider),
            goal.replace_on_changes,
            init_errors=bool(before.init_errors),
        )
        if diff.changes and diff.replaces:
            return self._replace(goal, new, old, provider, diff)
        if diff.changes or before.init_errors:
            return self._steps.update(checked, old, diff)
        return before if keep_same else self._steps.same(checked, old)

    def _checked(self, new: ResourceState, olds: Properties, provider: Provider | None) -> ResourceState:
        if provider is None:
            return new
        result = self._run.call(
            provider.check, urn=new.urn, olds=olds, news=new.inputs, random_seed=os.urandom(_SEED_BYTES)
        )
        if result.failures:
            secrets = set(hidden_in(new.inputs))
            for failure in result.failures:
                self._run.fail(masked(_check_failure(new, failure), secrets), urn=new.urn)
            raise Stopped
        return altered(new, inputs=result.inputs)

    def _diff(
        self, goal: Goal, new: ResourceState, old: ResourceState, provider: Provider | None
    ) -> DiffResult:
        if not self._run.preview and contains_unknown(new.replacement_trigger):
            raise EngineError(f"the replacement trigger of {new.urn!r} contains unknown values")
        forced = plan.forced_by(old, goal, self._replaced)
        if forced is None and provider is not None and self._provider_replaced(old, new, provider):
            forced = "provider"
        if forced is not None:
            return _forced(forced)
        if provider is None:
            return plan.input_diff(old.inputs, new.inputs)
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
        self._refuse_replacement(goal, new, before, diff)
        self._replaced.add(new.urn)
        # The defaults that were carried over from the old resource do not hold for a new one.
        new = self._checked(new, {}, provider)
        delete_first = diff.delete_before_replace
        if goal.delete_before_replace is not None:
            delete_first = goal.delete_before_replace
        if delete_first and not before.pending_replacement and not before.external:
            self.delete_first.carry_out(old, self._registered)
        if old.state.pending_replacement:
            self._steps.replaced(new, before, diff)
            return self._steps.create(new, old, diff)
        state = self._steps.create(new, old, diff)
        self._steps.replaced(state, before, diff)
        return state

    def _refuse_replacement(
        self, goal: Goal, new: ResourceState, before: ResourceState, diff: DiffResult
    ) -> None:
        """Refuse what must not be replaced; a preview tells, and goes on to show why."""
        if before.protect and new.protect:
            text = (
                f"unable to replace resource {new.urn!r} as it is protected. To unprotect it, remove the "
                "`protect` flag from the resource in the program and update"
            )
            if not self._run.preview:
                raise EngineError(text)
            self._run.fail(text, urn=new.urn, stop=False)
        if goal.import_id and not before.external:
            text = _replaced_import(before, new, diff)
            if not self._run.preview:
                raise EngineError(text)
            self._run.events.diagnostic(text, severity="warning", urn=new.urn)


def _imports(goal: Goal, old: ResourceState) -> bool:
    """Say whether the import_ option asks for another resource than the recorded one."""
    return bool(goal.import_id) and (old.external or (old.import_id or old.id) != goal.import_id)


def _forced(key: str) -> DiffResult:
    return DiffResult(changes=True, replaces=(key,))


def _replaced_import(old: ResourceState, new: ResourceState, diff: DiffResult) -> str:
    changes = [f"{key}: {old.inputs.get(key)!r} => {new.inputs.get(key)!r}" for key in diff.replaces]
    return "\n".join(
        [
            "previously-imported resources that still specify an ID may not be replaced; remove the "
            "`import_` option from the program;",
            *changes,
        ]
    )


def _check_failure(state: ResourceState, failure: CheckFailure) -> str:
    name = urns.parse(state.urn).name
    text = f"{state.type} resource {name!r} has a problem: {failure.reason}"
    return f"{text}. Examine values at '{name}.{failure.property}'." if failure.property else text
