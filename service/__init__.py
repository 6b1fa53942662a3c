"""The HTTP face of Knative Lambda: CloudEvents in, replies out; everything else is `automation`."""

VERSION = "0.1.0"
"""The version that /health tells; equal to pyproject.toml's."""
