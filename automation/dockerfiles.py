"""The Dockerfile of each language: dependencies are a layer of their own, the wrapper is the start. Pure.

The context that they are for has the user's files under `code/` and the runtime's under `wrapper/`. A
manifest is copied from `code/` and installed before the code is copied, so the layer is made anew only when
the manifest changes; a manifest that points to files of the folder needs the code first. Every value that
gets in here is held to a pattern that leaves nothing to quote, and refused with ValueError otherwise.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from components import mirrors

GO_MODULE: Final = "knative-lambda/wrapper"
"""Module path of the Go wrapper; functions' modules cannot have it."""

_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,400}(?:@sha256:[0-9a-f]{64})?")
_HANDLER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)

_NPM_OPTIONS: Final = "--omit=dev --no-audit --no-fund --no-update-notifier --fetch-retries=5"
_END: Final = "USER 1000:1000\nEXPOSE 8080\n"


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """What one language is built with, from the stack's settings."""

    base_image: str
    """Image with the language's interpreter or compiler."""
    run_image: str = ""
    """Image that a compiled function runs in; of Go alone."""
    mirror: str = ""
    """Where packages come from: pip's index, npm's registry, GOPROXY; empty: the tool's own default."""


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """What has to be installed before the code is of use."""

    manifests: Sequence[str] = ()
    """Files of the folder that the installation reads, in the order in which they are copied."""
    install: bool = False
    """There is anything to install."""
    local: bool = False
    """They point to files of the folder, so that the code has to be there first."""


def python(tools: Toolchain, handler: str, dependencies: Dependencies) -> str:
    """Return the Dockerfile of a Python function. Raises ValueError."""
    index = f" --index-url={_checked('mirror', tools.mirror, mirrors.URL)}" if tools.mirror else ""
    pip = f"python -m pip install --no-cache-dir --disable-pip-version-check{index} --target=packages -r "
    manifest = "code/requirements.txt" if dependencies.local else "requirements.txt"
    steps = _steps(
        copy_manifests="COPY code/requirements.txt ./requirements.txt\n",
        install=f"RUN {pip}{manifest}\n",
        copy_code="COPY wrapper ./wrapper\nCOPY code ./code\n",
        dependencies=dependencies,
    )
    return (
        f"FROM {_checked('base_image', tools.base_image, _IMAGE)}\n"
        "ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8080\n"
        f"WORKDIR /app\n{steps}"
        f'ENV HANDLER="{_checked("handler", handler, _HANDLER)}"\n'
        f'{_END}ENTRYPOINT ["python", "-m", "wrapper"]\n'
    )


def nodejs(tools: Toolchain, handler: str, dependencies: Dependencies) -> str:
    """Return the Dockerfile of a Node.js function; packages are in the code's folder. Raises ValueError."""
    registry = f" --registry={_checked('mirror', tools.mirror, mirrors.URL)}" if tools.mirror else ""
    command = "ci" if "package-lock.json" in dependencies.manifests else "install --no-package-lock"
    files = " ".join(f"code/{name}" for name in dependencies.manifests)
    steps = _steps(
        copy_manifests=f"COPY {files} ./\n",
        install=f"RUN npm {command} {_NPM_OPTIONS}{registry}\n",
        copy_code="COPY wrapper ../wrapper\nCOPY code ./\n",
        dependencies=dependencies,
    )
    return (
        f"FROM {_checked('base_image', tools.base_image, _IMAGE)}\n"
        "ENV NODE_ENV=production PORT=8080\n"
        f"WORKDIR /app/code\n{steps}"
        "WORKDIR /app\n"
        f'ENV HANDLER="{_checked("handler", handler, _HANDLER)}"\n'
        f'{_END}ENTRYPOINT ["node", "wrapper/main.js"]\n'
    )


def go(tools: Toolchain, handler: str, dependencies: Dependencies, *, in_code: bool) -> str:
    """Return the two-stage Dockerfile of a Go function. Raises ValueError.

    The context's `generated` holds the function `main`; `in_code` puts it into the user's package, else into
    one of its own. The wrapper is compiled in a layer before anything of the user's, and with it most of the
    standard library. A workspace joins the two modules, so that neither go.mod is written to.
    """
    proxy = f" GOPROXY={_checked('mirror', tools.mirror, mirrors.PROXY)}" if tools.mirror else ""
    package = "./code" if in_code else "./wrapper/function"
    files = " ".join(f"code/{name}" for name in dependencies.manifests)
    steps = _steps(
        copy_manifests=f"COPY {files} ./code/\n",
        install="RUN cd code && GOWORK=off go mod download\n",
        copy_code="COPY code ./code\n",
        dependencies=dependencies,
    )
    return (
        f"FROM {_checked('base_image', tools.base_image, _IMAGE)} AS build\n"
        'ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS="-buildvcs=false -trimpath -tags=timetzdata"'
        f"{proxy}\n"
        "WORKDIR /build\n"
        "COPY wrapper ./wrapper\n"
        f"RUN cd wrapper && GOWORK=off go build .\n{steps}"
        f"COPY generated {package}\n"
        f"RUN go work init ./wrapper ./code && go build -ldflags=-s -o function {package}\n"
        f"FROM {_checked('run_image', tools.run_image, _IMAGE)}\n"
        f'ENV PORT=8080 HANDLER="{_checked("handler", handler, _HANDLER)}"\n'
        "WORKDIR /app\n"
        "COPY --from=build /build/function ./function\n"
        f'{_END}ENTRYPOINT ["/app/function"]\n'
    )


def _steps(*, copy_manifests: str, install: str, copy_code: str, dependencies: Dependencies) -> str:
    if not dependencies.install:
        return copy_code
    return copy_code + install if dependencies.local else copy_manifests + install + copy_code


def _checked(name: str, value: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"{name} is {value[:100]!r}; allowed is what matches {pattern.pattern}")
    return value
