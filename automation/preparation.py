"""From where a build.start says its code is to a build context and what the decision core is told of it."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Final

from automation import archives, context, languages
from automation.code import Code, held
from automation.destination import OPEN, Destination, free_tag
from automation.errors import InvalidEvent
from automation.events import BuildRequest, FunctionDeploy
from automation.languages import Detected
from automation.model import ContextReady, PrepareContext
from automation.ports import Source, SourceStore
from automation.settings import AutomationSettings
from components import naming

Wrappers = Mapping[str, Mapping[str, bytes]]
"""The files of the runtimes' wrappers by path, by language."""

_SHOWN: Final = 200


@dataclass(frozen=True)
class Prepared:
    """A build context that was made, and what the decision core is told of it."""

    ready: ContextReady
    archive: IO[bytes]

    def close(self) -> None:
        """Let go of the archive."""
        self.archive.close()


def prepare(
    command: PrepareContext,
    store: SourceStore,
    settings: AutomationSettings,
    wrappers: Wrappers,
    destination: Destination = OPEN,
) -> Prepared:
    """Read the code and make its context; nothing is stored. Raises PlatformError."""
    event, limits = command.event, settings.source_limits
    source = source_of(event, settings)
    brought = event.code if isinstance(event, FunctionDeploy) else None
    with archives.opened(store.read(source) if brought is None else held(brought), limits) as unpacked:
        code = named(unpacked, event.language)
        detected = context.detect(code, event.language, limits)
        _refuse_empty(code, detected, source)
        runtime = context.Runtime(
            wrapper=wrappers[detected.language.name],
            tools=settings.toolchain(detected.language, event.runtime),
        )
        made = context.assemble(code, runtime, detected, limits)
    location = f"s3://{source.bucket}/{source.key}" if brought is None else ""
    with contextlib.ExitStack() as failed:
        failed.callback(made.archive.close)
        ready = _ready(command, made, settings, destination, location)
        failed.pop_all()
    return Prepared(ready, made.archive)


def named(code: Code, language: str | None) -> Code:
    """Return the files, an unnamed single object as the entry file of the event's language, else Python's."""
    unnamed = code.members.keys() == {languages.UNNAMED}
    return code.renamed(languages.unnamed_entry(language)) if unnamed else code


def source_of(event: BuildRequest, settings: AutomationSettings) -> Source:
    """Return where the event's code is: where it says, or the contract's place for the parser."""
    return Source(
        bucket=event.source_bucket or settings.source_bucket,
        key=event.source_prefix or naming.source_prefix(event.function.parser_id),
    )


def _refuse_empty(code: Code, detected: Detected, source: Source) -> None:
    if not code.members[detected.entry].size:
        place = f"s3://{source.bucket}/{source.key}"[:_SHOWN]
        raise InvalidEvent(
            f"{detected.entry} of {place} holds the handler, and it is empty; upload it and send it again"
        )


def _ready(
    command: PrepareContext,
    made: context.BuildContext,
    settings: AutomationSettings,
    destination: Destination,
    location: str,
) -> ContextReady:
    function, digest = command.event.function, made.content_hash
    ids = function.third_party_id, function.parser_id
    image = naming.image_uri(settings.registry, settings.repository, *ids, digest)
    event = command.event
    return ContextReady(
        event=event,
        superseded=command.request.superseded,
        line=command.request.line,
        content_hash=digest,
        context_key=naming.context_key(*ids, digest),
        image=free_tag(image, destination, event.meta),
        handler=(isinstance(event, FunctionDeploy) and event.handler) or made.handler,
        policy=command.request.policy,
        deadline_seconds=settings.build_deadline_seconds,
        location=location,
    )
