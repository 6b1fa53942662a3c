"""Object storage of the local platform: a subset of S3's REST API on a folder."""

from local.objectstore.server import ObjectStore

__all__ = ["ObjectStore"]
