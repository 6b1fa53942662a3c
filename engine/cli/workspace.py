"""What decides how a command runs besides the project: the selected stack, the backend, the passphrase.

Kept where Pulumi's CLI keeps it, so that both agree on the current stack.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from engine.cli.errors import CliError, misused
from engine.cli.project import Project
from engine.cli.terminal import Terminal

_UNASKED: Final = (
    "passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE "
    "environment variables"
)


class Selection:
    """The stack that commands mean which name none."""

    def __init__(self, project: Project, env: Mapping[str, str]) -> None:
        digest = hashlib.sha1(str(project.path).encode(), usedforsecurity=False).hexdigest()
        self._path = home(env) / "workspaces" / f"{project.name}-{digest}-workspace.json"

    def get(self) -> str:
        """Return the selected stack's name, empty if there is none."""
        stack = _json(self._path).get("stack")
        return stack.rsplit("/", 1)[-1] if isinstance(stack, str) else ""

    def put(self, stack: str) -> None:
        """Select a stack; the empty name selects none."""
        settings = {key: value for key, value in _json(self._path).items() if key != "stack"}
        if stack:
            settings = {"stack": stack, **settings}
        if not settings:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(settings))


def home(env: Mapping[str, str]) -> Path:
    """Return the folder of Pulumi's own files."""
    return Path(env.get("PULUMI_HOME") or "~/.pulumi").expanduser()


def backend_url(given: str, env: Mapping[str, str], project: Project | None) -> str:
    """Return where the states are: as given, else by the environment, the project, or `pulumi login`."""
    url = given or env.get("PULUMI_BACKEND_URL") or (project.backend_url if project else "")
    url = url or str(_json(home(env) / "credentials.json").get("current") or "")
    if not url:
        raise misused(
            "no backend: say where the states are with --backend, PULUMI_BACKEND_URL or `backend.url` in "
            "Pulumi.yaml; file://<folder> and s3://<bucket>/<prefix> are supported"
        )
    if url.startswith(("https://", "http://")):
        raise misused(
            f"the backend {url} (Pulumi Cloud) is not supported; name file://<folder> or "
            "s3://<bucket>/<prefix> with --backend or PULUMI_BACKEND_URL"
        )
    return url


def passphrase(env: Mapping[str, str], terminal: Terminal, *, new: bool = False) -> str:
    """Return the passphrase: from the environment or the file it names, else asked for (`new`: twice)."""
    if "PULUMI_CONFIG_PASSPHRASE" in env:
        return env["PULUMI_CONFIG_PASSPHRASE"]
    if path := env.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        try:
            return Path(path).expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise misused(f"reading PULUMI_CONFIG_PASSPHRASE_FILE: {path}: {error.strerror}") from error
    if not terminal.interactive:
        raise misused(_UNASKED)
    return (
        _asked_twice(terminal)
        if new
        else terminal.ask_secret(
            "Enter your passphrase to unlock config/secrets\n"
            "    (set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to remember): "
        )
    )


def _asked_twice(terminal: Terminal) -> str:
    first = terminal.ask_secret("Enter your passphrase to protect config/secrets: ")
    if terminal.ask_secret("Re-enter your passphrase to confirm: ") != first:
        raise CliError("passphrases do not match")
    return first


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
