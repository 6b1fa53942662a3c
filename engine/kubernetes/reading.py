"""Reading objects for refreshes: many of one kind and namespace by a few LISTs instead of a GET each."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from engine.kubernetes.rest import ApiError
from engine.kubernetes.target import Target

Json = dict[str, Any]

SINGLE_READS = 4
"""Objects of a collection that are read one by one before the collection is listed."""
PAGE = 500
READS_PER_PAGE = 50
"""How many objects have to be asked for to warrant one more page: about what a page costs in single reads."""
FRESH_SECONDS = 10.0
"""How long what a LIST returned may be handed out."""


@dataclass
class _Collection:
    """What is known of one kind in one namespace."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    asked: int = 0
    pages: int = 0
    listed_at: float = float("-inf")
    token: str = ""
    found: dict[str, Json] = field(default_factory=dict)


class Reader:
    """Reads objects. Thread-safe; one for each provider instance, that is for one run.

    A listed object is handed out once, for ten seconds at most, and never after a write to its collection:
    whoever reads the same object again, or reads what this run has written, gets it from the server.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._collections: dict[str, _Collection] = {}

    def get(self, target: Target) -> Json:
        """Return the object. Raises NotFound and other ApiErrors."""
        collection = self._collection(target)
        with collection.lock:
            collection.asked += 1
            found = self._listed(collection, target) if collection.asked > SINGLE_READS else None
        return target.get() if found is None else found

    def forget(self, target: Target) -> None:
        """Take note that an object of the collection was written."""
        collection = self._collection(target)
        with collection.lock:
            collection.found.clear()
            collection.token = ""

    def _collection(self, target: Target) -> _Collection:
        with self._lock:
            return self._collections.setdefault(target.collection, _Collection())

    def _listed(self, collection: _Collection, target: Target) -> Json | None:
        """Return the object from the listing, which is made or continued where that pays."""
        if time.monotonic() - collection.listed_at > FRESH_SECONDS:
            collection.found, collection.token, collection.pages = {}, "", 0
            self._read_page(collection, target)
        while target.name not in collection.found and collection.token and self._pays(collection):
            self._read_page(collection, target)
        return collection.found.pop(target.name, None)

    def _pays(self, collection: _Collection) -> bool:
        return collection.pages * READS_PER_PAGE < collection.asked

    def _read_page(self, collection: _Collection, target: Target) -> None:
        """Read the first or the next page."""
        if not collection.pages:
            collection.listed_at = time.monotonic()
        page = {"limit": str(PAGE)} | ({"continue": collection.token} if collection.token else {})
        try:
            listing = target.cluster.client.list(target.collection, **page)
        except ApiError:  # it may not list, or the token is too old: then each object is read by itself
            collection.token = ""
            return
        head = {"apiVersion": target.kind.api_version, "kind": target.kind.kind}
        items = {item["metadata"]["name"]: {**head, **item} for item in listing.get("items") or []}
        collection.found |= items
        collection.token = listing["metadata"].get("continue") or ""
        collection.pages += 1
