"""Transitions of what runs: rolled out after a build, taken from others, rolled back. Pure."""

from dataclasses import replace

from automation import answers, scans, traffic
from automation.answers import Decision
from automation.building import given_up, identified, is_of
from automation.errors import InvalidEvent
from automation.events import BuildComplete, FunctionRollback
from automation.model import GIVEN_UP, Build, BuildStatus, Deployment, FunctionState, Origin
from automation.moment import Moment


def succeed(moment: Moment) -> Decision:
    """An image is there: roll it out if it is the current build's, or if nobody knows better."""
    event, state = moment.event(BuildComplete), moment.state
    if not identified(event):
        return _adopt(moment, event)
    build = state.build
    if build is None or not is_of(event, build) or build.status in GIVEN_UP:
        return answers.superseded_result(state, event.meta)
    if build.status is BuildStatus.SUCCEEDED:
        return answers.already_rolled_out(state, event.meta)
    return _finish(moment, build, build.image, event)


def late(moment: Moment) -> Decision:
    """A result that nothing waits for."""
    return answers.superseded_result(moment.state, moment.meta)


def rollback(moment: Moment) -> Decision:
    """Roll an earlier deployment out again; a build under way is given up, or it would undo that."""
    event, state = moment.event(FunctionRollback), moment.state
    if moment.outdated:
        return answers.outdated(state, event.meta)
    target = _target(state, event.revision)
    wanted = replace(state, desired_at=moment.time, build=given_up(state.build, moment.now))
    wanted = replace(wanted, configuration=target.configuration)
    if state.deployment and target.number == state.deployment.number:
        return moment.settle(wanted, answers.already_deployed(state.function, target))
    again = replace(target, restored=target.number, reason=moment.reason)
    state = traffic.deployed(moment, wanted, again, restoring=True)
    assert state.deployment is not None
    return moment.settle(state, answers.rolled_back(state.function, state.deployment, target))


def refuse_rollback(moment: Moment) -> Decision:
    """Nothing has run that could be rolled back to."""
    if moment.outdated:
        return answers.outdated(moment.state, moment.meta)
    function, phase = moment.state.function, moment.state.phase
    raise InvalidEvent(
        f"{function} is {phase}: there is no revision to roll back to; build it with build.start"
    )


def _target(state: FunctionState, revision: str | None) -> Deployment:
    """Return the deployment that is meant; None: the one before the present."""
    known = [*state.previous, *([state.deployment] if state.deployment else [])]
    if revision is None:
        sound = [one for one in state.previous if not one.failure]
        if sound:
            return sound[-1]
        raise InvalidEvent(f"{state.function} has had one revision only: there is none before it")
    numbered = [one for one in known if revision == str(one.number)]
    # Senders may number their events: a revision's own number comes before the id of another one's event.
    found = numbered or [one for one in known if revision in _names(one)] or _as_of(state, known, revision)
    if found:
        return found[-1]
    allowed = ", ".join(f"{one.number} (event {one.cause or 'not recorded'})" for one in known)
    raise InvalidEvent(f"revision: {revision!r} is not known of {state.function}; allowed: {allowed}")


def _as_of(state: FunctionState, known: list[Deployment], event_id: str) -> list[Deployment]:
    """Return what an event that made no deployment itself led to: by its build, else what ran at its time."""
    seen = next((one for one in reversed(state.handled) if one.id == event_id), None)
    if seen is None:
        return []
    build_id = seen.fields.get("build_id")
    built = [one for one in known if build_id and one.build_id == build_id]
    return built or [one for one in known if one.deployed_at <= seen.at]


def _names(deployment: Deployment) -> tuple[str, ...]:
    """Return what a deployment may be called beside its number."""
    digest = deployment.image.partition("@")[2]
    return digest, deployment.build_id, deployment.content_hash, deployment.cause


def _finish(moment: Moment, build: Build, image: str, event: BuildComplete) -> Decision:
    """Roll an image out, unless the environment keeps what was found in it from running.

    What one report found counts for a later one that says nothing: silence takes no finding back.
    """
    scan = event.scan and replace(event.scan, findings=event.scan.findings[: scans.KEPT_FINDINGS])
    built = replace(build, digest=event.image_digest or "", scan=scan or build.scan)
    refused = scans.refusal(moment.scan_policy, built.scan)
    return _refuse(moment, built, refused) if refused else _roll_out(moment, built, image)


def _refuse(moment: Moment, build: Build, refused: scans.Refusal) -> Decision:
    """The image stays where it is, and the function as it runs; for everybody else the build has failed."""
    state = moment.state
    failed = replace(
        build,
        status=BuildStatus.FAILED,
        completed_at=moment.now,
        reason=refused.reason,
        message=refused.message,
        failing_since=build.failing_since or moment.now,
    )
    return moment.settle(replace(state, build=failed), answers.refused(state, failed))


def _roll_out(moment: Moment, build: Build, image: str) -> Decision:
    done = replace(
        build,
        status=BuildStatus.SUCCEEDED,
        completed_at=moment.now,
        reason="",
        message="",
        exit_code=None,
        log_tail="",
    )
    deployment = Deployment(
        image=_pinned(image, build.digest),
        content_hash=build.content_hash,
        build_id=build.build_id,
        handler=build.handler,
        deployed_at=moment.now,
        configuration=moment.state.configuration,
        origin=_origin(build),
    )
    state = traffic.deployed(moment, replace(moment.state, build=done), deployment)
    return moment.settle(state, answers.service_created(state))


def _adopt(moment: Moment, event: BuildComplete) -> Decision:
    """A result that names no build: the current one's if the image is its own, else one that others made."""
    state, build = moment.state, moment.state.build
    if build and _untagged(build.image, event.image_uri):
        if build.status in GIVEN_UP:
            return answers.superseded_result(state, event.meta)
        if build.status is BuildStatus.SUCCEEDED:
            return answers.already_rolled_out(state, event.meta)
        return _finish(moment, build, event.image_uri, event)
    if build and build.is_live:
        return answers.superseded_result(state, event.meta)
    if moment.outdated:
        return answers.outdated(state, event.meta)
    refuse_unscanned(moment.scan_policy, event.scan, event.image_uri)
    handler = state.deployment.handler if state.deployment else answers.DEFAULT_HANDLER
    deployment = Deployment(
        image=_pinned(event.image_uri, event.image_digest),
        handler=handler,
        deployed_at=moment.now,
        configuration=state.configuration,
        origin=Origin(event_id=event.meta.id, event_source=event.meta.source),
    )
    adopted = traffic.deployed(moment, replace(state, desired_at=moment.time), deployment)
    return moment.settle(adopted, answers.service_created(adopted))


def refuse_unscanned(policy: scans.ScanPolicy, scan: scans.Scan | None, image: str) -> None:
    """Raise InvalidEvent for an image that others built and the environment does not roll out."""
    refused = scans.refusal(policy, scan)
    if refused:
        raise InvalidEvent(f"{image}: {refused.message}; have it built here, or set scanMissing to allow")


def _origin(build: Build) -> Origin | None:
    if not build.cause:
        return None
    return Origin(
        event_id=build.cause,
        event_source=build.cause_source,
        job_name=build.job_name,
        location=build.location,
    )


def _untagged(ours: str, image_uri: str) -> bool:
    return ours == image_uri.partition("@")[0]


def _pinned(image: str, digest: str | None) -> str:
    """Return the image by digest; a tag in our own repository if no digest was reported."""
    name = image.partition("@")[0]
    if not digest:
        return image
    repository, colon, tag = name.rpartition(":")
    return f"{repository if colon and '/' not in tag else name}@{digest}"
