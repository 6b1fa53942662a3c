"""What a build took from its cache of layers, read from Kaniko's log. Pure."""

import re

MAX_LOG_BYTES = 256 * 1024
"""How much of a log's beginning is looked at: Kaniko asks for a stage's layers before its commands run."""

_HIT = re.compile(r"Using caching version of cmd: ")
"""Kaniko's words, once for each command whose layer was there (pkg/executor/build.go, `optimize`)."""


def cache_hits(log: str) -> int:
    """Return how many commands of the Dockerfile were not run because their layer was in the cache."""
    return len(_HIT.findall(log))
