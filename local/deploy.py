"""One function on its whole way from code to answer to deletion, followed by the platform's own events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.client import JOBS, SERVICES, TRIGGERS, Client, selector
from local.progress import Phase, Timeline
from local.spectator import Seen, Spectator

PREFIX = "network.notifi.lambda."
THIRD_PARTY = "demo"

# Seconds: bounds of a person's patience, generous since a first build fetches packages.
_LIMITS = {Phase.UPLOAD: 30, Phase.START: 60, Phase.BUILD: 600, Phase.ROLLOUT: 120}
_DEFAULT_LIMIT = 60


class DeployFailed(Exception):
    """A phase did not end well; the text is for the person at the terminal."""


@dataclass(frozen=True)
class Example:
    """A folder with a parser, the event data to try it with, and what the answer's data must hold."""

    folder: Path
    data: dict[str, Any]
    expected: dict[str, Any]

    @property
    def parser_id(self) -> str:
        """The parser's id: the folder's name."""
        return self.folder.name

    @classmethod
    def load(cls, folder: Path) -> "Example":
        """Read `event.json` and `expected.json` where they are."""

        def read(name: str) -> dict[str, Any]:
            path = folder / name
            return json.loads(path.read_text()) if path.exists() else {}

        if not folder.is_dir():
            raise DeployFailed(
                f"{folder} is no folder: name one that holds a parser.py, such as examples/hello"
            )
        return cls(folder, read("event.json"), read("expected.json"))


def missing(expected: Any, answer: Any, path: str = "answer") -> list[str]:
    """What of `expected` the answer does not hold: one text for each difference, empty when it holds all."""
    if isinstance(expected, dict):
        if not isinstance(answer, dict):
            return [f"{path} is {answer!r}, expected an object"]
        return [
            text
            for key, value in expected.items()
            for text in missing(value, answer.get(key), f"{path}.{key}")
        ]
    return [] if expected == answer else [f"{path} is {answer!r}, expected {expected!r}"]


class Deployment:
    """Takes one example through the phases and keeps its timeline."""

    def __init__(
        self, example: Example, client: Client, spectator: Spectator, show: Callable[[Timeline], None]
    ) -> None:
        self.example = example
        self.timeline = Timeline(example.parser_id)
        self.answer: Any = None
        self._client = client
        self._spectator = spectator
        self._show = show
        self._ids = {"third_party_id": THIRD_PARTY, "parser_id": example.parser_id}
        self._labels = selector(THIRD_PARTY, example.parser_id)

    @asynccontextmanager
    async def _phase(self, phase: Phase) -> AsyncIterator[list[str]]:
        """Time one phase; the body may put one note into the list that it gets."""
        notes: list[str] = []
        self.timeline.begin(phase)
        self._show(self.timeline)
        limit = _LIMITS.get(phase, _DEFAULT_LIMIT)
        try:
            async with asyncio.timeout(limit):
                yield notes
        except TimeoutError:
            self._fail(f"{phase.value} did not end within {limit} s{await self._hint()}")
        self.timeline.end("".join(notes))
        self._show(self.timeline)

    def _fail(self, reason: str) -> None:
        self.timeline.fail(reason)
        self._show(self.timeline)
        raise DeployFailed(f"{self.example.parser_id}: {reason}")

    async def _hint(self) -> str:
        """What the dead letters say about this function, for a failure's text."""
        letters = await self._client.dead_letters(self.example.parser_id)
        return "".join(f"\n  dead letter: {letter}" for letter in letters[-3:])

    async def deploy(self) -> None:
        """Upload, build and roll out. Raises DeployFailed."""
        async with self._phase(Phase.UPLOAD) as notes:
            count = await self._client.put_code(self.example.folder, self.example.parser_id)
            notes.append(f"{count} files")
        async with self._phase(Phase.START) as notes:
            reply = await self._ask("build.start", {})
            notes.append(f"{reply['status']}: {reply.get('job_name') or reply.get('message', '')}")
        if reply["status"] == "skipped":
            return
        async with self._phase(Phase.BUILD) as notes:
            result = await self._spectator.first(
                lambda seen: (
                    seen.type in (PREFIX + "build.complete", PREFIX + "build.failed")
                    and seen.data.get("job_name") == reply["job_name"]
                )
            )
            if result.type.endswith("failed"):
                self._fail(
                    f"the build failed ({result.data.get('reason')})\n{result.data.get('log_tail', '')}"
                )
            notes.append(str(result.data.get("image_digest", "")))
        async with self._phase(Phase.ROLLOUT) as notes:
            rolled_out = await self._reply_to(result.attributes["id"])
            notes.append(await self._ready(str(rolled_out["service_name"])))

    async def call(self, phase: Phase = Phase.ANSWER) -> None:
        """Send a parser.start through the broker and keep the function's answer. Raises DeployFailed."""
        async with self._phase(phase) as notes:
            event_id = await self._send("parser.start", self.example.data)
            seen = await self._spectator.first(
                lambda seen: (
                    seen.type.startswith("io.knative.lambda.response.")
                    and seen.attributes.get("correlationid") == event_id
                )
            )
            if not seen.type.endswith("success"):
                self._fail(f"the function answered {seen.type}: {seen.data.get('error')}")
            self.answer = seen.data["result"]["body"]
            wrong = missing(self.example.expected, seen.data)
            if wrong:
                self._fail("the answer is not the expected one: " + "; ".join(wrong))
            notes.append(f"{seen.data.get('metrics', {}).get('durationMs')} ms in the handler")

    async def delete(self) -> None:
        """Send service.delete and wait until no object of the function is left. Raises DeployFailed."""
        async with self._phase(Phase.DELETE) as notes:
            reply = await self._ask("service.delete", {"reason": "the demo is over"})
            for path in (SERVICES, TRIGGERS, JOBS, *self._leftovers()):
                await self._client.gone(path, self._labels)
            notes.append(reply["status"])

    @staticmethod
    def _leftovers() -> tuple[str, ...]:
        namespace = JOBS.split("/namespaces/")[1].split("/")[0]
        return tuple(
            f"/api/v1/namespaces/{namespace}/{plural}" for plural in ("pods", "configmaps", "serviceaccounts")
        )

    async def _send(self, suffix: str, data: dict[str, Any]) -> str:
        return await self._client.send(PREFIX + suffix, data={**data, **self._ids}, **self._ids)

    async def _ask(self, suffix: str, data: dict[str, Any]) -> dict[str, Any]:
        return await self._reply_to(await self._send(suffix, data))

    async def _reply_to(self, event_id: str) -> dict[str, Any]:
        """The service's reply to one event, as it comes by on the broker."""

        def is_reply(seen: Seen) -> bool:
            return seen.type.endswith(".reply") and seen.data.get("event_id") == event_id

        reply: dict[str, Any] = (await self._spectator.first(is_reply)).data
        return reply

    async def _ready(self, name: str) -> str:
        """Wait until the Knative Service says that its newest generation is ready; returns its URL."""
        async for _, service in self._client.watch(SERVICES, self._labels):
            status, meta = service.get("status", {}), service["metadata"]
            conditions = {c["type"]: c for c in status.get("conditions", [])}
            ready = conditions.get("Ready", {})
            if meta["name"] != name or status.get("observedGeneration") != meta.get("generation"):
                continue
            if ready.get("status") == "True":
                return str(status["url"])
            if ready.get("status") == "False":
                self._fail(f"{name} is not ready: {ready.get('reason')}: {ready.get('message')}")
        raise DeployFailed(f"the watch of {name} ended before it was ready")
