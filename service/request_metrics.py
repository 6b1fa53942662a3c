"""How HTTP requests are measured, the same in every process; apart, so that it brings no other part in."""

from typing import Final

REQUEST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds; finest around the contract's 100 ms for a reply."""

METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
"""What a label may hold of a request's method; anything else is `other`."""
