"""The stack commands: show, ls, init, rm, rename, select, export, import, output, history, and cancel."""

import argparse
import datetime
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine import urns
from engine.checkpoint import number
from engine.cli import approval, tables, values
from engine.cli.errors import CliError, misused
from engine.cli.session import Session


def show(session: Session, args: argparse.Namespace) -> int:
    """Print the stack's resources as a tree, and its outputs."""
    stack = session.stack
    exported = session.stacks.export(stack)["deployment"]
    resources = [raw for raw in exported.get("resources") or () if not urns.is_default_provider(raw["urn"])]
    say = session.terminal.say
    say(f"Current stack is {stack.name}:")
    _show_manifest(session, exported)
    say(f"Current stack resources ({len(resources)}):")
    say(
        tables.table(("    TYPE", "NAME"), _resource_rows(resources, urn=args.show_urns))
        if resources
        else "    none"
    )
    say()
    return output(
        session, argparse.Namespace(name=None, json=False, shell=False, show_secrets=args.show_secrets)
    )


def ls(session: Session, args: argparse.Namespace) -> int:
    """Print the stacks of the project, or of all."""
    project = None if args.all else (args.project or session.project.name)
    selected = "" if args.all else session.selection.get()
    found = session.stacks.list_stacks(project)
    if args.json:
        session.terminal.say(json.dumps([_summary(item, selected, args.all) for item in found], indent=2))
        return 0
    now = datetime.datetime.now(datetime.UTC)
    rows = []
    for item in found:
        name = str(item.ref) if args.all else item.ref.name + ("*" if item.ref.name == selected else "")
        updated = (
            "in progress" if item.locked else tables.ago(item.last_update, now) if item.last_update else "n/a"
        )
        count = "n/a" if item.last_update is None else str(item.resource_count)
        rows.append((name, updated, count))
    session.terminal.say(tables.table(("NAME", "LAST UPDATE", "RESOURCE COUNT"), rows))
    return 0


def init(session: Session, args: argparse.Namespace) -> int:
    """Create an empty stack, with a salt for its secrets, and select it."""
    stack = session.stack
    if session.exists(stack):
        raise CliError(f"stack '{stack.name}' already exists")
    session.init()
    if not args.no_select:
        session.selection.put(stack.name)
    session.terminal.say(f"Created stack '{stack.name}'")
    return 0


def rm(session: Session, args: argparse.Namespace) -> int:
    """Remove a stack and its file; with resources left only by force."""
    stack = session.existing
    warning = f"This will permanently remove the '{stack.name}' stack!"
    approval.typed_name(session.terminal, warning, stack.name, yes=args.yes)
    session.forget(stack, force=args.force, keep_file=args.preserve_config)
    session.terminal.say(f"Stack '{stack.name}' has been removed!")
    return 0


def rename(session: Session, args: argparse.Namespace) -> int:
    """Give the stack another name, in the state, its file's name, and the selection."""
    stack, new = session.stack, session.named(args.new_name)
    file, target = session.project.stack_file(stack.name), session.project.stack_file(new.name)
    if target.exists():
        raise CliError(f"{target} exists already: it would be overwritten; remove it first")
    session.stacks.rename(stack, new)
    if file.exists():
        file.rename(target)
    if session.selection.get() == stack.name:
        session.selection.put(new.name)
    session.terminal.say(f"Renamed {stack.name} to {new.name}")
    return 0


def select(session: Session, args: argparse.Namespace) -> int:
    """Make a stack the one that commands mean which name none."""
    if args.create and not session.exists(session.stack):
        return init(session, argparse.Namespace(no_select=False))
    session.selection.put(session.existing.name)
    return 0


def unselect(session: Session, _: argparse.Namespace) -> int:
    """Select no stack."""
    session.selection.put("")
    return 0


def export(session: Session, args: argparse.Namespace) -> int:
    """Print the deployment, or write it to a file; secrets stay encrypted unless asked for."""
    engine = session.engine if args.show_secrets else session.stacks
    deployment = engine.export(session.stack, show_secrets=args.show_secrets)
    text = json.dumps(deployment, indent=4, ensure_ascii=False)
    if args.file:
        Path(args.file).write_text(text + "\n", encoding="utf-8")
    else:
        session.terminal.out.file.write(text + "\n")
    return 0


def import_deployment(session: Session, args: argparse.Namespace) -> int:
    """Replace the state by an exported deployment, from a file or the standard input."""
    try:
        text = Path(args.file).read_text(encoding="utf-8") if args.file else sys.stdin.read()
        deployment = json.loads(text, parse_float=number)
    except ValueError as error:
        raise misused(f"the deployment is no JSON: {error}") from error
    if not isinstance(deployment, dict):
        raise misused("the deployment is no JSON object; give what `stack export` wrote")
    # Secrets have to be opened, to check that they can be.
    engine = session.engine if '"plaintext"' in text or '"salt"' in text else session.stacks
    for warning in engine.import_deployment(session.stack, deployment, force=args.force):
        session.terminal.warn(f"warning: {warning}")
    session.terminal.say("Import complete.")
    return 0


def output(session: Session, args: argparse.Namespace) -> int:
    """Print the stack's outputs, or one of them; secrets masked unless asked for."""
    stack = session.existing
    found = (session.engine if session.state_salt else session.stacks).outputs(stack)
    hidden = frozenset() if args.show_secrets else found.secret_names
    shown = {name: values.MASK if name in hidden else value for name, value in sorted(found.values.items())}
    say = session.terminal.say
    if args.name is not None:
        if args.name not in shown:
            raise CliError(f"current stack does not have output property '{args.name}'")
        one = shown[args.name]
        say(json.dumps(one, indent=2) if args.json else values.text_of(one))
    elif args.json:
        say(json.dumps(shown, indent=2))
    elif args.shell:
        for name, value in shown.items():
            say(f"{name}={shlex.quote(values.text_of(value))}")
    else:
        _output_table(session, shown)
    return 0


def history(session: Session, args: argparse.Namespace) -> int:
    """Print what was done to the stack, newest first."""
    stack = session.existing
    entries = session.stacks.history(stack, page_size=args.page_size, page=args.page)
    if args.json:
        body = [_history_entry(session, entry, args.show_secrets) for entry in entries]
        session.terminal.say(json.dumps(body, indent=2))
        return 0
    if not entries:
        session.terminal.say(
            "Stack has never been updated"
            if args.page == 1
            else f"No stack updates found on page '{args.page}'"
        )
    for entry in entries:
        session.terminal.say(_history_text(entry, full_dates=args.full_dates))
    return 0


def cancel(session: Session, args: argparse.Namespace) -> int:
    """Break the stack's lock. What holds it is not stopped."""
    stack = session.existing
    if session.terminal.interactive:
        warning = f"This will irreversibly cancel the currently running update for '{stack.name}'!"
        approval.typed_name(session.terminal, warning, stack.name, yes=args.yes)
    session.stacks.cancel(stack)
    session.terminal.say(f"The currently running update for '{stack.name}' has been canceled!")
    return 0


def _show_manifest(session: Session, deployment: Mapping[str, Any]) -> None:
    manifest = deployment.get("manifest") or {}
    if manifest.get("time"):
        moment = datetime.datetime.fromisoformat(manifest["time"][:19] + "+00:00")
        now = datetime.datetime.now(datetime.UTC)
        session.terminal.say(f"    Last updated: {tables.ago(moment, now)} ({manifest['time']})")
        session.terminal.say(f"    Pulumi version used: {manifest.get('version') or 'unknown'}")


def _resource_rows(resources: list[Mapping[str, Any]], *, urn: bool) -> list[tuple[str, str]]:
    children: dict[str, list[Mapping[str, Any]]] = {}
    known = {raw["urn"] for raw in resources}
    for raw in resources:
        parent = raw.get("parent") or ""
        children.setdefault(parent if parent in known else "", []).append(raw)
    rows: list[tuple[str, str]] = []

    def add(raw: Mapping[str, Any], before: str, inside: str) -> None:
        name = raw["urn"] if urn else urns.parse(raw["urn"]).name
        rows.append((f"    {before}{raw['type']}", name))
        below = children.get(raw["urn"], [])
        for child in below:
            last = child is below[-1]
            add(child, inside + ("└─ " if last else "├─ "), inside + ("   " if last else "│  "))

    for root in children.get("", []):
        add(root, "", "")
    return rows


def _summary(item: Any, selected: str, qualified: bool) -> dict[str, Any]:
    updated = {"lastUpdate": tables.iso(item.last_update)} if item.last_update else {}
    counted = {"resourceCount": item.resource_count} if item.last_update else {}
    return {
        "name": item.ref.full_name if qualified else item.ref.name,
        "current": item.ref.name == selected,
        **updated,
        "updateInProgress": item.locked,
        **counted,
    }


def _output_table(session: Session, shown: Mapping[str, Any]) -> None:
    if not shown:
        session.terminal.say("Current stack outputs (0):\n    No output values currently in this stack")
        return
    rows = [(f"    {name}", values.text_of(value)) for name, value in shown.items()]
    session.terminal.say(f"Current stack outputs ({len(shown)}):")
    session.terminal.say(tables.table(("    OUTPUT", "VALUE"), rows))


def _history_entry(session: Session, entry: Mapping[str, Any], show_secrets: bool) -> dict[str, Any]:
    config: dict[str, dict[str, Any]] = {}
    for key, value in (entry.get("config") or {}).items():
        secret = values.contains_secure(value)
        if secret and not show_secrets:
            config[key] = {"secret": True}
        else:
            config[key] = {"value": values.text_of(values.revealed(value, session.decrypt)), "secret": secret}
    moments = {
        name: tables.iso(datetime.datetime.fromtimestamp(entry[name], datetime.UTC))
        for name in ("startTime", "endTime")
    }
    return {**entry, **moments, "config": config}


def _history_text(entry: Mapping[str, Any], *, full_dates: bool) -> str:
    counts = entry.get("resourceChanges") or {}
    started = datetime.datetime.fromtimestamp(entry["startTime"], datetime.UTC)
    now = datetime.datetime.now(datetime.UTC)
    when = started.strftime("%Y-%m-%d %H:%M:%S +0000 UTC") if full_dates else tables.ago(started, now)
    numbers = "".join(
        f"{sign}{counts.get(op, 0)}" for sign, op in (("+", "create"), ("-", "delete"), ("~", "update"))
    )
    environment = [
        f"    {key}: {value}" for key, value in sorted((entry.get("environment") or {}).items()) if value
    ]
    lines = [
        f"Version: {entry.get('version', 0)}",
        f"UpdateKind: {entry['kind']}",
        f"Status: {entry['result']}",
        f"Message: {entry.get('message', '')}",
        f"{numbers} {counts.get('same', 0)} Updated {when} took {entry['endTime'] - entry['startTime']}s",
        *environment,
        "",
    ]
    return "\n".join(lines)
