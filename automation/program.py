"""The inline Pulumi program of a function's stack: the state in, the components that it calls for out.

The stack's outputs are the record of the state, and beside it what a person wants to read. They depend on
every resource, so a stack never says of itself what was not achieved.
"""

from typing import Any, Final

import pulumi

from automation import record
from automation.configuration import Configuration
from automation.model import Build, BuildStatus, Deployment, FunctionState
from automation.ports import Program
from automation.settings import AutomationSettings
from automation.spec_configuration import cores, octets
from components import naming
from components.build import BuildArgs, BuildComponent
from components.function import FunctionArgs, FunctionComponent

RECORD: Final = "record"
"""The output that holds the state."""


def function_program(state: FunctionState, settings: AutomationSettings) -> Program:
    """Return the program that declares what the state calls for."""

    def program() -> None:
        made = pulumi.Output.all(*_declare(state, settings))
        text = record.dumps(state)
        # The outputs are registered together, so the one that waits for the resources holds back all.
        pulumi.export(RECORD, made.apply(lambda _: text))
        for name, value in summary(state, settings).items():
            pulumi.export(name, value)

    return program


def summary(state: FunctionState, settings: AutomationSettings) -> dict[str, str]:
    """Return the stack's outputs for people, beside the record."""
    name = function_name(state)
    readable = {
        "third_party_id": state.function.third_party_id,
        "parser_id": state.function.parser_id,
        "phase": state.phase.value,
        "image": state.deployment.image if state.deployment else "",
        "service_name": name if state.deployment else "",
        "url": settings.url_of(name) if state.deployment else "",
        "job_name": state.build.job_name if state.build and state.build.has_job else "",
    }
    return {key: value for key, value in readable.items() if value}


def function_name(state: FunctionState) -> str:
    """Return the name of the function's objects."""
    return naming.function_name(state.function.third_party_id, state.function.parser_id)


def _declare(state: FunctionState, settings: AutomationSettings) -> list[pulumi.Output[Any]]:
    """Declare the components; return an output of each that is known when all its resources exist."""
    made: list[pulumi.Output[Any]] = []
    if state.build and state.build.has_job:
        made.append(BuildComponent("build", build_args(state, state.build, settings)).job_name)
    if state.deployment:
        component = FunctionComponent("function", function_args(state, state.deployment, settings))
        made.append(component.service_name)
    return made


def build_args(state: FunctionState, build: Build, settings: AutomationSettings) -> BuildArgs:
    """Return what the build's Job is made of."""
    return BuildArgs(
        job_name=build.job_name,
        namespace=settings.namespace,
        third_party_id=state.function.third_party_id,
        parser_id=state.function.parser_id,
        build_id=build.build_id,
        content_hash=build.content_hash,
        context_bucket=settings.context_bucket,
        context_key=build.context_key,
        image=build.image,
        cache_repository=naming.image_repository(settings.registry, settings.cache_repository),
        executor_image=settings.executor_image,
        monitor_image=settings.monitor_image,
        broker_url=settings.broker_url,
        region=settings.region,
        correlation_id=build.correlation_id,
        traceparent=build.traceparent,
        s3_endpoint=settings.s3_endpoint,
        static_keys=bool(settings.access_key_id),
        push_secret=settings.push_secret,
        insecure_registry=settings.insecure_registry,
        deadline_seconds=settings.build_deadline_seconds,
        finished=build.status is BuildStatus.SUCCEEDED,
        suspended=build.is_queued,
        scan=settings.scan,
        priority=build.priority,
        queued_at=build.queued_at.isoformat() if build.queued_at else "",
    )


def function_args(state: FunctionState, deployment: Deployment, settings: AutomationSettings) -> FunctionArgs:
    """Return what the running function is made of."""
    configuration, rollout = deployment.configuration, state.rollout
    timeout = configuration.timeout_seconds or settings.function_timeout_seconds
    given = {"HANDLER": deployment.handler, "TIMEOUT_SECONDS": str(timeout), **dict(configuration.env)}
    return FunctionArgs(
        function_name=function_name(state),
        namespace=settings.namespace,
        third_party_id=state.function.third_party_id,
        parser_id=state.function.parser_id,
        image=deployment.image,
        broker=settings.broker_name,
        broker_url=settings.broker_url,
        handler=deployment.handler,
        timeout_seconds=timeout,
        log_level=settings.function_log_level,
        pull_secret=settings.pull_secret,
        trigger=settings.triggers,
        dead_letter_uri=settings.dead_letter_uri,
        variables=tuple(given.items()),
        secret_variables=tuple((each.name, each.secret, each.key) for each in configuration.secrets),
        number=deployment.number,
        pending=rollout is not None,
        percent=rollout.percent if rollout else 100,
        stable_revision=rollout.stable_revision if rollout else "",
        **_scale(configuration),
        **_resources(configuration),
    )


def _scale(configuration: Configuration) -> dict[str, Any]:
    """Return the scale as far as the configuration says it; the component's defaults are for the rest."""
    names = (
        "min_scale",
        "max_scale",
        "target_concurrency",
        "container_concurrency",
        "scale_down_delay_seconds",
    )
    said = {name: getattr(configuration, name) for name in names}
    return {name: value for name, value in said.items() if value is not None}


def _resources(configuration: Configuration) -> dict[str, Any]:
    """Return the resources likewise; a request that is not said is no more than the limit that is."""
    cpu, memory = FunctionArgs.requests
    limits = FunctionArgs.limits
    most = (configuration.cpu_limit or limits[0], configuration.memory_limit or limits[1])
    least = (configuration.cpu_request or cpu, configuration.memory_request or memory)
    fitting = (
        least[0] if configuration.cpu_request else min(least[0], most[0], key=cores),
        least[1] if configuration.memory_request else min(least[1], most[1], key=octets),
    )
    raised = (max(fitting[0], most[0], key=cores), max(fitting[1], most[1], key=octets))
    return {"requests": fitting, "limits": raised}
