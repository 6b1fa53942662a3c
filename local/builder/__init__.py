"""The local builder: `python -m local.builder` does with a build context what Kaniko's executor would.

The image is a folder in the machine's image store (local/images.py), RUN's commands are processes of this
machine without a file system of their own: paths in a Dockerfile must be relative to WORKDIR, as in those
that the platform generates. USER changes nothing during the build, owners are not kept, and there is no
registry.
"""

from local.builder.base import programs_image, register_builder_images

__all__ = ["programs_image", "register_builder_images"]
