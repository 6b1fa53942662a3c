"""Transitions of a function that is brought to a specification: an image, code, a configuration. Pure."""

from dataclasses import replace

from automation import answers, traffic
from automation.answers import Decision
from automation.building import given_up, prepare
from automation.configuring import configured, reconfigured
from automation.errors import InvalidEvent
from automation.events import FunctionDeploy
from automation.model import Deployment, Origin, Requested
from automation.moment import Moment
from automation.rollout import refuse_unscanned


def deploy(moment: Moment) -> Decision:
    """Roll out an image at once, look at code first, or run what runs in another way."""
    request = moment.stimulus
    assert isinstance(request, Requested)
    event = request.event
    assert isinstance(event, FunctionDeploy)
    if moment.outdated:
        return answers.outdated(moment.state, event.meta)
    if event.image:
        return _image(moment, event)
    return prepare(moment) if event.has_source else _configuration(moment, event)


def _image(moment: Moment, event: FunctionDeploy) -> Decision:
    """An image that others built takes the place of what runs and of what is being built."""
    refuse_unscanned(moment.scan_policy, None, event.image)
    state, running = configured(moment, event), moment.state.deployment
    state = replace(state, build=given_up(state.build, moment.now), deleted_at=None)
    handler = event.handler or (running.handler if running else answers.DEFAULT_HANDLER)
    deployment = Deployment(
        image=event.image,
        handler=handler,
        deployed_at=moment.now,
        configuration=state.configuration,
        origin=Origin(event_id=event.meta.id, event_source=event.meta.source),
    )
    same = running and (running.image, running.handler) == (deployment.image, deployment.handler)
    if running and same and running.configuration == deployment.configuration and not event.force:
        return moment.settle(state, answers.already_runs(state.function, running))
    state = traffic.deployed(moment, state, deployment)
    return moment.settle(state, answers.service_created(state))


def _configuration(moment: Moment, event: FunctionDeploy) -> Decision:
    """What runs, or is being built, is run in another way."""
    state, running = configured(moment, event), moment.state.deployment
    if running:
        return reconfigured(moment, state, running, event.handler)
    build = state.build
    if build and build.is_live:
        return moment.settle(state, answers.configured(state.function, build))
    raise InvalidEvent(
        f"{state.function} is {moment.state.phase}: there is nothing to configure; "
        "send spec.source with spec.runtime, or build it with build.start"
    )
