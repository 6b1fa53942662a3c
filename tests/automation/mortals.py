"""A whole automation whose process can be killed at any write: all that it works on is in files."""

import json
import os
import pickle
import time

from automation.adapters.memory import MemoryStore
from automation.build_turns import Turns
from engine import Engine, FileBackend
from engine.provider import CreateResult
from tests.automation import clusters
from tests.automation.conftest import ClusterObserver
from tests.automation.telling import Listener, TellingWorld
from tests.engine.killing import Moments, MortalBackend


class Kept:
    """A value in a file, replaced as a whole."""

    def __init__(self, path, moments):
        self.path, self.moments = path, moments

    def load(self, default):
        return pickle.loads(self.path.read_bytes()) if self.path.exists() else default

    def save(self, value):
        """Write it, with a moment before and after."""
        self.moments.passed()
        draft = self.path.with_suffix(".draft")
        draft.write_bytes(pickle.dumps(value))
        draft.replace(self.path)
        self.moments.passed()


class KeptCluster(clusters.Cluster):
    """A cluster that outlives the process."""

    def __init__(self, kept):
        super().__init__()
        self.kept = kept
        self.objects = kept.load({})

    def __call__(self):
        return _Provider(self)


class FindingProvider(clusters._Provider):
    """Finds what a creation made that was cut off."""

    def find_created(self, *, urn, inputs):
        found = self._cluster.objects.get(clusters._key(inputs))
        return found and CreateResult(id=clusters._key(inputs)[1], outputs=found)


class _Provider(FindingProvider):
    """Keeps what a call has changed."""

    def create(self, *, preview=False, **arguments):
        return self._keeping(super().create(preview=preview, **arguments), preview)

    def update(self, *, preview=False, **arguments):
        return self._keeping(super().update(preview=preview, **arguments), preview)

    def delete(self, **arguments):
        return self._keeping(super().delete(**arguments), False)

    def _keeping(self, answer, preview):
        if not preview:
            self._cluster.kept.save(self._cluster.objects)
        return answer


class KeptStore(MemoryStore):
    """A store that outlives the process."""

    def __init__(self, bucket, kept):
        super().__init__(bucket)
        self.kept = kept
        self.objects = kept.load({})

    def put_context(self, key, archive):
        super().put_context(key, archive)
        self.kept.save(self.objects)

    def remove_contexts(self, prefix):
        super().remove_contexts(prefix)
        self.kept.save(self.objects)


class KeptObserver(ClusterObserver):
    """An observer whose turns outlive the process."""

    def __init__(self, world, kept):
        super().__init__(world)
        self.kept = kept
        self.given = Turns(*kept.load((frozenset(), "")))

    def give_turns(self, turns):
        given = super().give_turns(turns)
        self.kept.save((self.given.jobs, self.given.version))
        return given


class KeptListener(Listener):
    """A listener that writes down the id and type of each event it takes."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def send(self, message):
        event = json.loads(message.body)
        with self.path.open("a") as file:
            file.write(json.dumps([event["id"], event["type"], event.get("data", {}).get("action")]) + "\n")


class MortalWorld(TellingWorld):
    """See TellingWorld; to be made in the process that is to die. One thing at a time, so moments repeat."""

    def __init__(self, folder, last=None, **settings):
        self.moments = Moments(last)
        super().__init__(folder / "state", **settings)
        self.outbox.close(1)
        kept = {name: Kept(folder / name, self.moments) for name in ("cluster", "store", "turns")}
        self.cluster = KeptCluster(kept["cluster"])
        self.store = KeptStore(self.settings.context_bucket, kept["store"])
        self.observer = KeptObserver(self, kept["turns"])
        self.broker = KeptListener(folder / "told")
        self.answers = folder / "answers"
        self.restart()

    def open_engine(self):
        backend = MortalBackend(FileBackend(self.settings.backend_url), self.moments)
        return Engine(backend, {"kubernetes": self.cluster}, parallel=1)

    def do(self, event):
        """Have an event carried out, and write down that it was answered."""
        reply = self.runner.handle(event)
        with self.answers.open("a") as file:
            file.write(f"{event.meta.id}\n")
        return reply


def a_minute_passes(folder):
    """Let the locks of the dead grow old."""
    for path in (folder / "state" / ".pulumi" / "locks").rglob("*.json"):
        os.utime(path, (time.time() - 70,) * 2)
