"""YAML manifests: texts, files and URLs become single objects, the way Kubernetes' tools read them."""

import glob
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.kubernetes.kinds import is_list
from engine.kubernetes.yamltext import loader
from engine.provider import ProviderError

Json = dict[str, Any]

FETCH_SECONDS = 30.0
_URL = re.compile(r"https?://", re.IGNORECASE)
_PATTERN = re.compile(r"(?:^|[^\\])[*?\[]")


def decode(text: str) -> list[Json]:
    """Return the objects of a YAML stream or a JSON text; empty documents are left out.

    Dates and numbers in base 60 stay texts, as Kubernetes reads them. Raises ProviderError.
    """
    import yaml  # 20 ms, and only for components of YAML

    try:
        found = [json.loads(text)]
    except ValueError:
        try:
            found = list(yaml.load_all(text, Loader=loader()))
        except yaml.YAMLError as error:
            raise ProviderError(f"the manifest is no YAML: {error}") from error
    documents = [_with_text_keys(document) for document in found if document]
    for document in documents:
        if not isinstance(document, dict):
            raise ProviderError(f"the manifest holds {_shown(document)}, which is no object")
    return documents


def read(files: Sequence[str], *, patterns: bool) -> Iterator[str]:
    """Yield the texts of files and http(s) URLs; with `patterns` paths may have wildcards.

    Raises ProviderError for what cannot be read.
    """
    for name in files:
        if _URL.match(name):
            yield _fetched(name)
        elif patterns and _PATTERN.search(name):
            yield from map(_content, sorted(glob.glob(name)))
        else:
            yield _content(name)


def expanded(documents: Sequence[Json]) -> list[Json]:
    """Return the objects with the items of lists in their place, `core/v1` written as `v1`.

    Raises ProviderError for what is no object of Kubernetes.
    """
    result: list[Json] = []
    for document in documents:
        api_version, kind = document.get("apiVersion"), document.get("kind")
        if not api_version or not kind:
            raise ProviderError(f"Kubernetes resources require a kind and apiVersion: {_shown(document)}")
        if is_list(str(kind), document):
            result += expanded(document.get("items") or [])
            continue
        if not (document.get("metadata") or {}).get("name"):
            raise ProviderError(f"Kubernetes resources require a .metadata.name: {_shown(document)}")
        result.append({**document, "apiVersion": str(api_version).removeprefix("core/")})
    return result


def placed(
    documents: Sequence[Json], namespace: str, is_namespaced: Callable[[str, str], bool]
) -> list[Json]:
    """Return the objects with the namespace filled in where the kind has one and none is given."""
    return [
        document
        if not namespace or document["metadata"].get("namespace") or not is_namespaced(*_identity(document))
        else {**document, "metadata": {**document["metadata"], "namespace": namespace}}
        for document in documents
    ]


def _identity(document: Json) -> tuple[str, str]:
    return str(document["apiVersion"]), str(document["kind"])


def _content(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProviderError(f"the manifest {name!r} cannot be read: {error}") from error


def _fetched(url: str) -> str:
    import urllib3

    try:
        response = urllib3.request("GET", url, timeout=FETCH_SECONDS, retries=urllib3.Retry(3, redirect=5))
    except urllib3.exceptions.HTTPError as error:
        raise ProviderError(f"the manifest {url} cannot be fetched: {error}") from error
    if response.status != 200:
        raise ProviderError(f"the manifest {url} cannot be fetched: HTTP status {response.status}")
    try:
        return response.data.decode()
    except UnicodeDecodeError as error:
        raise ProviderError(f"the manifest {url} is no text: {error}") from error


def _with_text_keys(value: Any) -> Any:
    """Return the value with keys that are no texts (`80:`, `true:`) as texts, as in JSON."""
    if isinstance(value, dict):
        return {_key(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def _key(key: Any) -> str:
    return key if isinstance(key, str) else json.dumps(key)


def _shown(document: Any) -> str:
    text = json.dumps(document, default=str)
    return text if len(text) <= 100 else f"{text[:97]}..."
