"""The bill of materials of an image, from the log of its scanner to what is kept.

A scanner's log is the SBOM alone, see components/manifests/scan.py: Trivy's `--format cyclonedx`, a JSON
object with `bomFormat: CycloneDX` (trivy.dev, docs/supply-chain/sbom; cyclonedx.org, specification).
"""

import json
import time
from typing import Final

from automation.builds.ports import ByteStream

MAX_BYTES: Final = 9 * 1024 * 1024
"""Of an SBOM: kubelets cut the logs of containers at 10 MiB."""
SECONDS: Final = 15.0
"""How long reading one may hold its function's events up."""


def read(log: ByteStream | None) -> bytes | None:
    """Return the SBOM of a scanner's log, and close it; None if there is no log.

    Raises ValueError for what is none, is too long or does not come in time, and DependencyUnavailable.
    """
    if log is None:
        return None
    body, deadline = bytearray(), time.monotonic() + SECONDS
    try:
        while piece := log.read():
            body += piece
            if len(body) > MAX_BYTES or time.monotonic() > deadline:
                raise ValueError(f"the scanner's log is longer than {MAX_BYTES} bytes, or comes too slowly")
    finally:
        log.close()
    return _checked(bytes(body))


def _checked(body: bytes) -> bytes:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the scanner's log is no JSON: {str(error)[:100]}") from error
    if not isinstance(found, dict) or found.get("bomFormat") != "CycloneDX":
        raise ValueError("the scanner's log is no SBOM in CycloneDX")
    return body
