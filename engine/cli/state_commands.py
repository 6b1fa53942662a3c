"""The state commands: protect, unprotect, remove. They edit what is recorded, and touch no resource."""

import argparse
from typing import Final

from engine import edits
from engine.cli import approval
from engine.cli.errors import misused
from engine.cli.session import Session

_PROTECTING: Final = (
    "This will protect by modifying the stack state directly.\n"
    "If your program does not also set the 'protect' resource option, the resource is unprotected the next "
    "time that your program runs (e.g. as part of an `up`)"
)
_EDITING: Final = "This command will edit your stack's state directly."


def protect(session: Session, args: argparse.Namespace) -> int:
    """Have resources protected against deletion until the program says otherwise."""
    return _protect(session, args, wanted=True, warning=_PROTECTING)


def unprotect(session: Session, args: argparse.Namespace) -> int:
    """Allow the deletion of resources, until the program says otherwise."""
    return _protect(session, args, wanted=False, warning=_EDITING)


def remove(session: Session, args: argparse.Namespace) -> int:
    """Forget resources, which stay as they are."""
    if args.all and args.urns:
        raise misused("cannot specify a resource URN when deleting all resources")
    _check(session, args, "deleted", _EDITING)

    chosen = None if args.all else args.urns
    count = session.stacks.edit(
        session.stack,
        lambda found: edits.remove(found, chosen, force=args.force, dependents=args.target_dependents),
    )
    session.terminal.say("Resource deleted" if count == 1 else f"{count} resources deleted")
    return 0


def _protect(session: Session, args: argparse.Namespace, *, wanted: bool, warning: str) -> int:
    done = "protected" if wanted else "unprotected"
    _check(session, args, done, warning)
    chosen = None if args.all else frozenset(args.urns)
    session.stacks.edit(session.stack, lambda found: edits.protect(found, chosen, wanted=wanted))
    session.terminal.say(f"{'All' if chosen is None else len(chosen)} resources {done}")
    return 0


def _check(session: Session, args: argparse.Namespace, done: str, warning: str) -> None:
    """Refuse what names nothing, and ask whether to go on where somebody is there to answer."""
    if not (args.urns or args.all):
        raise misused(
            f"no resource was named to be {done}: give URNs, which `stack --show-urns` lists, or --all"
        )
    approval.confirmed(session.terminal, warning, yes=args.yes)
