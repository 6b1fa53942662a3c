"""The controllers of Broker and Trigger: what the API server holds becomes queues, and statuses come back."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from local.apiserver.errors import ApiError
from local.apiserver.kinds import BROKER, KSERVICE, SERVICE, TRIGGER, Kind
from local.apiserver.store import Store
from local.apiserver.watch import Event, Watch
from local.eventing.broker import BrokerQueues
from local.eventing.references import Place, place_of
from local.eventing.statuses import view_broker, view_trigger
from local.node.objects import Json, key, now, timestamp

_log = logging.getLogger(__name__)
Key = tuple[str, str]
"""Namespace and name."""


class EventingController:
    """Follows Brokers, Triggers and what they refer to.

    `url_of` tells the ingress URL of a Broker, `open_queues` makes its data plane. `brokers` are those that
    accept events now.
    """

    def __init__(
        self, store: Store, *, url_of: Callable[[Key], str], open_queues: Callable[[Key], BrokerQueues]
    ) -> None:
        self._store = store
        self._url_of = url_of
        self._open_queues = open_queues
        self._watches: list[Watch] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._broker_of: dict[Key, Key] = {}
        self._users = Users()
        self.brokers: dict[Key, BrokerQueues] = {}

    def start(self) -> None:
        """Take up everything that is there, and follow changes from now on."""
        for kind in (BROKER, TRIGGER, KSERVICE, SERVICE):
            watch = self._store.watch(kind)
            self._watches.append(watch)
            while (event := watch.poll()) is not None:
                self._handle(kind, event)
            self._tasks.append(asyncio.create_task(self._follow(kind, watch)))

    async def stop(self) -> None:
        """Follow no more."""
        for watch in self._watches:
            watch.close()
        await asyncio.gather(*self._tasks)

    async def _follow(self, kind: Kind, watch: Watch) -> None:
        async for event in watch:
            self._handle(kind, event)

    def _handle(self, kind: Kind, event: Event) -> None:
        namespace, name = key(event.object)
        gone = event.type == "DELETED" or "deletionTimestamp" in event.object["metadata"]
        if kind is BROKER:
            self._on_broker((namespace, name), gone=gone)
        elif kind is TRIGGER:
            self._on_trigger((namespace, name), gone=gone)
        for user_kind, *user in self._users.of((kind, namespace, name)):
            self._reconcile(user_kind, (user[0], user[1]))

    def _on_broker(self, at: Key, *, gone: bool) -> None:
        if not gone:
            if at not in self.brokers:
                self.brokers[at] = self._open_queues(at)
            self._reconcile(BROKER, at)
        elif (queues := self.brokers.pop(at, None)) is not None:
            self._users.set((BROKER, *at), ())
            queues.remove()

    def _on_trigger(self, at: Key, *, gone: bool) -> None:
        if not gone:
            self._reconcile(TRIGGER, at)
            return
        self._users.set((TRIGGER, *at), ())
        broker = self.brokers.get(self._broker_of.pop(at, at))
        if broker is not None:
            broker.remove_trigger(at[1])

    def _reconcile(self, kind: Kind, at: Key) -> None:
        try:
            found = self._store.get(kind, *at)
            if kind is BROKER:
                self._reconcile_broker(at, found)
            else:
                self._reconcile_trigger(at, found)
        except ApiError as error:
            # Deleted or changed meanwhile: that change is an event of its own and comes later.
            _log.info("eventing reconcile overtaken: %s", error)

    def _reconcile_broker(self, at: Key, broker: Json) -> None:
        self._users.set((BROKER, *at), _places(broker.get("spec", {}), at[0]))
        view = view_broker(self._store, broker, self._url_of(at), timestamp(now()))
        self._store.update_status(BROKER, *at, view)

    def _reconcile_trigger(self, at: Key, trigger: Json) -> None:
        spec = trigger.get("spec", {})
        broker = (at[0], spec.get("broker", ""))
        self._users.set((TRIGGER, *at), [(BROKER, *broker), *_places(spec, at[0]), *self._inherited(broker)])
        view = view_trigger(self._store, trigger, timestamp(now()))
        if (queues := self.brokers.get(broker)) is not None:
            self._broker_of[at] = broker
            queues.set_trigger(at[1], view.wanted, view.route, view.parallelism)
        self._store.update_status(TRIGGER, *at, view.status)

    def _inherited(self, broker: Key) -> Iterable[Place]:
        try:
            return _places(self._store.get(BROKER, *broker).get("spec", {}), broker[0])
        except ApiError:
            return ()


class Users:
    """Who refers to what: an index in both directions."""

    def __init__(self) -> None:
        self._users: dict[Place, dict[Place, None]] = {}
        self._used: dict[Place, tuple[Place, ...]] = {}

    def set(self, user: Place, places: Iterable[Place]) -> None:
        """Replace what the user refers to."""
        for place in self._used.pop(user, ()):
            self._users[place].pop(user, None)
            if not self._users[place]:
                del self._users[place]
        if used := tuple(dict.fromkeys(places)):
            self._used[user] = used
        for place in used:
            self._users.setdefault(place, {})[user] = None

    def of(self, place: Place) -> list[Place]:
        """Return who refers to the place."""
        return list(self._users.get(place, ()))


def _places(spec: Json, namespace: str) -> list[Place]:
    """Return what a Broker's or Trigger's destinations refer to."""
    destinations = (spec.get("subscriber"), (spec.get("delivery") or {}).get("deadLetterSink"))
    places = [place for found in destinations if (place := place_of(found, namespace)) is not None]
    # A core Service may turn out to be the one of a Knative Service.
    return places + [(KSERVICE, namespace, name) for kind, namespace, name in places if kind is SERVICE]
