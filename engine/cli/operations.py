"""The operations up, preview, refresh and destroy: previewed, agreed to, carried out, and shown."""

import argparse
import contextlib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine import Cancellation, Options, StackMoved, UpdateCanceled, UpdateFailed
from engine.cli import approval, configuration, signals
from engine.cli.config_commands import store
from engine.cli.display import report
from engine.cli.display.board import Board
from engine.cli.display.tree import Choices
from engine.cli.display.views import JsonView, LineView, LiveView, View, is_live, prints_as_messages
from engine.cli.errors import CliError, Exit, misused
from engine.cli.program import ProjectProgram
from engine.cli.session import Session
from engine.events import EventSink
from engine.masking import configured

_REFRESH_NOTE: Final = (
    "\nNo resources will be modified as part of this refresh; just your stack's state will be.\n"
)
_DESTROYED: Final = (
    "The resources in the stack have been deleted, but the history and configuration associated with the "
    "stack are still maintained.\nIf you want to remove the stack completely, run `stack rm {stack}`."
)


@dataclass(frozen=True)
class Call:
    """What the engine is called with, besides what the operation itself needs."""

    options: Options
    on_event: EventSink


@dataclass(frozen=True)
class Verb:
    """One kind of operation: its words, and how the engine is asked to preview it and to carry it out."""

    name: str
    doing: str
    preview: Callable[[Call], object]
    carry_out: Callable[[Call], object]
    note: str = ""


class Deployment:
    """One operation on one stack, as the flags say. StackNotFound if there is no such stack."""

    def __init__(self, session: Session, args: argparse.Namespace) -> None:
        self._session = session
        self._args = args
        self._terminal = session.terminal
        self._choices = _choices(args)
        self._program: ProjectProgram | None = None
        self._board: Board | None = None
        stack = session.existing
        store(session, args.config or [], path=args.config_path)
        declared, given = session.project.config, session.file.config
        self._configuration = configuration.resolve(
            stack.name, session.project.name, declared, given, session.decrypt
        )
        self._terminal.hidden.update(configured(self._configuration.secret.values()))

    def up(self) -> Exit:
        """Preview, ask, and bring the stack to what the program says."""
        return self._run(self._update())

    def preview(self) -> Exit:
        """Show what an update would do."""
        with signals.interruptible(self._tell) as cancellation:
            board = self._show(self._update(), cancellation, preview=True)
        return self._outcome(board, "preview")

    def refresh(self) -> Exit:
        """Preview, ask, and record what the resources are now."""
        engine, stack, args = self._session.engine, self._session.stack, self._args

        def act(call: Call) -> object:
            clear = args.clear_pending_creates
            return engine.refresh(
                stack, clear_pending_creates=clear, message=args.message, **self._common(call)
            )

        return self._run(Verb("refresh", "Refreshing", act, act, _REFRESH_NOTE))

    def destroy(self) -> Exit:
        """Preview, ask, and delete the stack's resources."""
        engine, stack, args = self._session.engine, self._session.stack, self._args
        program = self._own_program() if args.run_program else None
        expect = self._version()

        def act(call: Call) -> object:
            return engine.destroy(
                stack, program=program, expect=expect, message=args.message, **self._common(call)
            )

        code = self._run(Verb("destroy", "Destroying", act, act))
        if not args.preview_only:
            self._farewell()
        return code

    def _farewell(self) -> None:
        stack = self._session.stack
        if self._args.remove:
            self._session.forget(stack)
            self._terminal.warn(f"Stack '{stack.name}' has been removed!")
        elif not self._args.json and not self._args.target and not self._args.exclude:
            self._terminal.say(_DESTROYED.format(stack=stack.name))

    def _update(self) -> Verb:
        engine, stack, program = self._session.engine, self._session.stack, self._own_program()
        # Whoever agrees to a preview agrees to it for the state that it was made of.
        expect = self._version()

        def preview(call: Call) -> object:
            return engine.preview(stack, program, expect=expect, **self._common(call))

        def update(call: Call) -> object:
            message = self._args.message
            return engine.up(stack, program, expect=expect, message=message, **self._common(call))

        return Verb("update", "Updating", preview, update)

    def _run(self, verb: Verb) -> Exit:
        args = self._args
        asking = not (args.yes or args.skip_preview or args.preview_only)
        if asking and (not self._terminal.interactive or args.json):
            raise misused(approval.NEEDS_YES)
        previewed = None
        if not args.skip_preview or args.preview_only:
            with signals.interruptible(self._tell) as cancellation:
                previewed = self._show(verb, cancellation, preview=True)
        if previewed is not None and args.preview_only:
            return self._outcome(previewed, verb.name)
        if asking and previewed is not None:
            self._agree(verb, previewed)
        planned = None if previewed is None else previewed.plan()
        with signals.interruptible(self._tell) as cancellation:
            board = self._show(verb, cancellation, preview=False, planned=planned)
        self._session.adopt_salt()
        return self._outcome(board, verb.name)

    def _agree(self, verb: Verb, previewed: Board) -> None:
        details = None if self._args.diff else lambda: report.differences(previewed, self._choices)
        approval.approved(self._terminal, verb.name, details, note=verb.note)

    def _show(
        self,
        verb: Verb,
        cancellation: Cancellation,
        *,
        preview: bool,
        planned: frozenset[tuple[str, str]] | None = None,
    ) -> Board:
        stack = self._session.stack
        self._board = board = Board(stack.project, stack.name, preview=preview, planned=planned)
        title = f"{f'Previewing {verb.name}' if preview else verb.doing} ({stack.name})"
        act = verb.preview if preview else verb.carry_out
        words = "preview" if preview else verb.name
        try:
            with self._watched(board, title) as sink:
                act(Call(_options(self._args, cancellation, preview=preview), sink))
        except StackMoved as error:
            raise CliError(
                f"stack '{stack.name}' was changed by somebody else since this command looked at it; nothing "
                "was done, look again"
            ) from error
        except UpdateCanceled as error:
            code = Exit.CANCELLED if error.terminated else Exit.FAILURE
            raise CliError(f"{words} canceled", code) from error
        except UpdateFailed as error:
            self._explain(error)
            # What went wrong has been shown with the resource that it went wrong with.
            raise CliError(f"{words} failed") from error
        if self._args.diff and not self._args.json:
            self._print(report.differences(board, self._choices))
        return board

    @contextlib.contextmanager
    def _watched(self, board: Board, title: str) -> Iterator[EventSink]:
        view = self._view(board, title)
        surroundings = self._program.surroundings() if self._program else contextlib.nullcontext()
        with view, surroundings, prints_as_messages(view, self._terminal.hidden):
            yield view

    def _view(self, board: Board, title: str) -> View:
        if self._args.json:
            return JsonView(board, self._terminal)
        if self._args.show_config:
            self._print(report.configuration(self._configuration.shown()))
        shell = LiveView if is_live(self._terminal) else LineView
        outputs = not self._args.suppress_outputs
        return shell(board, self._terminal, self._choices, title, outputs=outputs)

    def _outcome(self, board: Board, verb: str) -> Exit:
        if self._args.expect_no_changes and board.changed:
            raise CliError(f"no changes were expected for {verb} but changes were proposed", Exit.CHANGES)
        return Exit.SUCCESS

    def _common(self, call: Call) -> dict[str, Any]:
        return {
            "config": self._configuration.plain,
            "secret_config": self._configuration.secret,
            "options": call.options,
            "on_event": call.on_event,
        }

    def _own_program(self) -> ProjectProgram:
        self._program = ProjectProgram(self._session.project.folder / self._session.project.main)
        return self._program

    def _version(self) -> str:
        return self._session.engine.outputs(self._session.stack).version

    def _explain(self, error: UpdateFailed) -> None:
        """Say where in the program an exception came from; with --verbose the whole way is shown later."""
        cause = error.__cause__
        if cause is None or self._args.verbose:
            return
        for frame in reversed(traceback.extract_tb(cause.__traceback__)):
            if self._program and self._program.owns(frame.filename):
                where = Path(frame.filename).name
                self._terminal.warn(f"  at {where}, line {frame.lineno}, in {frame.name}: {frame.line}")
                return

    def _print(self, lines: list[Any]) -> None:
        for line in lines:
            self._terminal.say(line)

    def _tell(self, text: str) -> None:
        if self._board is not None and is_live(self._terminal) and not self._args.json:
            self._board.notice = text
        else:
            signals.tell_now(text)


def _options(args: argparse.Namespace, cancellation: Cancellation, *, preview: bool) -> Options:
    forced = args.target_replace or ()
    return Options(
        preview_only=preview,
        refresh=args.refresh == "true",
        targets=(*(args.target or ()), *forced),
        target_dependents=args.target_dependents,
        excludes=tuple(args.exclude or ()),
        exclude_dependents=args.exclude_dependents,
        replace=(*(args.replace or ()), *forced),
        continue_on_error=args.continue_on_error,
        parallel=args.parallel,
        lock_timeout=args.lock_timeout,
        cancellation=cancellation,
    )


def _choices(args: argparse.Namespace) -> Choices:
    return Choices(
        show_sames=args.show_sames,
        show_reads=args.show_reads,
        show_replacement_steps=args.show_replacement_steps,
        urns=args.urns,
        debug=args.debug,
    )
