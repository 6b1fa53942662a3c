"""Every kind is created, updated, replaced and deleted by the engine; what does not change sends no write."""

import json
import re
import secrets
import time
from collections import Counter
from pathlib import Path

import pulumi
import pytest
from local_apiserver.conftest import running  # noqa: F401 (a fixture)

from engine import Engine, FileBackend, StackRef
from engine.kubernetes import KubernetesProviders
from engine.kubernetes.components import type_token
from engine.kubernetes.kinds import builtin_kind
from engine.kubernetes.rest import NotFound
from local.apiserver.kinds import KINDS

from .every_kind import builtin, custom, definition
from .recorder import Recorder

SHARED = Path(__file__).parents[3] / "shared"
STACK = StackRef("kinds", "all")
SKIP_AWAIT = "pulumi.com/skipAwait"
GONE_SECONDS = 60.0


class Thing(pulumi.CustomResource):
    """A resource of any type, with a document for its inputs."""

    def __init__(self, token, name, document, **options):
        super().__init__(token, name, document, pulumi.ResourceOptions(**options))


class World:
    """Programs with one resource of each kind, run on one cluster; every write to it is counted."""

    def __init__(self, folder, kubeconfig, kinds, defined=()):
        """`defined` are names of kinds that the program defines itself, with their scopes."""
        self.providers = KubernetesProviders()
        self.engine = Engine(FileBackend(folder), {"kubernetes": self.providers}, passphrase="p")
        self.kubeconfig = kubeconfig
        self.prefix = f"kinds-{secrets.token_hex(3)}"
        self.defined = dict(defined)
        group = f"{self.prefix}.example.com"
        self.own = {
            f"{group}/{version}/{kind}": ({"spec": {"a": 1}}, scope == "Namespaced")
            for kind, scope in self.defined.items()
            for version in ("v1", "v2")
        }
        self.kinds = [*kinds, *self.own]

    def documents(self, edition, labels):
        """Return all objects by kind. Another `edition` is another object; `labels` only change it."""
        name = f"{self.prefix}-{edition}"
        bodies = builtin(self.prefix, name, edition)
        bodies |= {key: body for key, (body, _) in {**CUSTOM, **self.own}.items()}
        return {key: self._document(key, bodies[key], name, edition, labels) for key in self.kinds}

    def shared(self):
        """Return what the objects need: their namespace, and the definitions of the program's own kinds."""
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.prefix}}
        for kind, scope in self.defined.items():
            name = f"{kind.lower()}s.{self.prefix}.example.com"
            head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
            yield {**head, "metadata": {"name": name}, **definition(self.prefix, kind, scope)}

    def _document(self, key, body, name, edition, labels):
        api_version, _, kind = key.rpartition("/")
        if kind == "CustomResourceDefinition":
            name = f"nones.{name}.example.com"
        elif kind == "IPAddress":
            name = f"10.99.{int(self.prefix[-2:], 16)}.{edition + 10}"
        else:
            # Versions of a kind are views of one object, and Endpoints of a Service's name belong to that.
            name = f"{name}-{re.sub('[/.]', '-', api_version)}" + "-own" * (kind == "Endpoints")
        metadata = {"name": name, "labels": labels, "annotations": {SKIP_AWAIT: "true"}}
        if self.is_namespaced(key):
            metadata["namespace"] = self.prefix
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}

    def up(self, edition=0, **labels):
        """Bring the cluster to the documents and return the writes."""
        documents = self.documents(edition, labels)

        def program():
            needed = [Thing(token(one), one["metadata"]["name"], one) for one in self.shared()]
            for key, document in documents.items():
                Thing(token(document), key, document, depends_on=needed)

        return self._counted(self.engine.up, program)

    def refresh(self):
        return self._counted(self.engine.refresh)

    def destroy(self):
        return self._counted(self.engine.destroy)

    def left(self, edition):
        """Return the kinds of objects of an edition that do not go; those that nobody waited for get time."""
        provider = self.providers()
        provider.configure({"kubeconfig": self.kubeconfig})
        cluster = provider._addressing.cluster()
        remaining, deadline = self.documents(edition, {}), time.monotonic() + GONE_SECONDS
        while remaining and time.monotonic() < deadline:
            remaining = {key: item for key, item in remaining.items() if self._is_there(cluster, item)}
            time.sleep(0.1 if remaining else 0)
        return sorted(remaining)

    def _is_there(self, cluster, document):
        kind = cluster.kind(document["apiVersion"], document["kind"])
        if kind is None:
            return False
        try:
            cluster.client.get(kind.path(self.prefix, document["metadata"]["name"]))
        except NotFound:
            return False
        return True

    def is_namespaced(self, key):
        api_version, _, kind = key.rpartition("/")
        known = builtin_kind(api_version, kind)
        return known.namespaced if known else {**CUSTOM, **self.own}[key][1]

    def _counted(self, operation, *arguments):
        with Recorder() as recorder:
            operation(STACK, *arguments, config={"kubernetes:kubeconfig": self.kubeconfig})
        return [(method, path) for method, path, _ in recorder.calls if method != "GET"]


def token(document):
    return type_token(document["apiVersion"], document["kind"])


CUSTOM = custom(sorted((SHARED / "crds").glob("*.yaml"))) if SHARED.exists() else {}
OWN = sorted(builtin("n", "n", 0))
KNOWN_HERE = [key for key in [*OWN, *sorted(CUSTOM)] if KINDS.named(*key.rsplit("/", 1))]


@pytest.fixture
def world_on(tmp_path):
    worlds = []

    def world_on(*arguments):
        worlds.append(World(tmp_path / "state", *arguments))
        return worlds[-1]

    yield world_on
    for world in worlds:
        world.providers.close()


def by_method(writes):
    return Counter(method for method, _ in writes)


def assert_changed(found, count, definitions, *, writes):
    """Every object was changed by so many writes; a controller that wrote in between may cost a few more."""
    assert set(by_method(found)) == {"PATCH"} | ({"PUT"} if definitions else set())
    by_object = Counter(path for _, path in found)
    assert len(by_object) == count
    assert max(by_object.values()) <= writes + 2
    assert sum(by_object.values()) <= writes * count * 1.25


def go_through(world):
    """Create, change, replace and delete everything; check what each run writes."""
    count, shared = len(world.kinds), 1 + len(world.defined)
    definitions = sum(key.endswith("/CustomResourceDefinition") for key in world.kinds)
    try:
        assert by_method(world.up()) == {"POST": count + shared}
        assert world.up() == []
        assert_changed(world.up(tier="one"), count, definitions, writes=2)
        assert world.up(tier="one") == []
        assert_changed(world.up(tier="two"), count, definitions, writes=1)
        assert world.up(tier="two") == []
        assert world.refresh() == []
        assert world.up(tier="two") == []
        assert by_method(world.up(1, tier="two")) == {"POST": count, "DELETE": count}
        assert world.left(0) == []
        assert world.up(1, tier="two") == []
    finally:
        deleted = world.destroy()
    assert by_method(deleted) == {"DELETE": count + shared}
    assert world.left(1) == []


@pytest.mark.cluster
def test_a_hundred_kinds_on_a_real_cluster(real_kubeconfig, every_definition, world_on):
    kinds = [*OWN, *sorted(CUSTOM)]
    world = world_on(real_kubeconfig, kinds, {"Zone": "Namespaced", "Region": "Cluster", "Moon": "Cluster"})

    assert len(world.kinds) >= 100
    go_through(world)


def test_every_kind_of_the_local_platform(running, world_on):  # noqa: F811
    go_through(world_on(json.dumps(running.server.kubeconfig()), KNOWN_HERE))
