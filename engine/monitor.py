"""The resource monitor that the Pulumi SDK talks to, as an object in this process.

Methods have the names and messages of Pulumi's ResourceMonitor service. The SDK calls them on the thread of
its event loop, where only prompt ones are answered (see `promptness`), else on those of the loop's executor,
so that a registration may block until its step is done.
"""

# ruff: noqa: N802 - the names are those of the service

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import callback_pb2, engine_pb2, provider_pb2, resource_pb2
from pulumi.runtime.resource import PropertyDependencies, RegisterResponse

from engine import goals, wire
from engine.components import Components
from engine.construct import Constructed
from engine.errors import Unsupported
from engine.goals import Goal
from engine.hooks import Hooks
from engine.invokes import Invokes
from engine.names import ORGANIZATION
from engine.packages import Package
from engine.promptness import Promptness
from engine.provider import Properties, ProviderError
from engine.registration import Answer, Registrar
from engine.run import Run, StepFailed, Stopped
from engine.specials import UNKNOWN_TEXTS
from engine.transforms import InvokeGoal, Transforms
from engine.urns import STACK_TYPE

logger = logging.getLogger(__name__)

FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_PARAMETERIZATION,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_SENDS_OPTIONS_TO_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_BYTE_STRING,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_DEPENDS_ON,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_PARENT,
)
"""What is announced to the SDK; it raises by itself when a program uses anything else."""

_SEVERITIES: Final = {
    engine_pb2.INFO: "info#err",
    engine_pb2.WARNING: "warning",
    engine_pb2.ERROR: "error",
}


class MonitorError(grpc.RpcError):  # type: ignore[misc]
    """How an answer is refused, in the form that the SDK understands."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self._code = code
        self._details = details

    def code(self) -> grpc.StatusCode:
        """Return the gRPC status; UNAVAILABLE tells the SDK that the engine stops the program."""
        return self._code

    def details(self) -> str:
        """Return the text."""
        return self._details


class Monitor:
    """Serves one program's run.

    `finish` carries out the deletions, once the program ended without an error.
    """

    def __init__(
        self,
        run: Run,
        registrar: Registrar,
        components: Components,
        invokes: Invokes,
        transforms: Transforms,
        hooks: Hooks,
        promptness: Promptness,
        finish: Callable[[], None],
    ) -> None:
        self.stack_outputs: Properties | None = None
        """What the program exports; None if it did not get there."""
        self.completed = False
        """Whether the program ended without an error and everything was carried out."""
        self._run = run
        self._registrar = registrar
        self._components = components
        self._invokes = invokes
        self._transforms = transforms
        self._hooks = hooks
        self._promptness = promptness
        self._finish = finish
        self._stack_urn = ""
        self._lock = threading.Lock()

    def GetDeploymentInfo(self, _: empty_pb2.Empty) -> resource_pb2.DeploymentInfo:
        """Say what the engine can do."""
        stack = self._run.stack
        return resource_pb2.DeploymentInfo(
            supportedFeatures=FEATURES,
            project=stack.project,
            stack=stack.name,
            organization=ORGANIZATION,
            dryRun=self._run.preview,
            parallel=self._run.parallel,
        )

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> RegisterResponse:
        """Bring one resource to its wanted state; returns when that is done.

        The answer is the SDK's own stand-in for the service's message: it may hold what is decoded already.
        """
        with self._answering(prompt=self._promptness.registers(request)):
            goal = goals.from_request(request)
            if request.remote:
                return self._construct(goal)
            return self._registered(self._registrar.register(self._registrar.prepared(goal)))

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:
        """Read one resource that is not managed here."""
        with self._answering():
            goal = Goal(
                type=request.type,
                name=request.name,
                custom=True,
                inputs=wire.from_struct(request.properties),
                parent=request.parent,
                provider=request.provider,
                package_ref=request.packageRef,
                version=request.version,
                download_url=request.pluginDownloadURL,
                dependencies=tuple(sorted(request.dependencies)),
                additional_secret_outputs=tuple(request.additionalSecretOutputs),
            )
            answer = self._registrar.read(goal, "" if request.id in UNKNOWN_TEXTS else request.id)
            state = answer.state
            return resource_pb2.ReadResourceResponse(
                urn=state.urn,
                id=state.id,
                properties=wire.to_struct(state.outputs),
                result=resource_pb2.FAIL if answer.failed else resource_pb2.SUCCESS,
            )

    def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        """Take the outputs of a component; those of the stack are held until the end."""
        with self._answering(prompt=self._promptness.takes_outputs()):
            outputs = wire.from_struct(request.outputs)
            if request.urn == self._stack_urn:
                self.stack_outputs = outputs
            else:
                self._component_outputs(request.urn, outputs)
            return empty_pb2.Empty()

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:
        """Call a provider's function; unknown where an argument is not known yet."""
        with self._answering():
            goal = InvokeGoal(
                token=request.tok,
                args=wire.from_struct(request.args),
                provider=request.provider,
                parent=request.parent,
                package_ref=request.packageRef,
                version=request.version,
                download_url=request.pluginDownloadURL,
            )
            with _provider_errors():
                answer = self._invokes.invoke(goal, request.dependsOn)
            found = {} if answer.result is None else {"return": wire.to_struct(answer.result)}
            failures = [
                provider_pb2.CheckFailure(property=failure.property, reason=failure.reason)
                for failure in answer.failures
            ]
            return resource_pb2.ResourceInvokeResponse(**found, failures=failures, unknown=answer.unknown)

    def ExistsResource(
        self, request: resource_pb2.ExistsResourceRequest
    ) -> resource_pb2.ExistsResourceResponse:
        """Say whether a resource exists, without recording anything."""
        with self._answering():
            goal = Goal(
                type=request.type,
                name=request.id,
                custom=True,
                inputs=wire.from_struct(request.properties),
                parent=request.parent,
                provider=request.provider,
                package_ref=request.packageRef,
                version=request.version,
                download_url=request.pluginDownloadURL,
            )
            with _provider_errors():
                exists = self._invokes.exists(goal, request.id)
            return resource_pb2.ExistsResourceResponse(exists=bool(exists), unknown=exists is None)

    def RegisterPackage(
        self, request: resource_pb2.RegisterPackageRequest
    ) -> resource_pb2.RegisterPackageResponse:
        """Give a reference to a package; parameterized ones are refused."""
        with self._answering(prompt=True):
            if request.HasField("parameterization") or request.HasField("extension"):
                raise Unsupported(
                    f"package {request.name!r} is parameterized, which the embedded engine does not support; "
                    "run the stack with Pulumi's own engine"
                )
            package = Package.of(request.name, request.version, request.download_url)
            return resource_pb2.RegisterPackageResponse(ref=self._registrar.packages.register(package))

    def SignalAndWaitForShutdown(self, _: empty_pb2.Empty) -> empty_pb2.Empty:
        """Note that the program ended without an error, and carry out the deletions."""
        with self._answering(prompt=self._promptness.ends()):
            self._run.check()
            self._finish()
            self.completed = True
            return empty_pb2.Empty()

    def SupportsFeature(
        self, request: resource_pb2.SupportsFeatureRequest
    ) -> resource_pb2.SupportsFeatureResponse:
        """Answer old SDKs; this one asks GetDeploymentInfo."""
        return resource_pb2.SupportsFeatureResponse(
            hasSupport=request.id in ("secrets", "resourceReferences")
        )

    def Call(self, request: resource_pb2.ResourceCallRequest) -> NoReturn:
        """Refuse methods of remote components."""
        self._refuse(f"the call of the component method {request.tok}")

    # The SDK calls these four on the thread of its event loop: they must not block.

    def RegisterStackTransform(self, callback: callback_pb2.Callback) -> empty_pb2.Empty:
        """Take a transform for all further resources."""
        self._transforms.register(callback.token)
        return _EMPTY

    def RegisterStackInvokeTransform(self, callback: callback_pb2.Callback) -> empty_pb2.Empty:
        """Take a transform for all further invokes."""
        self._transforms.register_invoke(callback.token)
        return _EMPTY

    def RegisterResourceHook(self, request: resource_pb2.RegisterResourceHookRequest) -> empty_pb2.Empty:
        """Take a hook that runs before or after steps."""
        with self._answering(prompt=True):
            self._hooks.register(request)
            return _EMPTY

    def RegisterErrorHook(self, request: resource_pb2.RegisterErrorHookRequest) -> empty_pb2.Empty:
        """Take a hook that decides on retries."""
        with self._answering(prompt=True):
            self._hooks.register_error(request)
            return _EMPTY

    def _construct(self, goal: Goal) -> RegisterResponse:
        try:
            made = self._components.construct(goal)
        except StepFailed:
            return self._registered(self._registrar.give_up(goal))
        self._component_outputs(made.urn, made.outputs)
        return _constructed(made)

    def _registered(self, answer: Answer) -> RegisterResponse:
        state = answer.state
        if state.type == STACK_TYPE:
            self._stack_urn = state.urn
        outputs = state.outputs if state.custom else {}
        plain = wire.to_plain(outputs)
        return RegisterResponse(
            urn=state.urn,
            id=state.id,
            object=wire.to_struct(outputs) if plain is None else plain,
            propertyDependencies=None,
            result=resource_pb2.FAIL if answer.failed else resource_pb2.SUCCESS,
            unknown=answer.unknown,
        )

    def _component_outputs(self, urn: str, outputs: Properties) -> None:
        state = self._run.journal.new(urn)
        if state is None and urn not in self._registrar.claimed:
            raise ProviderError(f"outputs were registered for {urn}, which is not registered")
        if state is not None and not state.custom:
            state = self._run.journal.amend(urn, outputs=outputs)
            self._hooks.component_done(state)
            self._run.events.outputs(state)

    def _refuse(self, what: str) -> NoReturn:
        with self._answering(prompt=True):
            raise Unsupported(
                f"the program uses {what}, which the embedded engine does not support; "
                "leave it out, or run the stack with Pulumi's own engine"
            )
        raise AssertionError

    @contextlib.contextmanager
    def _answering(self, *, prompt: bool = False) -> Iterator[None]:
        """Turn failures into the SDK's terms.

        Whatever went wrong is noted, and the program is told to end. MayBlock where the thread is a loop's
        and the request is not `prompt`.
        """
        self._promptness.require(prompt)
        try:
            yield
        except MonitorError:
            raise
        except Stopped as stopped:
            raise MonitorError(grpc.StatusCode.UNAVAILABLE, "the engine is shutting down") from stopped
        # Every request has to be answered, and nothing that one of them ran into may go unreported.
        except Exception as error:
            self._run.fail(str(error) or repr(error), cause=error)
            raise MonitorError(grpc.StatusCode.UNAVAILABLE, "the engine is shutting down") from error


@contextlib.contextmanager
def _provider_errors() -> Iterator[None]:
    """Let the program decide what a provider's error means to it: it may catch it."""
    try:
        yield
    except ProviderError as error:
        raise MonitorError(grpc.StatusCode.UNKNOWN, str(error)) from error


class LogSink:
    """The engine object of the SDK: takes log messages. Debug messages are many and are dropped at once."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def Log(self, request: engine_pb2.LogRequest) -> empty_pb2.Empty:
        """Report one message of the program to the user."""
        severity = _SEVERITIES.get(request.severity)
        if severity is not None:
            self._run.events.diagnostic(
                request.message, severity=severity, urn=request.urn, ephemeral=request.ephemeral
            )
        return _EMPTY

    def RequirePulumiVersion(self, _: Any) -> empty_pb2.Empty:
        """Accept any range: this engine is not the CLI that the range is about."""
        return _EMPTY


def _constructed(component: Constructed) -> RegisterResponse:
    return RegisterResponse(
        urn=component.urn,
        id="",
        object=wire.to_struct(component.outputs),
        propertyDependencies={
            name: PropertyDependencies(list(urns)) for name, urns in component.dependencies.items()
        },
        result=resource_pb2.SUCCESS,
    )


_EMPTY: Final = empty_pb2.Empty()
