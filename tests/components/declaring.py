"""Runs a piece of a Pulumi program against the SDK's mocks, returns what it registered, as plain data.

Only the engine is replaced: a custom resource gets an id as Kubernetes would give it, and its inputs as
outputs. Errors of the program, asserts inside `apply` among them, come out of `declare`.
"""

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

import pulumi
from google.protobuf import json_format
from pulumi.runtime.mocks import MockMonitor


class Cluster(pulumi.runtime.Mocks):
    """Gives ids as the Kubernetes provider does, and ARNs as AWS does."""

    def new_resource(self, args):
        if args.typ.startswith("aws:"):
            name = args.inputs.get("name") or args.inputs.get("bucket") or args.name
            service = args.typ.split(":")[1].split("/")[0]
            return name, {**args.inputs, "arn": f"arn:aws:{service}:::{name}"}
        meta = args.inputs.get("metadata", {})
        return f"{meta.get('namespace', '')}/{meta.get('name', args.name)}", args.inputs

    def call(self, args):
        raise AssertionError(f"no component calls provider functions, but one called {args.token}")


class Declared(MockMonitor):
    """The SDK's mock monitor, which keeps what it was asked."""

    def __init__(self):
        super().__init__(Cluster())
        self.requests = {}
        self.outputs = {}
        self.exports = {}

    def RegisterResource(self, request):
        self.requests[request.name] = request
        return super().RegisterResource(request)

    def RegisterResourceOutputs(self, request):
        self.outputs[name_of(request.urn)] = json_format.MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)

    def inputs(self, name):
        """Return the inputs of a resource, secrets opened, whole numbers as int."""
        return opened(self.raw_inputs(name))

    def raw_inputs(self, name):
        """Return the inputs of a resource as they travel."""
        return json_format.MessageToDict(self.requests[name].object)

    def depends_on(self, name):
        """Return the names of what a resource waits for, without its parent."""
        return sorted(name_of(urn) for urn in self.requests[name].dependencies)

    def identities(self):
        """Return (type, name, parent's name) of every resource but the stack, by name."""
        rows = [(sent.type, name, name_of(sent.parent)) for name, sent in self.requests.items()]
        return sorted((row for row in rows if row[0] != "pulumi:pulumi:Stack"), key=lambda row: row[1])


def declare(program, config=None, secrets=()):
    """Run the program in loops and a context of its own, and return what it declared."""
    loops = [asyncio.new_event_loop()]

    def give_a_loop():
        # The mock monitor makes one in every thread that has none, and never closes it.
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    asyncio.set_event_loop(loops[0])
    try:
        with ThreadPoolExecutor(initializer=give_a_loop) as threads:
            loops[0].set_default_executor(threads)
            return contextvars.copy_context().run(_declare, program, config or {}, secrets)
    finally:
        asyncio.set_event_loop(None)
        for loop in loops:
            loop.close()


def _declare(program, config, secrets):
    monitor = Declared()
    pulumi.runtime.set_mocks(monitor.mocks, project="knative-lambda", stack="test", monitor=monitor)
    pulumi.runtime.set_all_config(config, list(secrets))

    @pulumi.runtime.test
    def run():
        program()
        exported = pulumi.runtime.get_root_resource().outputs
        return pulumi.Output.all(**exported).apply(monitor.exports.update)

    run()
    return monitor


def name_of(urn):
    return urn.rpartition("::")[2]


def opened(value):
    if isinstance(value, dict):
        if "4dabf18193072939515e22adb298388d" in value:
            return opened(value["value"])
        return {key: opened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [opened(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_secret(value):
    """Say whether a value travels as a secret."""
    return isinstance(value, dict) and "4dabf18193072939515e22adb298388d" in value
