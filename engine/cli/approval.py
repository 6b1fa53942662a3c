"""Asking whether to go on, as Pulumi asks."""

from collections.abc import Callable, Iterable
from typing import Final

from rich.text import Text

from engine.cli.errors import CliError, Declined, misused
from engine.cli.terminal import Terminal

NEEDS_YES: Final = (
    "--yes or --skip-preview or --preview-only must be passed in to proceed when running in "
    "non-interactive mode"
)


def approved(
    terminal: Terminal, verb: str, details: Callable[[], Iterable[Text]] | None, *, note: str = ""
) -> None:
    """Ask until the answer is yes; Declined if it is no, or nothing.

    `details` gives what there is to see in full; None if nothing was previewed.
    """
    choices = "yes/no/details" if details else "yes/no"
    suffix = "" if details else " without a preview"
    while True:
        answer = terminal.ask(f"Do you want to perform this {verb}{suffix}?{note} ({choices}) [no]: ").lower()
        if answer in ("yes", "y"):
            return
        if answer in ("details", "d") and details:
            for line in details():
                terminal.say(line)
        elif answer in ("no", "n", ""):
            terminal.say(f"confirmation declined, not proceeding with the {verb}")
            raise Declined("confirmation declined")


def confirmed(terminal: Terminal, warning: str, *, yes: bool) -> None:
    """Ask whether to go on; CliError if not. Without a terminal nobody is asked, as with Pulumi."""
    if yes or not terminal.interactive:
        return
    terminal.warn(Text(warning, style="bold yellow"))
    if terminal.ask("Confirm? (yes/no) [no]: ").lower() not in ("yes", "y"):
        raise CliError("confirmation declined")


def typed_name(terminal: Terminal, warning: str, name: str, *, yes: bool) -> None:
    """Have a destructive command confirmed by typing a name; without a terminal --yes is needed."""
    if yes:
        return
    if not terminal.interactive:
        raise misused("non-interactive mode requires --yes flag")
    terminal.warn(Text(warning, style="bold yellow"))
    answer = terminal.ask(f"Please confirm that this is what you'd like to do by typing `{name}`: ")
    if answer != name:
        raise CliError("confirmation declined")
