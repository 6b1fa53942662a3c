"""The contract's provider as the CLI knows providers: a program that serves ResourceProvider by gRPC.

Started by the script `pulumi-resource-testbed`, which the fixture `plugin` puts on the PATH. The world's
folder is in the environment variable TESTBED_WORLD.
"""

import os
import sys
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from engine import wire
from engine.provider import CheckResult, DiffResult, PartialFailure, Properties, ProviderError
from tests.contract.provider import TestbedProvider
from tests.contract.world import World

WORLD = "TESTBED_WORLD"


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Takes the calls apart and puts the answers together; what is done is the provider's business."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._provider = TestbedProvider(world)

    def Handshake(self, request, context):
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True)

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.0.0")

    def CheckConfig(self, request, context):
        olds, news = wire.from_struct(request.olds), wire.from_struct(request.news)
        return _checked(self._provider.check_config(request.urn, olds, news))

    def DiffConfig(self, request, context):
        olds, news = wire.from_struct(request.old_inputs), wire.from_struct(request.news)
        return _compared(self._provider.diff_config(request.urn, olds, news))

    def Configure(self, request, context):
        self._provider.configure(wire.from_struct(request.args))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=True)

    def Check(self, request, context):
        return _checked(
            self._provider.check(
                urn=request.urn,
                olds=wire.from_struct(request.olds),
                news=wire.from_struct(request.news),
                random_seed=request.randomSeed,
            )
        )

    def Diff(self, request, context):
        return _compared(
            self._provider.diff(
                urn=request.urn,
                id=request.id,
                old_inputs=wire.from_struct(request.old_inputs),
                old_outputs=wire.from_struct(request.olds),
                news=wire.from_struct(request.news),
                ignore_changes=tuple(request.ignoreChanges),
            )
        )

    def Create(self, request, context):
        inputs = wire.from_struct(request.properties)
        made = _told(
            context,
            lambda: self._provider.create(
                urn=request.urn, inputs=inputs, timeout=request.timeout or None, preview=request.preview
            ),
            inputs,
        )
        return provider_pb2.CreateResponse(id=made.id, properties=wire.to_struct(made.outputs))

    def Update(self, request, context):
        news = wire.from_struct(request.news)
        outputs = _told(
            context,
            lambda: self._provider.update(
                urn=request.urn,
                id=request.id,
                old_inputs=wire.from_struct(request.old_inputs),
                old_outputs=wire.from_struct(request.olds),
                news=news,
                timeout=request.timeout or None,
                ignore_changes=tuple(request.ignoreChanges),
                preview=request.preview,
            ),
            news,
        )
        return provider_pb2.UpdateResponse(properties=wire.to_struct(outputs))

    def Delete(self, request, context):
        _told(
            context,
            lambda: self._provider.delete(
                urn=request.urn,
                id=request.id,
                old_inputs=wire.from_struct(request.old_inputs),
                old_outputs=wire.from_struct(request.properties),
                timeout=request.timeout or None,
            ),
        )
        return empty_pb2.Empty()

    def Read(self, request, context):
        found = _told(
            context,
            lambda: self._provider.read(
                urn=request.urn,
                id=request.id,
                inputs=wire.from_struct(request.inputs),
                outputs=wire.from_struct(request.properties),
                timeout=request.timeout or None,
            ),
        )
        if found.id is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=found.id, inputs=wire.to_struct(found.inputs), properties=wire.to_struct(found.outputs)
        )

    def Invoke(self, request, context):
        answer = _told(context, lambda: self._provider.invoke(request.tok, wire.from_struct(request.args)))
        return provider_pb2.InvokeResponse(**{"return": wire.to_struct(answer)})

    def Cancel(self, request, context):
        self._world.note_cancel()
        return empty_pb2.Empty()


def _checked(result: CheckResult) -> provider_pb2.CheckResponse:
    failures = [provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in result.failures]
    return provider_pb2.CheckResponse(inputs=wire.to_struct(result.inputs), failures=failures)


def _compared(result: DiffResult) -> provider_pb2.DiffResponse:
    some = {None: "DIFF_UNKNOWN", True: "DIFF_SOME", False: "DIFF_NONE"}[result.changes]
    return provider_pb2.DiffResponse(
        changes=some,
        replaces=result.replaces,
        diffs=result.diffs,
        deleteBeforeReplace=result.delete_before_replace,
        hasDetailedDiff=bool(result.detailed),
        detailedDiff={
            key: provider_pb2.PropertyDiff(
                kind=diff.kind.upper().replace("-", "_"), inputDiff=diff.input_diff
            )
            for key, diff in result.detailed.items()
        },
    )


def _told(context: Any, call: Callable[[], Any], inputs: Properties | None = None) -> Any:
    """Make the call; tell its error as Pulumi's providers do."""
    try:
        return call()
    except PartialFailure as error:
        _abort_in_part(context, error, inputs or {})
    except (ProviderError, TimeoutError) as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _abort_in_part(context: Any, error: PartialFailure, inputs: Properties) -> NoReturn:
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.id,
            properties=wire.to_struct(error.outputs),
            reasons=error.reasons,
            inputs=wire.to_struct(inputs),
        )
    )
    code = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=code.value[0], message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, str(error))


def main() -> None:
    """Serve on a free port, tell it on standard output, stay until the CLI ends this process."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
    servicer = Servicer(World(Path(os.environ[WORLD])))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
