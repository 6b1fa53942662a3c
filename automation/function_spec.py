"""Specifications of functions in events: `command.function.deploy`, and what goes with it.

Pure. docs/decisions/0080-specifications.md says which fields there are and how they map. Every problem is
noted, as in `event_parser`; a field that is not known is one, because a misspelt limit would be no limit.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from automation import event_fields as syntax
from automation import event_identity as identity
from automation.configuration import EVERYTHING
from automation.event_fields import Fields, Syntax, shown
from automation.event_reading import Reading, Rule
from automation.events import EventMeta, FunctionDeploy, FunctionId, FunctionPromote
from automation.languages import LANGUAGES
from automation.spec_configuration import configuration, only, section

_FIELDS_OF: Final[Mapping[str, frozenset[str]]] = {
    "scaling": frozenset(
        {
            "min_scale",
            "max_scale",
            "target_concurrency",
            "container_concurrency",
            "scale_down_delay_seconds",
        }
    ),
    "resources": frozenset({"cpu_request", "memory_request", "cpu_limit", "memory_limit"}),
    "timeout_seconds": frozenset({"timeout_seconds"}),
    "env": frozenset({"env", "secrets"}),
    "rollout": frozenset({"rollout"}),
}
"""Which fields of a configuration a section of `spec` decides."""

_SOURCES: Final = ("s3", "minio", "inline", "image")
_REFUSED: Final = {
    "git": "send the code inline, or have CI put it into the source bucket and send type s3",
    "gcs": "put the code into the source bucket and send type s3",
}

_HANDLER: Final = Syntax(
    "`module.function`, or a function's name",
    lambda text: (
        re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_]*)?", text) is not None
        and len(text) <= 128
    ),
)


_TAG: Final = Syntax(
    "1 to 128 letters, digits, '_', '.' and '-', neither '.' nor '-' first",
    lambda text: re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", text) is not None,
)
_NAMING: Final = ("name", "namespace", "third_party_id", "organization_id", "parser_id")


def identify(meta: EventMeta, fields: Fields) -> FunctionId:
    """Read `metadata.namespace` and `metadata.name` as other commands' `namespace` and `name`."""
    metadata = section(fields, "metadata")
    named = metadata if metadata.has(*_NAMING) else fields
    return identity.from_name(meta, named)


def deploy(reading: Reading) -> FunctionDeploy:
    """Read a whole specification: what it leaves out is as the environment says."""
    return _deploy(reading, whole=True)


def update(reading: Reading) -> FunctionDeploy:
    """Read the sections that are to change; the others stay as they are."""
    return _deploy(reading, whole=False)


def promote(reading: Reading) -> FunctionPromote:
    """Read how much of the traffic the newest revision is to have."""
    percent = reading.fields.integer("percent", minimum=1, maximum=100)
    return FunctionPromote(
        meta=reading.meta,
        function=reading.required_function,
        percent=100 if percent is None else percent,
        reason=reading.fields.prose("reason", limit=2048),
    )


RULES: Final[Mapping[str, Rule]] = {
    "command.function.deploy": Rule(identify, deploy),
    "command.service.create": Rule(identify, deploy),
    "command.service.update": Rule(identify, update),
    "command.function.promote": Rule(identity.from_name, promote),
}
"""How each type is read, by the end of its name."""


def _deploy(reading: Reading, *, whole: bool) -> FunctionDeploy:
    fields = reading.fields
    if not fields.has("spec"):
        fields.note("spec", "missing; send an object with source, runtime and what else is not the default")
    spec = section(fields, "spec")
    only(
        spec,
        "spec",
        "source",
        "runtime",
        "scaling",
        "resources",
        "timeout_seconds",
        "env",
        "eventing",
        "build",
        "rollout",
    )
    source, runtime = section(spec, "source"), section(spec, "runtime")
    if whole and not spec.has("source"):
        spec.note("spec.source", f"missing; send an object with type: {', '.join(_SOURCES)}, and its block")
    said = frozenset().union(*(names for name, names in _FIELDS_OF.items() if spec.has(name)))
    language, version = _runtime(runtime, required=whole or spec.has("source"))
    build = section(spec, "build")
    only(build, "spec.build", "force_rebuild", "force")
    return FunctionDeploy(
        meta=reading.meta,
        function=reading.required_function,
        **_source(source, spec.has("source"), language),
        has_source=spec.has("source"),
        language=language,
        runtime=version,
        handler=runtime.text("handler", syntax=_HANDLER) or "",
        configuration=configuration(spec),
        said=EVERYTHING if whole else said,
        force=build.flag("force_rebuild", "force"),
    )


def _runtime(runtime: Fields, *, required: bool) -> tuple[str | None, str | None]:
    """Return language and runtime; versions are those of `languages`, with or without the language."""
    only(runtime, "spec.runtime", "language", "version", "handler")
    language = runtime.choice("language", allowed=tuple(LANGUAGES))
    version = runtime.value("version")
    if (required or version is not None) and not runtime.has("language"):
        runtime.note("spec.runtime.language", f"missing; send one of {', '.join(LANGUAGES)}")
    if required and version is None:
        runtime.note("spec.runtime.version", "missing; send the language's version")
    if language is None or version is None:
        return language, None
    found = LANGUAGES[language]
    name = f"{language}{str(version).removeprefix(language)}"
    if isinstance(version, bool | dict | list) or name not in found.runtimes:
        allowed = ", ".join((*found.outdated, *found.versions))
        runtime.note("spec.runtime.version", f"{shown(version)} is not allowed; allowed: {allowed}")
    return language, name


def _source(source: Fields, present: bool, language: str | None) -> dict[str, Any]:
    """Return what FunctionDeploy says of the source."""
    kind = source.value("type")
    if not present:
        return {}
    if isinstance(kind, str) and kind in _REFUSED:
        source.note("spec.source.type", f"{kind} is not served here; {_REFUSED[kind]}")
        return {}
    if not isinstance(kind, str) or kind not in _SOURCES:
        source.note("spec.source.type", f"{shown(kind)} is not allowed; allowed: {', '.join(_SOURCES)}")
        return {}
    only(source, "spec.source", "type", kind)
    if not source.has(kind):
        source.note(f"spec.source.{kind}", f"missing; type {kind} needs its block")
    block = section(source, kind)
    if kind == "image":
        return {"image": _image(block)}
    if kind == "inline":
        return {"code": _inline(block, language)}
    only(block, f"spec.source.{kind}", "bucket", "key", "prefix", "region", "endpoint")
    return {
        "source_bucket": block.text("bucket", syntax=syntax.BUCKET),
        "source_prefix": block.required("key", "prefix", syntax=syntax.OBJECT_KEY),
        "source_endpoint": block.text("endpoint", syntax=syntax.PRINTABLE) or "",
    }


def _image(block: Fields) -> str:
    only(block, "spec.source.image", "repository", "tag", "digest", "pull_policy")
    repository = block.required("repository", syntax=syntax.IMAGE)
    tag = block.text("tag", syntax=_TAG)
    digest = block.text("digest", syntax=syntax.DIGEST)
    reference = repository + (f":{tag}" if tag and not digest else "") + (f"@{digest}" if digest else "")
    if repository and not syntax.IMAGE.accepts(reference):
        block.note("spec.source.image", f"{shown(reference)} is not allowed; allowed: {syntax.IMAGE.allowed}")
    return reference


def _inline(block: Fields, language: str | None) -> Mapping[str, bytes]:
    """Return the files: the code as the language's entry, dependencies as its manifest."""
    only(block, "spec.source.inline", "code", "dependencies")
    found = LANGUAGES.get(language or "")
    code, dependencies = block.value("code"), block.value("dependencies")
    if not isinstance(code, str) or not code:
        block.note("spec.source.inline.code", f"{shown(code)} is not allowed; allowed: the handler's source")
        return {}
    if isinstance(dependencies, list) and all(isinstance(each, str) for each in dependencies):
        dependencies = "".join(f"{each}\n" for each in dependencies)
    if dependencies is not None and not isinstance(dependencies, str):
        allowed = "the text of requirements.txt, package.json or go.mod, or requirements.txt's lines"
        block.note("spec.source.inline.dependencies", f"{shown(dependencies)} is not allowed; {allowed}")
        return {}
    if found is None:
        return {}
    files = {found.entries[0]: code.encode("utf-8", "replace")}
    return {**files, found.manifest: dependencies.encode("utf-8", "replace")} if dependencies else files
