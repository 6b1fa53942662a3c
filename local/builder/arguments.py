"""The command line of Kaniko's executor. Pure.

Flags have the names, forms (`--flag=value`, `--flag value`, `-f value`) and defaults of Kaniko's. Three
groups: those that are honoured, those that make no difference on one machine without a registry (accepted),
and those that would be ignored to the user's loss (refused by name).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.builder.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a build is asked to do."""

    context: str
    """`s3://bucket/key`, `tar://path`, `tar://stdin`, `dir://path` or a folder's path."""
    context_sub_path: str = ""
    dockerfile: str = "Dockerfile"
    """Relative to the context, or absolute."""
    destinations: tuple[str, ...] = ()
    push: bool = True
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    cache: bool = False
    cache_ttl_seconds: float = 14 * 86400.0
    digest_file: str = ""
    image_name_digest_file: str = ""
    image_name_tag_digest_file: str = ""
    verbosity: str = "info"
    ignored: tuple[str, ...] = ()
    """Positional arguments: Kaniko takes them without a word; a common one is the `true` of `--cache
    true`."""


_BOOLEANS = frozenset(("cache", "no-push"))
_VALUES = frozenset(
    (
        "build-arg",
        "cache-ttl",
        "context",
        "context-sub-path",
        "destination",
        "digest-file",
        "dockerfile",
        "image-name-tag-with-digest-file",
        "image-name-with-digest-file",
        "label",
        "snapshot-mode",
        "verbosity",
    )
)
_WITHOUT_EFFECT_BOOLEANS = (
    "cache-copy-layers cache-run-layers cleanup compressed-caching force force-build-metadata ignore-var-run"
    " insecure insecure-pull log-timestamp no-push-cache push-ignore-immutable-tag-errors reproducible"
    " single-snapshot skip-default-registry-fallback skip-push-permission-check skip-tls-verify"
    " skip-tls-verify-pull skip-unused-stages use-new-run whitelist-var-run"
)
_WITHOUT_EFFECT_VALUES = (
    "cache-dir cache-repo compression compression-level credential-helpers image-download-retry"
    " image-fs-extract-retry insecure-registry kaniko-dir log-format push-retry registry-certificate"
    " registry-client-cert registry-map registry-mirror skip-tls-verify-registry"
)
_ACCEPTED_BOOLEANS = frozenset(_WITHOUT_EFFECT_BOOLEANS.split())
_ACCEPTED_VALUES = frozenset(_WITHOUT_EFFECT_VALUES.split())
_REFUSED = frozenset(
    ("bucket", "custom-platform", "git", "ignore-path", "oci-layout-path", "secret", "tar-path", "target")
)
_SHORT = {"b": "bucket", "c": "context", "d": "destination", "f": "dockerfile", "v": "verbosity"}
_SNAPSHOT_MODES = ("full", "redo", "time")
_LEVELS = ("trace", "debug", "info", "warn", "error", "fatal", "panic")
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(h|ms|m|s|us|µs|ns)")


def parse(arguments: Sequence[str]) -> Options:
    """Parse the command line (without the program's name); raises UsageError."""
    flags, positional = _collect(arguments)

    def last(name: str, default: str = "") -> str:
        return flags.get(name, [default])[-1]

    _check_choice("snapshot-mode", last("snapshot-mode", "full"), _SNAPSHOT_MODES)
    _check_choice("verbosity", last("verbosity", "info"), _LEVELS)
    options = Options(
        context=last("context"),
        context_sub_path=last("context-sub-path"),
        dockerfile=last("dockerfile", "Dockerfile"),
        destinations=tuple(flags.get("destination", ())),
        push=last("no-push", "false") in _FALSE,
        build_args=_pairs("build-arg", flags),
        labels=_pairs("label", flags),
        cache=last("cache", "false") in _TRUE,
        cache_ttl_seconds=parse_duration(last("cache-ttl", "336h")),
        digest_file=last("digest-file"),
        image_name_digest_file=last("image-name-with-digest-file"),
        image_name_tag_digest_file=last("image-name-tag-with-digest-file"),
        verbosity=last("verbosity", "info"),
        ignored=tuple(positional),
    )
    if options.push and not options.destinations:
        raise UsageError("you must provide --destination, or use --no-push")
    if not options.context:
        raise UsageError("you must provide --context: s3://bucket/key, tar://path or dir://path")
    return options


def parse_duration(text: str) -> float:
    """Return the seconds of a Go duration such as `24h` or `1h30m`; raises UsageError."""
    position, seconds = 0, 0.0
    for match in _DURATION.finditer(text):
        if match.start() != position:
            break
        seconds += float(match[1]) * _UNIT_SECONDS[match[2]]
        position = match.end()
    if not text or position != len(text):
        raise UsageError(
            f'invalid argument "{text}" for "--cache-ttl" flag: expected a duration such as 24h or 90m'
        )
    return seconds


def _collect(arguments: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    flags: dict[str, list[str]] = {}
    positional: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return flags, positional + rest
        if not argument.startswith("-") or argument == "-":
            positional.append(argument)
            continue
        name, value = _flag(argument, rest)
        flags.setdefault(name, []).append(value)
    return flags, positional


def _flag(argument: str, rest: list[str]) -> tuple[str, str]:
    """Return name and value of the flag, taking the value from the rest of the line where it is separate."""
    name, equals, value = _long_form(argument).partition("=")
    if name in _REFUSED:
        raise UsageError(f"--{name} is not supported by the local builder")
    if name in _BOOLEANS or name in _ACCEPTED_BOOLEANS:
        value = value if equals else "true"
        if value not in _TRUE | _FALSE:
            raise UsageError(f'invalid argument "{value}" for "--{name}" flag: expected true or false')
        return name, value
    if name not in _VALUES and name not in _ACCEPTED_VALUES:
        raise UsageError(f"unknown flag: --{name}")
    if equals:
        return name, value
    if not rest:
        raise UsageError(f"flag needs an argument: --{name}")
    return name, rest.pop(0)


def _long_form(argument: str) -> str:
    if argument.startswith("--"):
        return argument[2:].replace("snapshotMode", "snapshot-mode", 1)
    letter, value = argument[1], argument[2:].removeprefix("=")
    if letter not in _SHORT:
        raise UsageError(f"unknown shorthand flag: '{letter}' in {argument}")
    return f"{_SHORT[letter]}={value}" if value else _SHORT[letter]


def _pairs(name: str, flags: Mapping[str, list[str]]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in flags.get(name, ()):
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f'invalid argument "{text}" for "--{name}" flag: expected key=value')
        pairs[key] = value
    return pairs


def _check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UsageError(
            f'invalid argument "{value}" for "--{name}" flag: expected one of {", ".join(allowed)}'
        )
