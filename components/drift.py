"""Kinds of a function's objects that drift can be healed of, as stack and service name them. Pure."""

from typing import Final

ALL: Final = "all"
"""Stands for all of KINDS."""

KINDS: Final = ("ServiceAccount", "ConfigMap", "Service", "Trigger")
