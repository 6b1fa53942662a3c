"""An emulated AWS (moto's server) as the tests use it: what is there, and what was asked of it."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pulumi
from botocore.client import BaseClient

from engine import Engine, FileBackend, StackRef
from engine.aws import AwsProviders
from engine.aws.config import SERVICES
from tests.engine_aws import stubs

REGION = "eu-west-1"
READS = ("get_", "list_", "head_", "describe_", "batch_get_")
STACK = StackRef("proj", "dev")

Program = Callable[[], None]


class Cloud:
    """The emulated AWS, empty at first, and an engine whose stacks live in it."""

    def __init__(self, address: str, folder: Path, monkeypatch: Any) -> None:
        self.address = address
        self.requests: list[tuple[str, dict[str, Any]]] = []
        """Operation and parameters of every request of the provider, in order."""
        self.faults: dict[str, Callable[[dict[str, Any]], None]] = {}
        """By operation: called with the parameters before a request; what it raises fails the call."""
        self.answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = stubs.answers()
        """By operation: answers in place of the server, for what moto does not have."""
        self._watched = True
        self._clients: dict[str, Any] = {}
        self.providers = AwsProviders()
        self.engine = Engine(FileBackend(folder / "state"), {"aws": self.providers}, passphrase="x")
        self._watch(monkeypatch)
        reset = urllib.request.Request(f"{address}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()

    @property
    def config(self) -> dict[str, str]:
        """The stack configuration that leads here."""
        endpoints = [dict.fromkeys(SERVICES, self.address)]
        return {
            "aws:region": REGION,
            "aws:accessKey": "key-of-the-tests",
            "aws:secretKey": "secret-of-the-tests",
            "aws:s3UsePathStyle": "true",
            "aws:skipCredentialsValidation": "true",
            "aws:endpoints": json.dumps(endpoints),
        }

    def client(self, service: str) -> Any:
        """A client of the test's own, whose requests are not recorded and never fail."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name=REGION,
                endpoint_url=self.address,
                aws_access_key_id="x",
                aws_secret_access_key="x",
            )
        return self._clients[service]

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """Ask the emulated AWS something, behind the provider's back."""
        with self.unwatched():
            return getattr(self.client(service), operation)(**parameters)

    def up(self, program: Program, **config: str) -> Any:
        """Update the stack; the requests of before are forgotten. Configuration as `aws_region="..."`."""
        self.requests.clear()
        extra = {key.replace("_", ":", 1): value for key, value in config.items()}
        return self.engine.up(STACK, program, config={**self.config, **extra})

    def preview(self, program: Program) -> Any:
        self.requests.clear()
        return self.engine.preview(STACK, program, config=self.config)

    def refresh(self) -> Any:
        self.requests.clear()
        return self.engine.refresh(STACK)

    def destroy(self) -> Any:
        self.requests.clear()
        return self.engine.destroy(STACK)

    @property
    def writes(self) -> list[str]:
        """The operations that change something, in order."""
        return [name for name, _ in self.requests if not name.startswith(READS)]

    def state(self, name: str) -> dict[str, Any]:
        """The state record of the resource of that name."""
        deployment = self.engine.export(STACK)["deployment"]
        found = [item for item in deployment.get("resources", ()) if item["urn"].endswith(f"::{name}")]
        assert len(found) == 1, f"{name}: {[item['urn'] for item in deployment.get('resources', ())]}"
        return found[0]

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        self._watched = False
        try:
            yield
        finally:
            self._watched = True

    def _watch(self, monkeypatch: Any) -> None:
        real = BaseClient._make_api_call
        cloud = self

        def call(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
            name = {api: method for method, api in client.meta.method_to_api_mapping.items()}[operation]
            if cloud._watched:
                cloud.requests.append((name, parameters))
                cloud.faults.get(name, bool)(parameters)
            if name in cloud.answers:
                return cloud.answers[name](parameters)
            return real(client, operation, parameters)

        monkeypatch.setattr(BaseClient, "_make_api_call", call)


class Resource(pulumi.CustomResource):
    """Any resource by its type token; `outputs` names what the program wants to read of it."""

    def __init__(
        self,
        token: str,
        name: str,
        props: dict[str, Any],
        opts: pulumi.ResourceOptions | None = None,
        outputs: tuple[str, ...] = ("arn",),
    ) -> None:
        super().__init__(token, name, {**dict.fromkeys(outputs), **props}, opts)

    def __getitem__(self, output: str) -> pulumi.Output[Any]:
        return self.__dict__[output]


def document(*statements: dict[str, Any]) -> str:
    """An IAM policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
