"""A Kubernetes in memory, as a resource provider of the embedded engine."""

import threading
import uuid

from engine.provider import (
    CheckResult,
    CreateResult,
    DiffKind,
    DiffResult,
    PropertyDiff,
    ProviderError,
    ReadResult,
    ResourceGone,
)

REPLACED = {"kubernetes:batch/v1:Job": ("spec",)}


class Cluster:
    """Open to be looked at and broken: `refuse` makes calls of a verb on a kind fail."""

    def __init__(self):
        self.objects = {}
        self.calls = []
        self.refusals = set()
        self._lock = threading.Lock()

    def __call__(self):
        return _Provider(self)

    def refuse(self, verb, kind):
        self.refusals.add((verb, kind))

    def kinds(self):
        return sorted(kind for kind, _ in self.objects)

    def the(self, kind):
        """Return the one object of a kind."""
        found = [value for (name, _), value in self.objects.items() if name == kind]
        assert len(found) == 1, f"{len(found)} objects of kind {kind}"
        return found[0]

    def did(self, verb, inputs):
        with self._lock:
            self.calls.append((verb, inputs["kind"], inputs["metadata"]["name"]))
            if (verb, inputs["kind"]) in self.refusals:
                raise ProviderError(f"the cluster refuses to {verb} {inputs['kind']}")


class _Provider:
    def __init__(self, cluster):
        self._cluster = cluster

    def check_config(self, urn, olds, news):
        return CheckResult(inputs=news)

    def diff_config(self, urn, olds, news):
        return DiffResult(changes=olds != news)

    def configure(self, inputs):
        pass

    def check(self, *, urn, olds, news, random_seed):
        return CheckResult(inputs=news)

    def diff(self, *, urn, id, old_inputs, old_outputs, news, ignore_changes=()):
        changed = [key for key in {*old_inputs, *news} if old_inputs.get(key) != news.get(key)]
        renamed = old_inputs["metadata"]["name"] != news["metadata"]["name"]
        held, wanted = (dict(one.get("spec") or {}, suspend=None) for one in (old_inputs, news))
        fixed = [
            key
            for key in changed
            if held != wanted and key in REPLACED.get(urn.split("::")[2].split("$")[-1], ())
        ]
        replaces = tuple(fixed) + (("metadata.name",) if renamed else ())
        detailed = {key: PropertyDiff(kind=DiffKind.UPDATE) for key in changed}
        return DiffResult(changes=bool(changed), replaces=replaces, diffs=tuple(changed), detailed=detailed)

    def create(self, *, urn, inputs, timeout=None, preview=False):
        key = _key(inputs)
        if preview:
            return CreateResult(id="", outputs=inputs)
        self._cluster.did("create", inputs)
        if key in self._cluster.objects:
            raise ProviderError(f"{key} exists")
        outputs = {**inputs, "metadata": {**inputs["metadata"], "uid": str(uuid.uuid4())}}
        self._cluster.objects[key] = outputs
        return CreateResult(id=key[1], outputs=outputs)

    def update(
        self, *, urn, id, old_inputs, old_outputs, news, timeout=None, ignore_changes=(), preview=False
    ):
        if not preview:
            self._cluster.did("update", news)
            if _key(news) not in self._cluster.objects:
                raise ResourceGone(f"{_key(news)} no longer exists")
            self._cluster.objects[_key(news)] = news
        return news

    def delete(self, *, urn, id, old_inputs, old_outputs, timeout=None):
        self._cluster.did("delete", old_inputs)
        self._cluster.objects.pop(_key(old_inputs), None)

    def read(self, *, urn, id, inputs, outputs, timeout=None):
        found = self._cluster.objects.get(_key(inputs))
        return ReadResult(id=id if found else None, inputs=_inputs(found or inputs), outputs=found or {})

    def invoke(self, token, args):
        raise ProviderError(f"no function {token}")


def _inputs(found):
    """Return an object without what the cluster gave it."""
    metadata = {key: value for key, value in found["metadata"].items() if key != "uid"}
    return {**found, "metadata": metadata}


def _key(inputs):
    meta = inputs["metadata"]
    return inputs["kind"], f"{meta['namespace']}/{meta['name']}"
