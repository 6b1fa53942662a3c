"""Which configuration is wanted, and how what runs comes to it without a build. Pure."""

from dataclasses import replace

from automation import answers, traffic
from automation.answers import Decision
from automation.events import BuildRequest, FunctionDeploy
from automation.model import Deployment, FunctionState
from automation.moment import Moment


def configured(moment: Moment, event: BuildRequest) -> FunctionState:
    """Return the state in which the event decides what is wanted; a build.start keeps the configuration."""
    state = moment.state
    configuration = state.configuration
    if isinstance(event, FunctionDeploy):
        configuration = configuration.changed(event.configuration, event.said)
    return replace(state, desired_at=moment.time, deleted_at=None, configuration=configuration)


def reconfigured(moment: Moment, state: FunctionState, running: Deployment, handler: str = "") -> Decision:
    """Roll out what runs with the configuration, and the handler if given, that are wanted in `state`."""
    wanted = replace(
        running, configuration=state.configuration, handler=handler or running.handler, restored=0
    )
    if wanted == replace(running, restored=0):
        return moment.settle(state, answers.already_runs(state.function, running))
    same = replace(running.configuration, rollout=wanted.configuration.rollout)
    if wanted == replace(running, configuration=same, restored=0):
        # How the next revisions are rolled out makes no revision of its own.
        told = replace(running, configuration=state.configuration)
        return moment.settle(replace(state, deployment=told), answers.updated(state.function, told))
    state = traffic.deployed(moment, state, wanted)
    assert state.deployment is not None
    return moment.settle(state, answers.updated(state.function, state.deployment))
