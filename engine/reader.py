"""Reading stacks of a backend from outside an operation on them: what they export, what they hold."""

from collections.abc import Callable

from engine import checkpoint, urns
from engine.checkpoint import Document
from engine.codec import Codec
from engine.crypto import Secrets
from engine.errors import EngineError, StackNotFound
from engine.names import ORGANIZATION, StackRef
from engine.provider import Properties
from engine.state import Snapshot
from engine.storage import Storage


class StackReader:
    """Reads the stacks of one backend as they are stored, without a lock. Thread-safe.

    `secrets` gives what opens the secrets of a state, for the state's salt.
    """

    def __init__(self, storage: Storage, secrets: Callable[[str | None], Secrets]) -> None:
        self._storage = storage
        self._secrets = secrets

    def outputs(self, stack: StackRef) -> Properties:
        """Return what a stack exports, secrets wrapped; StackNotFound if there is none of that name."""
        return self.decoded_outputs(self._document(stack))

    def snapshot(self, stack: StackRef) -> Snapshot:
        """Return what a stack holds; StackNotFound if there is none of that name."""
        document = self._document(stack)
        return Codec(self._secrets(document.salt)).decode(document)

    def decoded_outputs(self, document: Document) -> Properties:
        """Return what the stack of a checkpoint exports, without decoding the rest of it."""
        found = (raw for raw in document.resources if raw.get("type") == urns.STACK_TYPE)
        raw: Properties = next(found, {}).get("outputs") or {}
        return Codec(self._secrets(document.salt)).value(raw) if document.special else raw

    def _document(self, stack: StackRef) -> Document:
        data = self._storage.load(stack)
        if data is None:
            raise StackNotFound(f"no stack named {stack.name!r} found in project {stack.project!r}")
        return checkpoint.parse(data)


def referenced(name: str, project: str) -> StackRef:
    """Return the stack that a StackReference names; `project` is that of the stack it stands in.

    EngineError if the name is none of `stack`, `organization/stack` and `organization/project/stack`.
    """
    organization, *path = name.split("/") if "/" in name else (ORGANIZATION, name)
    if organization != ORGANIZATION or len(path) > 2:
        raise EngineError(
            f"{name!r} names no stack: expected 'stack' (of the same project) or "
            f"'{ORGANIZATION}/project/stack'; in backends of this kind the organization is '{ORGANIZATION}'"
        )
    return StackRef(path[0] if len(path) == 2 else project, path[-1])
