"""What one command works with: project, stack, files, passphrase and engine, each made when first needed."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine import Backend, Engine, StackRef, crypto, open_backend
from engine.cli import workspace
from engine.cli.errors import CliError, Exit, misused, no_such_stack
from engine.cli.project import Project, find
from engine.cli.stackfile import StackFile
from engine.cli.terminal import Terminal
from engine.cli.workspace import Selection
from engine.codec import ENGINE_VERSION
from engine.compression import Compression
from engine.names import ORGANIZATION
from engine.provider import ProviderFactory
from engine.stacks import Stacks
from engine.storage import Keeping


@dataclass(frozen=True)
class Given:
    """What the command line says about where to work."""

    stack: str = ""
    backend: str = ""
    config_file: str = ""


class Session:
    """One command's project and stack. Everything is read lazily: `stack ls` asks for no passphrase."""

    def __init__(
        self,
        folder: Path,
        given: Given,
        env: Mapping[str, str],
        terminal: Terminal,
        providers: Mapping[str, ProviderFactory],
    ) -> None:
        self.env = env
        self.terminal = terminal
        self.folder = folder
        """The working folder, which paths on the command line start from."""
        self._given = given
        self._providers = providers

    @functools.cached_property
    def project(self) -> Project:
        """The project that the working folder is in."""
        return find(self.folder)

    @functools.cached_property
    def selection(self) -> Selection:
        """The project's selected stack."""
        return Selection(self.project, self.env)

    @functools.cached_property
    def stack(self) -> StackRef:
        """The stack that is meant: the one named, else PULUMI_STACK, else the selected one."""
        return self.named(self.stack_name)

    @property
    def stack_name(self) -> str:
        """The name by which the stack is meant, which may be qualified."""
        name = self._given.stack or self.env.get("PULUMI_STACK") or self.selection.get()
        if not name:
            raise CliError(
                "no stack selected; please use `stack select` or `stack init` to choose one, or name it with "
                "--stack",
                Exit.STACK_NOT_FOUND,
            )
        return name

    def named(self, name: str) -> StackRef:
        """Return the stack of a name, which may be qualified: `organization/project/stack`."""
        qualifier, _, short = name.rpartition("/")
        full = f"{ORGANIZATION}/{self.project.name}"
        if qualifier not in ("", ORGANIZATION, self.project.name, full):
            raise misused(f"the stack {name!r} is not of this project: {full}/{short} is expected")
        return StackRef(self.project.name, short)

    @functools.cached_property
    def file(self) -> StackFile:
        """The stack's file, or the one that --config-file names."""
        given = self._given.config_file
        return StackFile(self.folder / given if given else self.project.stack_file(self.stack.name))

    @functools.cached_property
    def engine(self) -> Engine:
        """The engine for operations and everything that opens secrets: a passphrase is needed."""
        keeping = self._keeping
        return Engine(
            self._backend,
            self._providers,
            passphrase=self.passphrase,
            salt=self.salt or None,
            compression=keeping.compression,
            backups=keeping.backups,
            retain_checkpoints=keeping.retain_checkpoints,
            environment=keeping.environment,
        )

    @functools.cached_property
    def stacks(self) -> Stacks:
        """The stacks as they are stored, for what opens no secret."""
        return Stacks(self._backend, keeping=self._keeping)

    @functools.cached_property
    def opened_stacks(self) -> Stacks:
        """The stacks as they are stored, with the passphrase for their secrets."""
        return Stacks(self._backend, passphrase=self.passphrase, keeping=self._keeping)

    def init(self) -> None:
        """Make the stack, empty, with a salt for its secrets in state and file."""
        if not self.file.salt:
            self.file.salt = crypto.new_state(workspace.passphrase(self.env, self.terminal, new=True))
        Stacks(self._backend, salt=self.file.salt, keeping=self._keeping).init(self.stack)
        self.file.save()

    def forget(self, stack: StackRef, *, force: bool = False, keep_file: bool = False) -> None:
        """Remove the stack, its file and its selection; with resources left only by force."""
        self.stacks.remove(stack, force=force)
        if not keep_file:
            self.project.stack_file(stack.name).unlink(missing_ok=True)
        if self.selection.get() == stack.name:
            self.selection.put("")

    @functools.cached_property
    def passphrase(self) -> str:
        """The passphrase of the stack's secrets."""
        return workspace.passphrase(self.env, self.terminal)

    @property
    def salt(self) -> str:
        """The salt record of the file, else of the state; empty if neither has one."""
        return self.file.salt or self.state_salt

    @property
    def state_salt(self) -> str:
        """The salt record of the state; empty if it has none."""
        if not self.exists(self.stack):
            return ""
        deployment = self.stacks.export(self.stack)["deployment"]
        return str(((deployment.get("secrets_providers") or {}).get("state") or {}).get("salt") or "")

    def exists(self, stack: StackRef) -> bool:
        """Say whether the backend has the stack."""
        return stack.name in self.stacks.stacks(stack.project)

    @property
    def existing(self) -> StackRef:
        """The stack that is meant; StackNotFound if the backend has none of that name."""
        if not self.exists(self.stack):
            raise no_such_stack(self.stack.name)
        return self.stack

    def encrypt(self, text: str) -> str:
        """Encrypt a text of the configuration; the file takes a salt if there is none yet."""
        self.file.salt = self.salt or crypto.new_state(self.passphrase)
        return crypto.encrypt(crypto.open_state(self.passphrase, self.file.salt), text)

    def decrypt(self, token: str) -> str:
        """Open an encrypted text of the configuration."""
        if not self.file.salt:
            raise misused(f"{self.file.path} has secrets but no `encryptionsalt` to open them")
        return crypto.decrypt(crypto.open_state(self.passphrase, self.file.salt), token)

    def adopt_salt(self) -> None:
        """Write the state's salt into the file if that has none, so that both have one."""
        if not self.file.salt and (salt := self.state_salt):
            self.file.salt = salt
            self.file.save()

    @functools.cached_property
    def _backend(self) -> Backend:
        return open_backend(workspace.backend_url(self._given.backend, self.env, self._project_if_any()))

    @property
    def _keeping(self) -> Keeping:
        env = self.env
        return Keeping(
            compression=_compression(env),
            backups=not _is_set(env, "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS"),
            retain_checkpoints=_is_set(env, "PULUMI_DIY_BACKEND_RETAIN_CHECKPOINTS"),
            environment={"exec.kind": "cli", "pulumi.version": ENGINE_VERSION},
        )

    def _project_if_any(self) -> Project | None:
        try:
            return self.project
        except CliError:
            return None


def _compression(env: Mapping[str, str]) -> Compression:
    if _is_set(env, "PULUMI_DIY_BACKEND_ZSTD"):
        return "zstd"
    return "gzip" if _is_set(env, "PULUMI_DIY_BACKEND_GZIP") else "none"


def _is_set(env: Mapping[str, str], name: str) -> bool:
    return env.get(name, "").lower() in ("1", "true", "t")
