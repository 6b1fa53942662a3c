"""The stacks of one backend as they are stored: made, looked at, renamed, moved about and forgotten.

No provider is needed for any of this; `api.Engine` adds what deploys.
"""

import contextlib
import datetime
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from engine import checkpoint, crypto, edits, integrity, urns
from engine.backend import Backend
from engine.checkpoint import Document
from engine.codec import Codec
from engine.crypto import Secrets
from engine.errors import CheckpointRefused, EngineError, StackAlreadyExists, StackNotFound
from engine.locks import Turns
from engine.names import StackRef
from engine.provider import Properties
from engine.reader import StackReader
from engine.results import ResourceRecord, StackOutputs, StackSummary
from engine.specials import UNKNOWN_TEXT
from engine.state import Snapshot
from engine.storage import ABSENT, KEEP_ALL, Keeping, Storage, version_of
from engine.values import contains_secret, contains_unknown, unwrap

_READERS: Final = 16
"""Checkpoints that are read at the same time where many stacks are looked at."""


class Stacks:
    """The stacks of one backend. All methods may be called from any thread.

    `passphrase` protects the secrets in the states. `salt` is the record that states without one take for
    their first secret, such as `encryptionsalt` of the stack's configuration file; None: one is made when
    needed. `keeping` says what is kept beside the checkpoints.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        passphrase: str = "",
        salt: str | None = None,
        keeping: Keeping = KEEP_ALL,
    ) -> None:
        self._storage = Storage(backend, keeping)
        self._reader = StackReader(self._storage, self._secrets)
        self._passphrase = passphrase
        self._turns = Turns()
        self._fresh_salt = salt
        self._salt_lock = threading.Lock()

    def init(self, stack: StackRef) -> None:
        """Make an empty stack; StackAlreadyExists if there is one of that name."""
        with self._locked(stack):
            if self._storage.load(stack) is not None:
                raise _already_exists(stack)
            codec = Codec(self._secrets(self._fresh_salt))
            self._storage.save(stack, codec.encode(stack.full_name, Snapshot()))

    def rename(self, stack: StackRef, new: StackRef) -> None:
        """Give the stack another name, or move it to another project, with its history; backups stay.

        Every URN of the stack in the state is rewritten. StackNotFound, StackAlreadyExists. After a crash
        the stack is there under the old name, and renaming it again goes on.
        """
        if stack == new:
            raise _already_exists(new)
        with self._locked(stack), self._locked(new):
            document = checkpoint.loads(self._existing(stack))
            checkpoint.parse_document(document)
            renamed = edits.rename(document, stack, new)
            present = self._storage.load(new)
            if present is not None and not _is_cut_off_rename(checkpoint.loads(present), renamed):
                raise _already_exists(new)
            self._storage.move(stack, new, _compact(renamed))

    def remove(self, stack: StackRef, force: bool = False, *, remove_backups: bool = False) -> None:
        """Forget the stack and its history, with `remove_backups` also every copy of its checkpoints.

        With resources left only by `force` (they then stay as they are).
        """
        with self._locked(stack):
            resources = checkpoint.parse(self._existing(stack)).resources
            left = [raw["urn"] for raw in resources]
            if left and not force and [raw.get("type") for raw in resources] != [urns.STACK_TYPE]:
                raise EngineError(
                    f"{stack} still has {len(left)} resource(s), such as {left[-1]}; destroy it first, "
                    "or remove it by force"
                )
            self._storage.remove(stack, backups=remove_backups)

    def stacks(self, project: str) -> list[str]:
        """Return the names of the project's stacks, sorted."""
        return self._storage.stacks(project)

    def list_stacks(self, project: str | None = None) -> list[StackSummary]:
        """Return what the project's stacks are like, or those of all projects, sorted by project and name.

        Every checkpoint is read. CheckpointRefused if one cannot be understood.
        """
        projects = self._storage.projects() if project is None else [project]
        refs = [StackRef(name, stack) for name in projects for stack in self._storage.stacks(name)]
        if not refs:
            return []
        locked = {
            StackRef(name, stack)
            for name in {ref.project for ref in refs}
            for stack in self._storage.locked_stacks(name)
        }
        with ThreadPoolExecutor(_READERS) as pool:
            states = list(pool.map(self._storage.load, refs))
        found = []
        for ref, data in zip(refs, states, strict=True):
            if data is not None:  # else it was removed meanwhile
                with self._storage.named(ref):
                    found.append(_summary(ref, data, ref in locked))
        return found

    def outputs(self, stack: StackRef) -> StackOutputs:
        """Return what the stack exports, and the state's version.

        No values for a stack that does not exist.
        """
        data = self._storage.load(stack)
        if data is None:
            return StackOutputs(values={})
        with self._storage.named(stack):
            return self._outputs(data)

    def resources(self, stack: StackRef) -> list[ResourceRecord]:
        """Return the recorded resources, in dependency order."""
        with self._storage.named(stack):
            states = self._decoded(checkpoint.parse(self._existing(stack))).resources
        return [
            ResourceRecord(
                urn=state.urn,
                type=state.type,
                id=state.id,
                inputs=state.inputs,
                outputs=state.outputs,
                parent=state.parent,
                delete=state.delete,
            )
            for state in states
        ]

    def export(self, stack: StackRef, *, show_secrets: bool = False) -> dict[str, Any]:
        """Return the deployment as `pulumi stack export` does; secrets stay encrypted unless shown."""
        with self._storage.named(stack):
            document = checkpoint.loads(self._existing(stack))
            parsed = checkpoint.parse_document(document)
        features = {"features": document["features"]} if document.get("features") else {}
        deployment = (document.get("checkpoint") or {}).get("latest") or {}
        if show_secrets:
            secrets = self._secrets(parsed.salt)
            deployment = edits.change_secrets(deployment, lambda secret: _revealed(secret, secrets))
        return {"version": document["version"], **features, "deployment": deployment}

    def import_deployment(
        self, stack: StackRef, deployment: dict[str, Any], *, force: bool = False
    ) -> tuple[str, ...]:
        """Replace the stack's state by an exported one, and return what the user should be warned of.

        Pending operations are dropped. CheckpointRefused if the deployment is not understood; and, unless by
        `force`, if it breaks an invariant or holds resources of another stack.
        """
        document = checkpoint.parse_document(deployment)
        if document.latest is None:
            raise CheckpointRefused("the file holds no deployment; give what `stack export` wrote")
        codec = Codec(self._secrets(document.salt))
        snapshot = codec.decode(document, verify=False)
        dangers = _dangers(stack, snapshot)
        if dangers and not force:
            raise CheckpointRefused(
                f"{'; '.join(dangers)}. Importing this could be dangerous; import by force to proceed anyway"
            )
        with self._locked(stack):
            imported = Snapshot(resources=snapshot.resources, extra=snapshot.extra)
            self._storage.save(stack, codec.encode(stack.full_name, imported))
        dropped = (
            f"removing pending operation '{operation.kind}' on '{operation.resource.urn}' from snapshot"
            for operation in snapshot.pending
        )
        return (*dangers, *dropped)

    def edit(self, stack: StackRef, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> int:
        """Change the recorded resources, in their JSON form, and return how many differ or are gone.

        No secret is opened. CheckpointRefused, and nothing stored, if the change would break an invariant.
        """
        with self._locked(stack):
            document = checkpoint.loads(self._existing(stack))
            codec = Codec(self._secrets(None))
            # Values are of no matter to invariants, so that secrets may stay as they are.
            parsed = checkpoint.parse_document(document, special=False)
            codec.decode(parsed, verify=False)
            resources = parsed.resources
            changed = change(resources)
            if changed != resources:
                latest = {**document["checkpoint"]["latest"], "resources": changed}
                document["checkpoint"] = {**document["checkpoint"], "latest": latest}
                codec.decode(checkpoint.parse_document(document, special=False))
                self._storage.save(stack, _compact(document))
        return sum(raw not in changed for raw in resources)

    def history(self, stack: StackRef, *, page_size: int = 0, page: int = 1) -> list[dict[str, Any]]:
        """Return the history entries of the stack, newest first, as they are stored.

        With `page_size` only that many; `page` counts from 1.
        """
        return self._storage.history.entries(stack, page_size=page_size, page=page)

    def cancel(self, stack: StackRef) -> int:
        """Break the stack's locks and return how many there were. Does not stop who holds them."""
        return self._storage.cancel(stack)

    def cancel_abandoned(self, stack: StackRef, *, older_than_seconds: float) -> int:
        """Break the locks whose holders cannot be at work any more; return how many there were.

        These are locks of processes of this host that do not exist any more, our own that were not touched
        for a minute, and any that are older than the caller's longest update.
        """
        return self._storage.cancel_abandoned(stack, older_than_seconds)

    def secrets(self, stack: StackRef) -> Secrets:
        """Return what encrypts and decrypts texts with the key of the stack's state.

        For the stack's configuration, which Pulumi protects with the same salt record (`.state`). A stack
        without a salt record gets its own when the first text is encrypted; it is not stored by that.
        """
        data = self._storage.load(stack)
        return self._secrets(None if data is None else checkpoint.parse(data).salt)

    def change_passphrase(self, stack: StackRef, new: str) -> str:
        """Encrypt the secrets of the stack's state anew, and return the new salt record.

        The configuration file and the history are not touched; the file needs the record as `encryptionsalt`,
        and its values encrypted by it. From now on the stack needs an engine with the new passphrase.
        IncorrectPassphrase if the present one does not open the state.
        """
        with self._locked(stack):
            document = checkpoint.loads(self._existing(stack))
            parsed = checkpoint.parse_document(document)
            old = self._secrets(parsed.salt)
            if parsed.salt is not None:
                old.check()
            Codec(old).decode(parsed)
            record = crypto.new_state(new)
            fresh = Secrets(new, record)
            latest = dict((document.get("checkpoint") or {}).get("latest") or {})
            latest = edits.change_secrets(latest, lambda secret: _sealed(_revealed(secret, old), fresh))
            latest["secrets_providers"] = {"type": "passphrase", "state": {"salt": record}}
            document["checkpoint"] = {**document["checkpoint"], "latest": latest}
            self._storage.save(stack, _compact(document))
            return record

    @contextlib.contextmanager
    def _locked(
        self, stack: StackRef, timeout: float = 0.0, given_up: Callable[[], bool] = lambda: False
    ) -> Iterator[None]:
        """Hold the stack against this process and all others, after waiting at most `timeout` seconds.

        Waiting ends early once `given_up` says so: UpdateCanceled.
        """
        with self._turns.taken(stack, timeout, given_up), self._storage.locked(stack, timeout, given_up):
            yield

    def _existing(self, stack: StackRef) -> bytes:
        data = self._storage.load(stack)
        if data is None:
            raise StackNotFound(f"no stack named {stack.name!r} found in project {stack.project!r}")
        return data

    def _outputs(self, data: bytes) -> StackOutputs:
        document = checkpoint.parse(data)
        values = self._reader.decoded_outputs(document)
        return StackOutputs(
            values=plain(values),
            secret_names=secret_names(values),
            version=version_of(data) if document.deployed else ABSENT,
        )

    def _decoded(self, document: Document) -> Snapshot:
        return Codec(self._secrets(document.salt)).decode(document)

    def _secrets(self, salt: str | None) -> Secrets:
        return Secrets(self._passphrase, salt, self._new_salt)

    def _new_salt(self) -> str:
        # One for all stacks that this engine makes: the derivation takes longer than everything else in an
        # update.
        with self._salt_lock:
            if self._fresh_salt is None:
                self._fresh_salt = crypto.new_state(self._passphrase)
            return self._fresh_salt


def plain(outputs: Properties) -> dict[str, Any]:
    """Return outputs without their secrets' wrappings; an unknown one is Pulumi's text for that.

    They are unknown after an operation that left out what they come from.
    """
    values = unwrap(outputs)
    return {key: UNKNOWN_TEXT if contains_unknown(value) else value for key, value in values.items()}


def secret_names(outputs: Properties) -> frozenset[str]:
    """Return the names of the outputs that hold a secret."""
    return frozenset(name for name, value in outputs.items() if contains_secret(value))


def _already_exists(stack: StackRef) -> StackAlreadyExists:
    return StackAlreadyExists(f"stack '{stack.full_name}' already exists")


def _compact(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _is_cut_off_rename(present: dict[str, Any], renamed: dict[str, Any]) -> bool:
    """Say whether a stack is what an earlier attempt to rename left: the same deployment and moment."""
    latest = (renamed.get("checkpoint") or {}).get("latest") or {}
    return bool(latest.get("resources")) and (present.get("checkpoint") or {}).get("latest") == latest


def _revealed(secret: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
    if "ciphertext" not in secret:
        return secret
    kept = {key: item for key, item in secret.items() if key != "ciphertext"}
    return {**kept, "plaintext": secrets.decrypt(secret["ciphertext"])}


def _sealed(secret: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
    kept = {key: item for key, item in secret.items() if key != "plaintext"}
    return {**kept, "ciphertext": secrets.encrypt(secret["plaintext"])}


def _summary(ref: StackRef, data: bytes, locked: bool) -> StackSummary:
    document = checkpoint.parse(data)
    written = ((document.latest or {}).get("manifest") or {}).get("time") or ""
    return StackSummary(
        ref=ref, last_update=_moment(written), resource_count=len(document.resources), locked=locked
    )


def _moment(text: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.year > 1 else None  # Go writes a moment that was never set as the year 1


def _dangers(stack: StackRef, snapshot: Snapshot) -> list[str]:
    """Return why it could be dangerous to make this the stack's state, in words."""
    found: list[str] = []
    for state in snapshot.resources:
        try:
            urn = urns.parse(state.urn)
        except ValueError as error:
            found.append(str(error))
            continue
        if (urn.stack, urn.project) != (stack.name, stack.project):
            found.append(
                f"the deployment belongs to {urn.project}/{urn.stack}, not to {stack}: it holds {state.urn}"
            )
    broken = integrity.problem(snapshot.resources)
    return [*found, f"the state breaks an invariant: {broken}"] if broken else found
