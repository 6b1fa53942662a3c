"""The config commands: list, set, get, rm."""

import argparse
import json
import sys
from collections.abc import Iterable
from typing import Any

from engine.cli import tables, values
from engine.cli.errors import CliError, misused
from engine.cli.session import Session
from engine.paths import ABSENT


def store(session: Session, assignments: Iterable[str], *, path: bool) -> None:
    """Set what `--config key=value` flags say, and save it in the stack's file."""
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise misused(f"--config {assignment!r}: expected key=value")
        _set(session, key, text, path=path)
    session.file.save()


def list_values(session: Session, args: argparse.Namespace) -> int:
    """Print all values of the stack, secrets masked unless asked for."""
    texts = {
        key: _texts(session, value, args.show_secrets) for key, value in sorted(session.file.config.items())
    }
    if args.json:
        session.terminal.say(
            json.dumps({key: _entry(session, key, text) for key, text in texts.items()}, indent=2)
        )
        return 0
    prefix = f"{session.project.name}:"
    rows = [(key.removeprefix(prefix), text or values.MASK) for key, text in texts.items()]
    session.terminal.say(tables.table(("KEY", "VALUE"), rows))
    return 0


def set_value(session: Session, args: argparse.Namespace) -> int:
    """Set one value, given as argument, on the standard input, or typed."""
    text = args.value if args.value is not None else _asked(session, args)
    _set(session, args.key, text, path=args.path, secret=args.secret, kind=args.type)
    session.file.save()
    return 0


def get_value(session: Session, args: argparse.Namespace) -> int:
    """Print one value, decrypted."""
    key, path = _located(session, args)
    value = values.at(session.file.config.get(key, ABSENT), path)
    if value is ABSENT:
        raise CliError(f"configuration key '{args.key}' not found for stack '{session.stack.name}'")
    text = values.text_of(values.revealed(value, session.decrypt))
    if args.json:
        body = {"name": key, "value": text, "secret": values.contains_secure(value)}
        text = json.dumps(body, indent=2)
    session.terminal.say(text)
    return 0


def remove_value(session: Session, args: argparse.Namespace) -> int:
    """Remove one value; one that is not there is a success."""
    key, path = _located(session, args)
    config = session.file.config
    if path and key in config:
        config[key] = values.removed(config[key], path)
    else:
        config.pop(key, None)
    session.file.save()
    return 0


def _set(
    session: Session,
    name: str,
    text: str,
    *,
    path: bool = False,
    secret: bool = False,
    kind: str | None = None,
) -> None:
    key, inside = values.key_path(name, session.project.name) if path else (_key(session, name), ())
    value: Any = text
    if secret:
        value = values.secure(session.encrypt(text))
    elif kind is not None:
        value = values.typed(text, kind)
    elif inside:
        value = values.coerced(text)
    session.file.config[key] = values.placed(session.file.config.get(key), inside, value)


def _located(session: Session, args: argparse.Namespace) -> tuple[str, tuple[str | int, ...]]:
    return values.key_path(args.key, session.project.name) if args.path else (_key(session, args.key), ())


def _key(session: Session, text: str) -> str:
    return values.full_key(text, session.project.name)


def _asked(session: Session, args: argparse.Namespace) -> str:
    if not session.terminal.interactive:
        return sys.stdin.read().rstrip("\r\n")
    return session.terminal.ask_secret("value: ") if args.secret else session.terminal.ask("value: ")


def _texts(session: Session, value: Any, show: bool) -> str | None:
    """Return the text of a value; None for a secret as a whole that is not to be shown."""
    if show:
        return values.text_of(values.revealed(value, session.decrypt))
    masked = values.masked(value)
    return None if masked == values.MASK and values.contains_secure(value) else values.text_of(masked)


def _entry(session: Session, key: str, text: str | None) -> dict[str, Any]:
    value = session.file.config[key]
    secret = values.contains_secure(value)
    hidden = secret and values.MASK in (text or values.MASK)
    shown = {} if hidden else {"value": text}
    structure = isinstance(value, dict | list) and not hidden
    return {**shown, **({"objectValue": json.loads(text or "null")} if structure else {}), "secret": secret}
