"""The cloud that the contract's provider manages, kept in files.

The provider runs in the test's process for the embedded engine and in one of its own for the CLI; both, and
the test, look at the same folder. A test reads here what was done, and says what is to go wrong.
"""

import json
import time
import uuid
from pathlib import Path
from typing import Any

PATIENCE = 30.0
"""Seconds that a call or a test waits for the other side before it gives up."""


class World:
    """One test's cloud: resources by id, the calls that were made, the faults that are to come."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("resources", "faults", "begun", "released"):
            (root / folder).mkdir(parents=True, exist_ok=True)

    # What tests say beforehand.

    def fail(self, call: str, name: str, text: str = "it broke") -> None:
        """Have a call for the resource of that name fail without any effect."""
        self._fault(call, name, {"kind": "fail", "text": text})

    def fail_partially(self, call: str, name: str, text: str = "not ready") -> None:
        """Have a create or update take effect, and report that the resource did not get ready."""
        self._fault(call, name, {"kind": "partial", "text": text})

    def hang(self, call: str, name: str) -> None:
        """Have a call wait, before it does anything, until it is released."""
        (self.root / "released" / f"{call}.{name}").unlink(missing_ok=True)
        self._fault(call, name, {"kind": "hang"})

    def heal(self) -> None:
        """Forget all faults."""
        for path in (self.root / "faults").iterdir():
            path.unlink()

    def release(self, call: str, name: str) -> None:
        """Let a call that hangs go on."""
        (self.root / "released" / f"{call}.{name}").touch()

    def wait_for(self, call: str, name: str) -> None:
        """Wait until a call that is to hang has begun."""
        _await(self.root / "begun" / f"{call}.{name}", f"{call} of {name} did not begin")

    def forget(self, name: str) -> None:
        """Lose the resource, as if somebody deleted it by hand."""
        for id_, outputs in self.resources.items():
            if outputs["name"] == name:
                self.remove(id_)

    def edit(self, name: str, **values: Any) -> None:
        """Change the resource, as if somebody did so by hand."""
        for id_, outputs in self.resources.items():
            if outputs["name"] == name:
                self.put(id_, {**outputs, **values})

    # What tests look at afterwards.

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The outputs of everything that exists, by id."""
        return {path.stem: json.loads(path.read_text()) for path in (self.root / "resources").glob("*.json")}

    @property
    def names(self) -> list[str]:
        """The names of everything that exists, sorted; twice where there are two."""
        return sorted(outputs["name"] for outputs in self.resources.values())

    def calls(self, *kinds: str) -> list[dict[str, Any]]:
        """The calls of these kinds, in the order in which they began; all kinds if none is given."""
        path = self.root / "calls.jsonl"
        made = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [call for call in made if not kinds or call["call"] in kinds]

    def called(self, *kinds: str) -> list[str]:
        """Return the names for which calls of these kinds were made, in order."""
        return [call["name"] for call in self.calls(*kinds)]

    def forget_calls(self) -> None:
        """Begin the list of calls anew."""
        (self.root / "calls.jsonl").unlink(missing_ok=True)

    # What the provider does.

    def begin(self, call: str, name: str, **details: Any) -> dict[str, Any] | None:
        """Note a call; wait if it is to hang. Returns the fault that it is to meet, if any."""
        line = json.dumps({"call": call, "name": name, **details})
        with (self.root / "calls.jsonl").open("a") as file:
            file.write(line + "\n")  # one write: appending is atomic between processes
        path = self.root / "faults" / f"{call}.{name}"
        try:
            fault: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        if fault["kind"] != "hang":
            return fault
        (self.root / "begun" / f"{call}.{name}").touch()
        _await(self.root / "released" / f"{call}.{name}", f"nobody released {call} of {name}")
        return None

    def note_cancel(self) -> None:
        """Note that the CLI told its plugins that it was cancelled."""
        (self.root / "begun" / "cancel.plugin").touch()

    def get(self, id_: str) -> dict[str, Any] | None:
        """Return a resource's outputs, None if it is not there."""
        return self.resources.get(id_)

    def put(self, id_: str, outputs: dict[str, Any]) -> None:
        """Store a resource's outputs."""
        target = self.root / "resources" / f"{id_}.json"
        beside = target.with_suffix(f".{uuid.uuid4().hex}")
        beside.write_text(json.dumps(outputs))
        beside.replace(target)

    def remove(self, id_: str) -> None:
        """Remove a resource; one that is not there is a success."""
        (self.root / "resources" / f"{id_}.json").unlink(missing_ok=True)

    def _fault(self, call: str, name: str, fault: dict[str, Any]) -> None:
        (self.root / "begun" / f"{call}.{name}").unlink(missing_ok=True)
        (self.root / "faults" / f"{call}.{name}").write_text(json.dumps(fault))


def _await(path: Path, complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.01)
