"""A world that tells of itself: an automation with an outbox, and sinks that can be broken."""

import json
import random
import threading

from automation import app
from automation.errors import DependencyUnavailable
from automation.outbox.breaker import Breaker, Patience
from automation.outbox.derivation import Telling
from automation.outbox.emission import Kind
from automation.outbox.outbox import Outbox
from automation.outbox.sinks import EventRefused, Guarded, Sinks
from automation.runner import Runner
from automation.sweeper import Sweeper
from automation.worker import Worker
from tests.automation.conftest import WRAPPERS, World

EVERYTHING = frozenset(Kind)


class Listener:
    """A sink that keeps what it takes; `failing` is the share of calls that it fails."""

    def __init__(self, seed=1):
        self.got = []
        self.failing = 0.0
        self.refused = set()
        self._random = random.Random(seed)
        self._arrived = threading.Condition()

    def send(self, message):
        event = json.loads(message.body)
        if event.get("type") in self.refused:
            raise EventRefused("400 no such type")
        fails, after = self._random.random() < self.failing, self._random.random() < 0.5
        if fails and not after:
            raise DependencyUnavailable("the listener fails")
        with self._arrived:
            self.got.append(event)
            self._arrived.notify_all()
        if fails:
            raise DependencyUnavailable("the listener took it, and nobody will know")

    def close(self):
        pass

    def wait_for(self, enough, seconds=30):
        """Wait until `enough` says so of what came."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: enough(self.got), seconds), self.types

    @property
    def types(self):
        """Return the types in order, each event once however often it came."""
        return [event["type"].removeprefix("io.knative.lambda.") for event in self.events]

    @property
    def events(self):
        once = {event["id"]: event for event in reversed(self.got)}
        return list(reversed(once.values()))


def guarded(listener):
    return Guarded(listener, Breaker(Patience(failures=1_000_000)))


class TellingWorld(World):
    """See World. `broker` and `scheduler` outlive the processes."""

    def __init__(self, folder, kinds=EVERYTHING, **settings):
        self.kinds = kinds
        self.broker, self.scheduler = Listener(), Listener(2)
        super().__init__(folder, **settings)

    def restart(self):
        super().restart()
        telling = Telling(kinds=self.kinds, environment="local", url_of=self.settings.url_of)
        self.outbox = Outbox(telling, Sinks(guarded(self.broker), guarded(self.scheduler)))
        self.runner = Runner(
            engine=self.engine,
            store=self.store,
            settings=self.settings,
            wrappers=WRAPPERS,
            clock=self.clock,
            line=self.usher.line,
            outbox=self.outbox,
        )
        worker = Worker(self.runner.handle, threads=self.settings.workers, limit=self.settings.queue_limit)
        self.sweeper = Sweeper(self.engine, self.observer, self.runner, self.clock, self.outbox)
        self.automation = app.Automation(self.runner, worker, self.settings, checks={}, outbox=self.outbox)

    def told(self):
        """Send what is to be sent now, end the process, and return the types that the broker has seen."""
        self.outbox.close(30)
        self.restart()
        return self.broker.types
