"""What builds are made with, and who may have how many."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from components.settings import values
from components.settings.fields import Group, setting

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class BuildSettings(Group):
    """The images that a build takes, and where it fetches packages; empty: the service's default."""

    PREFIX: ClassVar[str] = "build"

    executor_image: str = setting(values.image, "gcr.io/kaniko-project/executor:v1.19.2")
    """Kaniko's executor, or what takes its place."""
    python_image: str = setting(values.image, "python:3.11-slim")
    """Base of Python functions."""
    nodejs_image: str = setting(values.image, "")
    """Base of Node.js functions."""
    go_image: str = setting(values.image, "")
    """What Go functions are compiled in."""
    go_run_image: str = setting(values.image, "")
    """What Go functions run in."""
    python_index_url: str = setting(values.mirror, "")
    """pip's index in builds."""
    npm_registry_url: str = setting(values.mirror, "")
    """npm's registry in builds."""
    go_proxy: str = setting(values.go_proxy, "")
    """GOPROXY in builds."""
    third_party_limit: int | None = setting(values.count, None)
    """Builds of one third party at one time, of `quotaBuilds`; None: the service's default."""
    waiting_limit: int | None = setting(values.count, None)
    """Builds that may wait for their turn; None: the service's default."""

    max_files: int = setting(values.count, 0)
    """How many files a parser may have; 0: the service's default."""
    max_file_mib: int = setting(values.count, 0)
    """Biggest file of a parser, in MiB; likewise."""
    max_total_mib: int = setting(values.count, 0)
    """Most of a parser's files in all, in MiB; likewise."""

    def variables(self) -> Mapping[str, str]:
        """Return what the service is told of them, by environment variable."""
        return {
            "KANIKO_IMAGE": self.executor_image,
            "PYTHON_BASE_IMAGE": self.python_image,
            "NODE_BASE_IMAGE": self.nodejs_image,
            "GO_BASE_IMAGE": self.go_image,
            "GO_RUN_IMAGE": self.go_run_image,
            "PYTHON_INDEX_URL": self.python_index_url,
            "NPM_REGISTRY_URL": self.npm_registry_url,
            "GO_PROXY": self.go_proxy,
            "THIRD_PARTY_MAX_CONCURRENT_JOBS": _number(self.third_party_limit),
            "MAX_WAITING_JOBS": _number(self.waiting_limit),
            "SOURCE_MAX_FILES": _number(self.max_files),
            "SOURCE_MAX_FILE_BYTES": _number(self.max_file_mib * _MIB),
            "SOURCE_MAX_TOTAL_BYTES": _number(self.max_total_mib * _MIB),
        }


def _number(value: int | None) -> str:
    """Return what says a number; nothing for none."""
    return str(value) if value else ""
