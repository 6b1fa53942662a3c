"""One broker's data plane: who wants an event, the journal, and a queue for each Trigger."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from local.eventing.delivery import Delivery, Route
from local.eventing.filters import Filter
from local.eventing.journal import Journal
from local.eventing.message import Message
from local.eventing.queue import TriggerQueue


class BrokerQueues:
    """The queues of one broker. Messages that a former process left are taken up when their Trigger comes.

    `journal` is the path of the broker's file.
    """

    def __init__(self, journal: Path, delivery: Delivery) -> None:
        self._journal = Journal(journal)
        self._delivery = delivery
        self._queues: dict[str, TriggerQueue] = {}
        self._matcher = Matcher()
        self._left: dict[str, list[tuple[int, Message]]] = {}
        for number, name, entry in self._journal.pending():
            self._left.setdefault(name, []).append((number, Message.from_entry(entry)))

    def publish(self, message: Message) -> int:
        """Accept a message and return how many Triggers want it; with none it is gone. Raises OSError."""
        names = self._matcher.match(message.event.attributes)
        if names:
            number = self._journal.put(message.to_entry(), names)
            for name in names:
                self._queues[name].put(number, message)
        return len(names)

    def set_trigger(self, name: str, wanted: Filter | None, route: Route | None, parallelism: int) -> None:
        """Add or change a Trigger. Without a filter it gets no new messages, without a route they wait."""
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = self._new_queue(name)
        self._matcher.set(name, wanted)
        queue.configure(route, parallelism)

    def remove_trigger(self, name: str) -> None:
        """Remove a Trigger and drop what waits for it."""
        self._matcher.set(name, None)
        if (queue := self._queues.pop(name, None)) is not None:
            queue.discard()

    async def close(self, *, grace_seconds: float) -> None:
        """Stop in order; what is not delivered is delivered by the next process."""
        await asyncio.gather(*(queue.close(grace_seconds=grace_seconds) for queue in self._queues.values()))
        self._journal.close()

    def remove(self) -> None:
        """The Broker is gone: drop everything."""
        for name in list(self._queues):
            self.remove_trigger(name)
        self._journal.remove()

    def _new_queue(self, name: str) -> TriggerQueue:
        queue = TriggerQueue(
            name, self._delivery, done=lambda number: self._journal.ack(number, name), reply=self._take_reply
        )
        for number, message in self._left.pop(name, ()):
            queue.put(number, message)
        return queue

    async def _take_reply(self, reply: Message) -> bool:
        if reply.hops_left <= 0:
            return False
        self.publish(reply)
        return True


class Matcher:
    """Finds the Triggers that want an event.

    Those that want nothing but equal attributes (which is what functions have) are found by look-up, so
    that an event does not cost more with a thousand functions than with ten; the others are asked one by
    one.
    """

    def __init__(self) -> None:
        self._filters: dict[str, Filter] = {}
        self._exact: dict[tuple[str, ...], dict[tuple[str, ...], dict[str, None]]] = {}
        self._others: dict[str, Callable[[Mapping[str, str]], bool]] = {}

    def set(self, name: str, wanted: Filter | None) -> None:
        """Add, change or (with None) remove a Trigger."""
        self._remove(name)
        if wanted is None:
            return
        self._filters[name] = wanted
        if wanted.exact is None:
            self._others[name] = wanted.predicate
        else:
            names, values = _shape(wanted.exact)
            self._exact.setdefault(names, {}).setdefault(values, {})[name] = None

    def match(self, attributes: Mapping[str, str]) -> list[str]:
        """Return the names of the Triggers that want an event with these attributes."""
        found: list[str] = []
        for names, by_values in self._exact.items():
            found += by_values.get(tuple(attributes.get(name, "") for name in names), ())
        return found + [name for name, predicate in self._others.items() if predicate(attributes)]

    def _remove(self, name: str) -> None:
        before = self._filters.pop(name, None)
        self._others.pop(name, None)
        if before is None or before.exact is None:
            return
        names, values = _shape(before.exact)
        self._exact[names][values].pop(name)
        if not self._exact[names][values]:
            del self._exact[names][values]


def _shape(exact: tuple[tuple[str, str], ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(name for name, _ in exact), tuple(value for _, value in exact)
