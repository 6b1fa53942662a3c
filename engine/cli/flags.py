"""The flags, as data: which words, what they mean, how their values are read."""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


@dataclass(frozen=True)
class Flag:
    """One flag: its words, its help, and what else `add_argument` of argparse is told."""

    words: tuple[str, ...]
    help: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def seconds(text: str) -> float:
    """Return the seconds of `90`, `1.5s`, `2m30s` or `1h`; ArgumentTypeError if it is none of these."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: expected as in 90, 1.5s, 2m30s or 1h")
    hours, minutes, rest = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0)


def positive(text: str) -> int:
    """Return a whole number from 1; ArgumentTypeError if it is none."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def switch(words: str, help_: str) -> Flag:
    """Return a flag without a value; `words` are its words, by spaces."""
    return Flag(tuple(words.split()), help_, {"action": "store_true"})


def value(words: str, metavar: str, help_: str, **settings: Any) -> Flag:
    """Return a flag with one value."""
    return Flag(tuple(words.split()), help_, {"metavar": metavar, **settings})


def values(words: str, metavar: str, help_: str) -> Flag:
    """Return a flag that may be given several times."""
    return Flag(tuple(words.split()), f"{help_}; may be repeated", {"metavar": metavar, "action": "append"})


GLOBAL: Final = (
    value("-s --stack", "NAME", "the stack to operate on; else PULUMI_STACK, else the selected one"),
    value("-C --cwd", "FOLDER", "run as if started in that folder"),
    value("--backend", "URL", "where the states are; else PULUMI_BACKEND_URL, else Pulumi.yaml says"),
    value("--config-file", "FILE", "use this file's configuration instead of the stack's own"),
    Flag(("--color",), "colorize output (default auto)", {"choices": ["always", "never", "auto"]}),
    switch("--non-interactive", "ask nothing, draw no live tree"),
    switch("-v --verbose", "show stack traces of errors"),
)

OPERATION: Final = (
    values("-c --config", "KEY=VALUE", "configuration to use, and to save in the stack's file"),
    switch("--config-path", "keys of --config are paths into maps and lists"),
    values("-t --target", "URN", "change only these resources; `*` and `**` are wildcards"),
    switch("--target-dependents", "targets bring along what depends on them"),
    values("-x --exclude", "URN", "leave these resources as they are"),
    switch("--exclude-dependents", "leave what depends on excluded resources, too"),
    switch("--expect-no-changes", "fail if there are changes (exit code 7)"),
    value("-m --message", "TEXT", "a message for the stack's history", default=""),
    value("-p --parallel", "N", "run at most so many provider calls at once", type=positive),
    value("--lock-timeout", "TIME", "wait so long for another's lock (30s, 5m)", type=seconds, default=0.0),
    switch("--diff", "show every property that changes, old and new, and why something is replaced"),
    switch("-j --json", "print the engine's events, one JSON object a line"),
    switch("--show-config", "show the configuration first"),
    switch("--show-reads", "show resources that are only read"),
    switch("--show-replacement-steps", "show the creations and deletions that replacements are made of"),
    switch("--show-sames", "show resources that do not change"),
    switch("--suppress-outputs", "do not show the stack's outputs"),
    switch("--urns", "show URNs instead of types and names"),
    switch("-d --debug", "show debugging messages too"),
)

CONFIRMED: Final = (
    switch("-y --yes", "go on after the preview without asking"),
    switch("-f --skip-preview", "make no preview, and do not ask"),
    switch("--preview-only", "stop after the preview"),
)

CHANGING: Final = (
    Flag(
        ("-r", "--refresh"),
        "read what the resources are now, first",
        {"nargs": "?", "const": "true", "default": "", "choices": ["true", "false"]},
    ),
    switch("--continue-on-error", "go on with what does not depend on a failed resource"),
)

UPDATING: Final = (
    values("--replace", "URN", "replace these resources"),
    values("--target-replace", "URN", "--target and --replace in one"),
)

ABSENT: Final = {"refresh": "", "replace": (), "target_replace": (), "continue_on_error": False}
"""What operations without CHANGING and UPDATING are told instead."""

REFRESH: Final = (
    switch("--clear-pending-creates", "forget creations of crashed runs that never reported back"),
)

DESTROY: Final = (
    switch("--run-program", "run the program first, so that its hooks exist"),
    switch("--remove", "then remove the stack and its file"),
)

JSON: Final = switch("-j --json", "print JSON")
SHOW_SECRETS: Final = switch("--show-secrets", "do not mask secrets")
YES: Final = switch("-y --yes", "do not ask")
PATH: Final = switch("--path", "the key is a path into a map or list, such as a.b[0]")
STACK_NAME: Final = Flag(("name",), "the stack, instead of --stack", {"nargs": "?", "metavar": "stack-name"})
KEY: Final = Flag(("key",), "<name> or <namespace>:<name>")

CONFIG_SET: Final = (
    KEY,
    Flag(("value",), "the value; else it is read from the standard input", {"nargs": "?"}),
    PATH,
    switch("--secret", "encrypt the value"),
    switch("--plaintext", "do not encrypt the value (the default)"),
    Flag(("--type",), "save the value as of this type", {"choices": ["string", "bool", "int", "float"]}),
)

EXPORT: Final = (
    value("--file", "FILE", "write to this file instead of the standard output", default=""),
    SHOW_SECRETS,
)

IMPORT: Final = (
    value("--file", "FILE", "read this file instead of the standard input", default=""),
    switch("-f --force", "even if the deployment breaks rules or is of another stack"),
)

OUTPUT: Final = (
    Flag(("name",), "only this output", {"nargs": "?", "metavar": "property-name"}),
    JSON,
    switch("--shell", "print assignments for a shell"),
    SHOW_SECRETS,
)

HISTORY: Final = (
    JSON,
    switch("--full-dates", "show dates instead of ages"),
    value("--page", "N", "the page (default 1)", type=positive, default=1),
    value("--page-size", "N", "entries a page (default 10)", type=positive, default=10),
    SHOW_SECRETS,
)

STATE_EDIT: Final = (
    Flag(("urns",), "URNs, as `stack --show-urns` lists them", {"nargs": "*", "metavar": "resource-urn"}),
    switch("--all", "all resources"),
    YES,
)

STATE_REMOVE: Final = (
    switch("--force", "protected resources, too"),
    switch("--target-dependents", "what depends on them, too"),
)

LS: Final = (
    switch("-a --all", "of all projects"),
    value("--project", "NAME", "of this project", default=""),
    JSON,
)

RM: Final = (
    STACK_NAME,
    YES,
    switch("-f --force", "even if resources are left, which stay as they are"),
    switch("--preserve-config", "keep the stack's file"),
)

MANIFESTS: Final = (
    Flag(("folder",), "where to write; made if it is not there", {"metavar": "folder"}),
    switch("-a --all", "of all stacks of the project, each in a folder of its own"),
    value("--project", "NAME", "of this project's stacks instead, such as that of functions", default=""),
    value("--secret-store", "NAME", "write ExternalSecrets of this store for Secrets", default=""),
    switch("--show-secrets", "write Secrets in plain text"),
)
