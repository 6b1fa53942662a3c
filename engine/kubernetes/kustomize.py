"""Kustomize folders, built by the `kustomize` or `kubectl` program on the PATH."""

import shutil
import subprocess

from engine.provider import ProviderError

BUILD_SECONDS = 300.0
_FREE = ("--load-restrictor", "LoadRestrictionsNone", "--enable-helm")


def build(folder: str, *, free: bool = False) -> str:
    """Return the YAML that a kustomization makes. Raises ProviderError.

    `folder` is a local path or what kustomize itself can fetch (`https://host/repo//path?ref=v1`). `free`
    allows files from outside the folder, and Helm charts where `helm` is on the PATH too.
    """
    if folder.startswith("-"):
        raise ProviderError(f"{folder!r} is no folder: it would be read as an option of kustomize")
    command = [*_program(), *(_FREE if free else ()), folder]
    try:
        # A fixed program with one argument, no shell.
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ProviderError(f"kustomize did not finish {folder!r} within {BUILD_SECONDS:.0f} s") from error
    if done.returncode != 0:
        raise ProviderError(f"kustomize failed for {folder!r}: {done.stderr.strip()}")
    return done.stdout


def _program() -> list[str]:
    if found := shutil.which("kustomize"):
        return [found, "build"]
    if found := shutil.which("kubectl"):
        return [found, "kustomize"]
    raise ProviderError(
        "Kustomize folders need the program kustomize or kubectl on the PATH; install one of them, or build "
        "the folder elsewhere and declare the result by kubernetes.yaml.v2.ConfigGroup"
    )
