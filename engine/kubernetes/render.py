"""Render mode: objects are written as YAML files instead of being sent to a cluster."""

from pathlib import Path
from typing import Any

from engine.provider import ProviderError

Json = dict[str, Any]


class Renderer:
    """Writes objects into a folder, in files named as by Pulumi's provider. Secrets are in plain text."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def write(self, document: Json) -> None:
        """Write one object, readable for the owner only. Raises ProviderError."""
        import yaml  # 20 ms, and only here

        path = self.path(document)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(yaml.safe_dump(document))
        except OSError as error:
            raise ProviderError(f"the YAML file {path} cannot be written: {error}") from error

    def remove(self, document: Json) -> None:
        """Take an object's file away; one that is gone already is a success. Raises ProviderError."""
        path = self.path(document)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ProviderError(f"the YAML file {path} cannot be removed: {error}") from error

    def path(self, document: Json) -> Path:
        """Return an object's file: `<0-crd or 1-manifest>/<apiVersion>-<kind>-<namespace>-<name>.yaml`."""
        kind, metadata = str(document["kind"]), document["metadata"]
        api_version = str(document["apiVersion"]).replace("/", "_")
        place = f"{metadata.get('namespace') or 'default'}-{metadata['name']}"
        stage = "0-crd" if kind == "CustomResourceDefinition" else "1-manifest"
        return self._folder / stage / f"{api_version}-{kind.lower()}-{place}.yaml"
