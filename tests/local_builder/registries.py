"""A package index, an npm registry and a Go module proxy in one; each has the package `greeting` 1.0.0."""

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.local_builder.conftest import make_wheel

MODULE = "example.com/greeting"
GO_MOD = f"module {MODULE}\n\ngo 1.24\n"
GO_SOURCE = 'package greeting\n\nconst Word = "hello"\n'


class Registries:
    """What is served by path, and which paths were asked for."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.asked: list[str] = []
        self.files = {**_python(folder), **_npm(url), **_go()}

    def mirror(self, language: str) -> str:
        """The setting that makes builds of a language come here."""
        return f"{self.url}/simple/" if language == "python" else self.url


@contextmanager
def serving(folder: Path) -> Iterator[Registries]:
    """Serve until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registries.asked.append(self.path)
            body = registries.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header(
                "Content-Type", "text/html" if self.path.startswith("/simple") else "application/json"
            )
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registries = Registries(f"http://127.0.0.1:{server.server_port}", folder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield registries
        server.shutdown()


def go_sum() -> str:
    """Return the go.sum of a module that requires the package."""
    whole = _h1({f"{MODULE}@v1.0.0/{name}": text for name, text in (("go.mod", GO_MOD), ("a.go", GO_SOURCE))})
    return f"{MODULE} v1.0.0 {whole}\n{MODULE} v1.0.0/go.mod {_h1({'go.mod': GO_MOD})}\n"


def _h1(files: dict[str, str]) -> str:
    """Return Go's hash of a folder: of the list of its files with theirs."""
    lines = "".join(f"{hashlib.sha256(files[name].encode()).hexdigest()}  {name}\n" for name in sorted(files))
    return "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


def _python(folder: Path) -> dict[str, bytes]:
    make_wheel(folder, "greeting", "1.0.0", "WORD = 'hello'\n")
    name = "greeting-1.0.0-py3-none-any.whl"
    page = f'<!doctype html><a href="{name}">{name}</a>'
    return {"/simple/greeting/": page.encode(), f"/simple/greeting/{name}": (folder / name).read_bytes()}


def _npm(url: str) -> dict[str, bytes]:
    buffer = io.BytesIO()
    manifest = {"name": "greeting", "version": "1.0.0", "main": "index.js"}
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in (("package.json", json.dumps(manifest)), ("index.js", "exports.word = 'hello';\n")):
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    tarball = buffer.getvalue()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    dist = {"tarball": f"{url}/greeting/-/greeting-1.0.0.tgz", "integrity": integrity}
    packument = {
        "name": "greeting",
        "dist-tags": {"latest": "1.0.0"},
        "versions": {"1.0.0": {**manifest, "dist": dist}},
    }
    return {"/greeting": json.dumps(packument).encode(), "/greeting/-/greeting-1.0.0.tgz": tarball}


def _go() -> dict[str, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{MODULE}@v1.0.0/go.mod", GO_MOD)
        archive.writestr(f"{MODULE}@v1.0.0/a.go", GO_SOURCE)
    folder = f"/{MODULE}/@v/v1.0.0"
    info = json.dumps({"Version": "v1.0.0", "Time": "2026-01-01T00:00:00Z"})
    return {
        f"{folder}.info": info.encode(),
        f"{folder}.mod": GO_MOD.encode(),
        f"{folder}.zip": buffer.getvalue(),
    }
