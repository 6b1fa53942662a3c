"""Images for the cluster's registry, made here: a base from Debian's packages, ours, an executor."""

import json
import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOOLS = ("buildah", "mmdebstrap")
SUITE = "trixie"
"""Debian 13: the first with a Python that our code runs on, 3.13."""

_PACKAGES = "python3,python3-pip,python-is-python3,libstdc++6,ca-certificates"
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_SCANNER = """\
FROM {base}
USER 1000:1000
COPY executor.py scanner.py /scanner/
COPY --chmod=755 trivy /usr/local/bin/trivy
ENTRYPOINT ["trivy"]
"""
_TRIVY = '#!/bin/sh\nexec python /scanner/scanner.py "$@"\n'
_EXECUTOR = """\
FROM {base}
USER 0:0
COPY executor.py /kaniko/executor.py
ENTRYPOINT ["python", "/kaniko/executor.py"]
"""


@dataclass(frozen=True)
class Images:
    """References of what was pushed."""

    base: str
    platform: str
    executor: str
    scanner: str


class Builder:
    """buildah, with a store of its own in a folder."""

    def __init__(self, folder: Path, registry: str) -> None:
        self._folder, self._registry = folder, registry
        self._references: list[str] = []

    def everything(self) -> Images:
        """Build and push all four; the folder may be removed afterwards."""
        try:
            base = self._pushed("tests/python", self._base())
            platform = self._pushed("tests/knative-lambda", self._built(ROOT, base="tests/python"))
            executor = self._program("executor", _EXECUTOR, "executor.py")
            scanner = self._program("scanner", _SCANNER, "executor.py", "scanner.py", trivy=_TRIVY)
            return Images(base, platform, executor, scanner)
        finally:
            self._run("rm", "--all")
            self._run("rmi", "--all", "--force")

    def _program(self, name: str, dockerfile: str, *copied: str, **written: str) -> str:
        """Push an image of programs of the tests' own over ours, which has what they import."""
        folder = self._folder / name
        folder.mkdir()
        for file in copied:
            shutil.copy(Path(__file__).with_name(file), folder)
        own = {"Dockerfile": dockerfile.format(base="localhost/tests/knative-lambda"), **written}
        for file, text in own.items():
            (folder / file).write_text(text)
        return self._pushed(f"tests/{name}", self._built(folder))

    def _base(self) -> str:
        """Return the id of an image of Debian with Python, which trusts whom this machine trusts."""
        archive = self._folder / "base.tar"
        command = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={_PACKAGES}", SUITE, archive]
        subprocess.run(command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
        container = self._run("from", "scratch")
        self._run("add", container, archive, "/")
        trusted = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().openssl_cafile
        self._run("add", container, trusted, "/etc/ssl/certs/ca-certificates.crt")
        return self._run("commit", "--timestamp", "0", container)

    def _built(self, context: Path, base: str = "") -> str:
        given = ["--build-arg", f"BASE_IMAGE=localhost/{base}"] if base else []
        return self._run("build", "--timestamp", "0", "--isolation", "chroot", *given, context)

    def _pushed(self, name: str, image: str) -> str:
        reference = f"{self._registry}/{name}"
        self._run("tag", image, f"localhost/{name}")
        digest = self._folder / "digest"
        self._run("push", "--tls-verify=false", "--digestfile", digest, image, f"docker://{reference}:1")
        self._references.append(f"{reference}@{digest.read_text()}")
        return self._references[-1]

    def _run(self, *arguments: str | Path) -> str:
        """Run buildah quietly; return what it prints, an id as a rule."""
        verb, *rest = map(str, arguments)
        quiet = ["--quiet"] if verb in ("add", "build", "commit", "push") else []
        store = [f"--root={self._folder}/store", f"--runroot={self._folder}/run"]
        command = ["buildah", *store, verb, *quiet, *rest]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"
        return done.stdout.strip()

    def unpush(self, *more: str) -> None:
        """Take what was pushed out of the registry again, and everything in `more` repositories."""
        names = [reference.partition("@")[0].partition("/")[2] for reference in self._references]
        for name in {*names, *more}:
            for tag in self._ask("GET", f"{name}/tags/list").get("tags") or ():
                self._ask("DELETE", f"{name}/manifests/{self._digest(f'{name}/manifests/{tag}')}")

    def _digest(self, path: str) -> str:
        url, accept = f"http://{self._registry}/v2/{path}", {"Accept": ", ".join(_MANIFESTS)}
        request = urllib.request.Request(url, method="HEAD", headers=accept)
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.headers["Docker-Content-Digest"]

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        """Ask the registry; nothing is what it says of a repository that it does not know."""
        request = urllib.request.Request(f"http://{self._registry}/v2/{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.loads(response.read() or "{}")
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 404:
                raise
            return {}
