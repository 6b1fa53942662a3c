"""Where the objects are: tables by kind and namespace, one revision counter, change history and watches.

No rules of the API are known here; `store.py` decides what may be written. Objects are never changed in place
once they are in: a write puts a new object, which may share unchanged parts with the old one. The JSON of an
object is made at most once.
"""

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

from local.apiserver.errors import expired
from local.apiserver.kinds import Kind
from local.apiserver.watch import Event, Match, Watch

HISTORY = 4096
"""Changes kept per kind, for watches that resume; older ones answer 410 Gone."""


class Entry:
    """One stored object and, once somebody asked, its JSON."""

    __slots__ = ("_raw", "object")

    def __init__(self, obj: dict[str, Any]) -> None:
        self.object = obj
        self._raw: bytes | None = None

    def raw(self) -> bytes:
        """Return the object as compact JSON."""
        if self._raw is None:
            self._raw = encode(self.object)
        return self._raw


class Change:
    """One committed change: what was there before and what is there now, as entries."""

    __slots__ = ("after", "before", "deleted", "revision")

    def __init__(self, revision: int, before: Entry | None, after: Entry, *, deleted: bool) -> None:
        self.revision = revision
        self.before = before
        self.after = after
        self.deleted = deleted

    def event(self, selected: Match) -> Event | None:
        """Return the change as a watcher of some objects sees it; None where it does not concern them."""
        was = self.before is not None and selected(self.before.object)
        if self.deleted:
            return Event("DELETED", self.after.object, self.after.raw) if was else None
        if selected(self.after.object):
            return Event("MODIFIED" if was else "ADDED", self.after.object, self.after.raw)
        return self._left() if was else None

    def _left(self) -> Event:
        """Return the change as a deletion: the object is still there, but no longer one of the selected."""
        assert self.before is not None
        metadata = {**self.before.object["metadata"], "resourceVersion": str(self.revision)}
        last = Entry({**self.before.object, "metadata": metadata})
        return Event("DELETED", last.object, last.raw)


class Table:
    """The objects of one kind."""

    def __init__(self) -> None:
        self.namespaces: dict[str, dict[str, Entry]] = {}
        self.history: deque[Change] = deque()
        self.forgotten = 0
        """The revision of the newest change that is no longer in the history."""
        self.watches: list[Watch] = []

    def record(self, change: Change) -> None:
        """Keep a change and hand it to the watches."""
        if len(self.history) >= HISTORY:
            self.forgotten = self.history.popleft().revision
        self.history.append(change)
        for watch in tuple(self.watches):
            event = change.event(watch.selected)
            if event is not None:
                watch.put(event)


Key = tuple[Kind, str, str]
"""Kind, namespace (empty for cluster-scoped kinds) and name."""


class Storage:
    """All tables. `revision` is the resourceVersion of the newest change."""

    def __init__(self) -> None:
        self.revision = 0
        self._tables: dict[Kind, Table] = {}
        self._owned: dict[str, set[Key]] = {}

    def find(self, kind: Kind, namespace: str, name: str) -> Entry | None:
        """Return one object's entry, or None."""
        table = self._tables.get(kind)
        return table.namespaces.get(namespace, {}).get(name) if table else None

    def entries(self, kind: Kind, namespace: str | None = None) -> Iterator[Entry]:
        """Yield entries ordered by namespace and name; None means all namespaces."""
        table = self._tables.get(kind)
        if table is None:
            return
        for space in sorted(table.namespaces) if namespace is None else [namespace]:
            entries = table.namespaces.get(space, {})
            for name in sorted(entries):
                yield entries[name]

    def count(self, kind: Kind, namespace: str) -> int:
        """Return how many objects of a kind a namespace has."""
        table = self._tables.get(kind)
        return len(table.namespaces.get(namespace, ())) if table else 0

    def put(self, kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
        """Store a new state of an object and publish it.

        `obj` and its metadata must be new dictionaries: the resourceVersion is written into them.
        """
        key = key_of(kind, obj)
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        table = self._table(kind)
        entries = table.namespaces.setdefault(key[1], {})
        before, after = entries.get(key[2]), Entry(obj)
        entries[key[2]] = after
        self._index(key, before, obj)
        table.record(Change(self.revision, before, after, deleted=False))
        return obj

    def remove(self, kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
        """Take an object out and publish its last state, which is returned with the new resourceVersion."""
        key = key_of(kind, obj)
        self.revision += 1
        last = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.revision)}}
        table = self._table(kind)
        before = table.namespaces[key[1]].pop(key[2])
        if not table.namespaces[key[1]]:
            del table.namespaces[key[1]]
        self._index(key, before, {"metadata": {}})
        table.record(Change(self.revision, before, Entry(last), deleted=True))
        return last

    def dependents(self, uid: str) -> list[Key]:
        """Return the keys of all objects that name an owner of this uid."""
        return sorted(self._owned.get(uid, ()), key=lambda key: (key[0].resource, key[1], key[2]))

    def watch(self, kind: Kind, selected: Match, since: str | None) -> Watch:
        """Start a watch. With `since` it begins behind that revision, without with ADDED of what is there.

        Raises ApiError 410 for a revision whose successors are no longer kept, or that was never given out.
        """
        table = self._table(kind)
        watch = Watch(selected, table.watches.remove)
        table.watches.append(watch)
        if since is None or since == "0":
            for entry in self.entries(kind):
                if selected(entry.object):
                    watch.put(Event("ADDED", entry.object, entry.raw))
        elif not table.forgotten <= _revision(since) <= self.revision:
            watch.close()
            raise expired(f"too old resource version: {since} ({self.revision})")
        else:
            self._replay(table, watch, _revision(since))
        return watch

    @staticmethod
    def _replay(table: Table, watch: Watch, since: int) -> None:
        for change in table.history:
            event = change.event(watch.selected) if change.revision > since else None
            if event is not None:
                watch.put(event)

    def _table(self, kind: Kind) -> Table:
        table = self._tables.get(kind)
        if table is None:
            table = self._tables[kind] = Table()
        return table

    def _index(self, key: Key, before: Entry | None, after: dict[str, Any]) -> None:
        old = before.object["metadata"].get("ownerReferences") if before else None
        new = after["metadata"].get("ownerReferences")
        if old is new:
            return
        for reference in old or ():
            owned = self._owned.get(reference["uid"], set())
            owned.discard(key)
            if not owned:
                self._owned.pop(reference["uid"], None)
        for reference in new or ():
            self._owned.setdefault(reference["uid"], set()).add(key)


def encode(value: Any) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def key_of(kind: Kind, obj: dict[str, Any]) -> Key:
    """Return the key under which an object is kept."""
    metadata = obj["metadata"]
    return kind, metadata.get("namespace", "") if kind.namespaced else "", metadata["name"]


def _revision(text: str) -> int:
    return int(text) if text.isdecimal() else -1
