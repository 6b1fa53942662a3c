"""The scanner of a build's pod: Trivy in a container of its own, started by the monitor, ended by it.

The monitor and the scanner share a folder that the executor, in which third parties' code runs, does not
have. The monitor writes `image` there once the executor has pushed, or `end` if there is nothing to scan. The
scanner leaves its report, and last of all `status`, its exit code; it ends with 0 whatever it found, because
the Job's fate is the build's. Its log is the SBOM alone, or what Trivy complained of.

Trivy's flags can be given as variables, `TRIVY_` and the flag's name (trivy.dev, docs/configuration):
versions that do not know one ignore it.
"""

from dataclasses import dataclass
from typing import Final

from components.manifests.metadata import Manifest, resources, restricted

SCANNER: Final = "scanner"
FOLDER: Final = "/scan"

_VOLUME: Final = "scan"
_ROOM: Final = "6Gi"
"""Of the vulnerability database, of an image's layers and of what is unpacked of them."""
_LOGIN: Final = f"{FOLDER}-login"
REQUESTS: Final = ("250m", "512Mi")
LIMITS: Final = ("1000m", "2Gi")

SCRIPT: Final = """\
trap 'exit 0' TERM
cd "$SCAN_FOLDER"
until [ -e image ]; do
  if [ -e end ]; then exit 0; fi
  sleep 1
done
mkdir -p cache tmp
scan() { trivy image "$@" "$(cat image)" 2>error; }
if scan --format json --output report.json && scan --format cyclonedx --output sbom.json; then
  code=0
  cat sbom.json
else
  code=$?
  cat error
fi
echo "$code" >status.part
mv status.part status
"""
"""Run by `sh -c`; the second run of Trivy finds the layers of the first in its cache."""


@dataclass(frozen=True, kw_only=True)
class ScanArgs:
    """What images are scanned with."""

    image: str
    """Trivy, with `sh` in it, as its own image has."""
    database: str = ""
    """Repository of the vulnerability database; empty: Trivy's own."""
    timeout_seconds: int = 300
    """Longest run of one scan."""


def container(args: ScanArgs, *, insecure: bool, login: str, region: list[Manifest]) -> Manifest:
    """Return the container; `login` is the volume of a registry's login, if any, `region` is AWS's."""
    return {
        "name": SCANNER,
        "image": args.image,
        "command": ["sh", "-c", SCRIPT],
        "env": [
            *region,
            *({"name": name, "value": value} for name, value in _values(args, insecure, login)),
        ],
        "resources": resources(REQUESTS, LIMITS),
        "securityContext": restricted(),
        "volumeMounts": [
            mount(),
            *([{"name": login, "mountPath": _LOGIN, "readOnly": True}] if login else []),
        ],
    }


def mount() -> Manifest:
    """Return the shared folder as a container has it."""
    return {"name": _VOLUME, "mountPath": FOLDER}


def volume() -> Manifest:
    """Return the shared folder."""
    return {"name": _VOLUME, "emptyDir": {"sizeLimit": _ROOM}}


def monitor_variables(args: ScanArgs) -> dict[str, str]:
    """Return what the monitor is told."""
    return {
        "SCAN_FOLDER": FOLDER,
        "SCAN_CONTAINER": SCANNER,
        "SCAN_TIMEOUT_SECONDS": str(args.timeout_seconds),
    }


def _values(args: ScanArgs, insecure: bool, login: str) -> list[tuple[str, str]]:
    values = {
        "SCAN_FOLDER": FOLDER,
        "TMPDIR": f"{FOLDER}/tmp",  # noqa: S108 - inside the container
        "HOME": FOLDER,
        "DOCKER_CONFIG": _LOGIN if login else "",
        "TRIVY_CACHE_DIR": f"{FOLDER}/cache",
        "TRIVY_SCANNERS": "vuln",
        "TRIVY_NO_PROGRESS": "true",
        "TRIVY_DISABLE_TELEMETRY": "true",
        "TRIVY_SKIP_VERSION_CHECK": "true",
        "TRIVY_TIMEOUT": f"{args.timeout_seconds}s",
        "TRIVY_DB_REPOSITORY": args.database,
        "TRIVY_INSECURE": "true" if insecure else "",
        "TRIVY_NON_SSL": "true" if insecure else "",
    }
    return [(name, value) for name, value in values.items() if value]
