"""The command `manifests`: what a stack declares on Kubernetes as files for a Git repository."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine import StackRef
from engine.cli.errors import CliError, misused, no_such_stack
from engine.cli.session import Session

if TYPE_CHECKING:
    from engine.kubernetes.export import Export


def write(session: Session, args: argparse.Namespace) -> int:
    """Write the manifests of a stack, or of all stacks of a project, into a folder; asks no cluster."""
    folder = Path(args.folder).expanduser()
    folder = folder if folder.is_absolute() else session.folder / folder
    if args.all:
        return _write_all(session, args, args.project or session.project.name, folder)
    name = session.stack_name.rpartition("/")[2]
    return _write_one(session, args, StackRef(args.project, name) if args.project else session.stack, folder)


def _write_all(session: Session, args: argparse.Namespace, project: str, folder: Path) -> int:
    from engine.kubernetes.export import KUSTOMIZATION, kustomization

    names = session.stacks.stacks(project)
    exports = {name: _exported(session, args, StackRef(project, name)) for name in names}
    full = sorted(name for name, export in exports.items() if export.files)
    if not full:
        raise CliError(f"no stack of the project {project!r} has anything to write")
    for gone in (folder / name for name in _earlier(folder) - set(full)):
        if gone.is_dir():
            _replace(gone, {}, private=False)
    _replace(folder, {KUSTOMIZATION: kustomization(full, f"{project}/*")}, private=False)
    for name in full:
        _replace(folder / name, exports[name].files, private=args.show_secrets)
    _tell(session, sum(len(exports[name].files) - 1 for name in full), folder, exports)
    return 0


def _write_one(session: Session, args: argparse.Namespace, stack: StackRef, folder: Path) -> int:
    if not session.exists(stack):
        raise no_such_stack(stack.name)
    export = _exported(session, args, stack)
    if not export.files:
        raise CliError(f"stack '{stack.name}' has nothing to write: {_nothing(export)}")
    _replace(folder, export.files, private=args.show_secrets)
    _tell(session, len(export.files) - 1, folder, {stack.name: export})
    return 0


def _exported(session: Session, args: argparse.Namespace, stack: StackRef) -> "Export":
    from engine.kubernetes.export import ExportRefused, SecretStore, export

    try:
        store = SecretStore.parse(args.secret_store) if args.secret_store else None
    except ValueError as error:
        raise misused(
            f"--secret-store is {args.secret_store!r}: give the name of a ClusterSecretStore, or "
            "SecretStore/<name>"
        ) from error
    stacks = session.opened_stacks if args.show_secrets else session.stacks
    deployment = stacks.export(stack, show_secrets=args.show_secrets)["deployment"]
    try:
        return export(deployment, stack=stack.name, store=store, plain=args.show_secrets)
    except ExportRefused as error:
        raise CliError(str(error)) from error


def _replace(folder: Path, files: Mapping[str, str], *, private: bool) -> None:
    """Write files, and remove those that an earlier export wrote there and that are no more.

    `private`: readable for their owner only, as they hold secrets.
    """
    stale = {entry for entry in _earlier(folder) if entry.endswith(".yaml")}
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale | files.keys():
        (folder / name).unlink(missing_ok=True)
    for name, text in files.items():
        (folder / name).touch(mode=0o600 if private else 0o666)
        (folder / name).write_text(text, encoding="utf-8")


def _earlier(folder: Path) -> set[str]:
    """Return what an earlier export wrote there; CliError if the folder is someone else's."""
    from engine.kubernetes.export import KUSTOMIZATION, written_before

    path = folder / KUSTOMIZATION
    if not path.exists():
        return set()
    entries = written_before(path.read_text(encoding="utf-8"))
    if entries is None:
        raise CliError(f"{path} was written by somebody else: name a folder that holds nothing but exports")
    return {*entries, KUSTOMIZATION}


def _tell(session: Session, count: int, folder: Path, exports: Mapping[str, "Export"]) -> None:
    session.terminal.say(f"{count} manifests in {folder}")
    for name, export in exports.items():
        for line in export.left_out:
            session.terminal.warn(f"left out of {name}: {line}")
    if any("secret" in line for export in exports.values() for line in export.left_out):
        session.terminal.warn(
            "Secrets are left out unless --secret-store names where External Secrets finds them; "
            "--show-secrets writes them in plain text"
        )


def _nothing(export: "Export") -> str:
    return "; ".join(export.left_out) or "it has no objects of Kubernetes; is it deployed?"
