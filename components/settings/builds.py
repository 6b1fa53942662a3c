"""What builds are made with."""

from dataclasses import dataclass
from typing import ClassVar

from components.settings import values
from components.settings.fields import Group, setting


@dataclass(frozen=True, kw_only=True)
class BuildSettings(Group):
    """The images that a build takes."""

    PREFIX: ClassVar[str] = "build"

    executor_image: str = setting(values.image, "gcr.io/kaniko-project/executor:v1.19.2")
    """Kaniko's executor, or what takes its place."""
    python_image: str = setting(values.image, "python:3.11-slim")
    """Base of Python functions."""
