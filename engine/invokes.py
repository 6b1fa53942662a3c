"""What a program asks of providers besides resources: function calls, and whether something exists."""

from collections.abc import Collection
from dataclasses import dataclass

from engine import urns
from engine.goals import Goal
from engine.provider import CheckFailure, InvokeRefused, Properties
from engine.providers import Providers, Unconfigured
from engine.registration import Registrar
from engine.run import Run
from engine.specials import UNKNOWN_TEXTS
from engine.transforms import InvokeGoal, Transforms
from engine.values import contains_unknown


@dataclass(frozen=True, kw_only=True)
class InvokeAnswer:
    """What became of a call: its result, or why it was refused; with `unknown` it was not made at all."""

    result: Properties | None = None
    failures: tuple[CheckFailure, ...] = ()
    unknown: bool = False


_UNKNOWN = InvokeAnswer(unknown=True)


class Invokes:
    """Calls functions of providers, for one program. Thread-safe."""

    def __init__(self, run: Run, registrar: Registrar, providers: Providers, transforms: Transforms) -> None:
        self._run = run
        self._registrar = registrar
        self._providers = providers
        self._transforms = transforms

    def invoke(self, goal: InvokeGoal, depends_on: Collection[str] = ()) -> InvokeAnswer:
        """Call a function.

        It is not called in a preview where an argument, the provider's configuration or the creation of one
        of `depends_on` is still to come. Raises ProviderError if the function failed.
        """
        self._run.check()
        goal = self._transforms.applied_to_invoke(goal)
        if contains_unknown(goal.args) or self._registrar.awaits_creation(depends_on):
            return _UNKNOWN
        provider = self._providers.get(self._registrar.provider_reference(goal.resource))
        if isinstance(provider, Unconfigured):
            return _UNKNOWN
        try:
            return InvokeAnswer(result=self._run.call(provider.invoke, goal.token, goal.args))
        except InvokeRefused as refusal:
            return InvokeAnswer(failures=refusal.failures)

    def exists(self, goal: Goal, id_: str) -> bool | None:
        """Say whether there is a resource of that id; None if a preview cannot know. Records nothing.

        Raises ProviderError if the provider cannot tell.
        """
        self._run.check()
        provider = self._providers.get(self._registrar.provider_reference(goal))
        if id_ in UNKNOWN_TEXTS or isinstance(provider, Unconfigured):
            return None
        stack = self._run.stack
        urn = urns.make(stack.name, stack.project, goal.parent, goal.type, goal.name)
        found = self._run.call(provider.read, urn=urn, id=id_, inputs=goal.inputs, outputs={})
        return found.id is not None
