"""A stack's file Pulumi.<stack>.yaml: its configuration and the salt of its secrets.

Written as Pulumi writes it; comments and everything that is not known here stay as they are.
"""

import os
from pathlib import Path
from typing import Any

from engine.cli import yamlfile
from engine.cli.errors import misused


class StackFile:
    """The file as it is on disk, and as it is to become. One that does not exist says nothing."""

    def __init__(self, path: Path) -> None:
        """Read the file; an error if it is not a stack's file, or needs what is not supported."""
        self.path = path
        self._text = path.read_text(encoding="utf-8") if path.exists() else ""
        document = yamlfile.load(self._text, str(path)) or {}
        if not isinstance(document, dict) or not isinstance(document.get("config") or {}, dict):
            raise misused(f"{path} is no stack's file: a map is expected, with a map under `config`")
        self._document: dict[str, Any] = document
        self.config: dict[str, Any] = dict(document.get("config") or {})
        """The values by full key, as written: scalars, lists, maps, `{secure: ...}`."""
        self.salt: str = document.get("encryptionsalt") or ""
        """The salt record of its secrets, `v1:<salt>:<verifier>`; empty if there is none."""
        self._refuse_unsupported()

    def save(self) -> None:
        """Write the file if it says something else now."""
        wanted = dict(self._document)
        for key, value in (("encryptionsalt", self.salt), ("config", self.config)):
            wanted.pop(key, None) if not value else wanted.update({key: value})
        if wanted != self._document:
            self._write(yamlfile.edited(self._text, wanted) if wanted else "{}\n")
            self._document = wanted

    def _write(self, text: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.path)
        self._text = text

    def _refuse_unsupported(self) -> None:
        provider = self._document.get("secretsprovider") or "passphrase"
        if provider != "passphrase":
            raise misused(
                f"{self.path}: secrets provider {provider!r} is not supported; this engine knows "
                "'passphrase'. Change it with `pulumi stack change-secrets-provider passphrase`"
            )
        if self._document.get("environment"):
            raise misused(
                f"{self.path}: `environment` (Pulumi ESC) is not supported; put the values under `config`"
            )
