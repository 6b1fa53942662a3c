"""Remote components of a program, constructed by providers in this process (see `construct`)."""

from concurrent.futures import Future

from engine.construct import Constructed, Constructs, Registered
from engine.errors import Unsupported
from engine.goals import Goal
from engine.masking import masking
from engine.provider import ProviderError
from engine.providers import Providers
from engine.registration import Registrar
from engine.run import Run, StepFailed, Stopped
from engine.threads import Workers
from engine.urns import package_of


class Components:
    """Has remote components constructed."""

    def __init__(self, run: Run, registrar: Registrar, providers: Providers, workers: Workers) -> None:
        self._run = run
        self._registrar = registrar
        self._providers = providers
        self._workers = workers

    def construct(self, goal: Goal) -> Constructed:
        """Have the component constructed; its outputs are still to be recorded.

        Unsupported if its package's provider does not do that; Stopped if the component failed.
        """
        self._run.check()
        goal = self._registrar.prepared(goal)
        provider = self._provider(goal)
        # A pool of its own: a component that waits for the components in it must not keep them from a thread.
        with self._workers.executor(self._run.parallel) as pool:

            def register(resource: Goal) -> Future[Registered]:
                return pool.submit(self._register, resource, goal)

            try:
                with masking(goal.inputs):
                    return provider.construct(goal, register, preview=self._run.preview)
            except ProviderError as error:
                self._run.fail(f"{goal.type} resource {goal.name!r} has a problem: {error}", cause=error)
                raise Stopped from error

    def _provider(self, goal: Goal) -> Constructs:
        provider = self._providers.get(self._registrar.provider_reference(goal))
        if isinstance(provider, Constructs):
            return provider
        raise Unsupported(
            f"{goal.type} {goal.name!r} is a remote component, and the embedded engine's provider of "
            f"{package_of(goal.type)!r} constructs none; leave it out, or run the stack with Pulumi's own "
            "engine"
        )

    def _register(self, resource: Goal, component: Goal) -> Registered:
        if not _is_same(resource, component):  # the component itself went through the transforms already
            resource = self._registrar.prepared(resource)
        answer = self._registrar.register(resource)
        if answer.failed:
            raise StepFailed
        return Registered(urn=answer.state.urn, id=answer.state.id, outputs=answer.state.outputs)


def _is_same(left: Goal, right: Goal) -> bool:
    return (left.type, left.name, left.parent) == (right.type, right.name, right.parent)
