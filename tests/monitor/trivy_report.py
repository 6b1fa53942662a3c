"""Reports as `trivy image` writes them, and a stand-in for the program where images cannot be scanned.

Fields: pkg.go.dev, github.com/aquasecurity/trivy/pkg/types (Report, Result, DetectedVulnerability), and
trivy.dev, docs/supply-chain/sbom (CycloneDX).
"""

import json
import sys
from pathlib import Path


def vulnerability(id="CVE-2024-0001", severity="HIGH", fixed="", package="openssl", installed="3.0.1"):
    return {
        "VulnerabilityID": id,
        "PkgID": f"{package}@{installed}",
        "PkgName": package,
        "InstalledVersion": installed,
        **({"FixedVersion": fixed, "Status": "fixed"} if fixed else {"Status": "affected"}),
        "Severity": severity,
        "Title": f"{package}: something",
        "CVSS": {"nvd": {"V3Score": 7.5}},
    }


def report(*vulnerabilities, target="app (debian 12.5)"):
    return {
        "SchemaVersion": 2,
        "CreatedAt": "2026-01-31T12:00:00Z",
        "ArtifactName": "registry.example/knative-lambdas",
        "ArtifactType": "container_image",
        "Metadata": {"OS": {"Family": "debian", "Name": "12.5"}},
        "Results": [
            {
                "Target": target,
                "Class": "os-pkgs",
                "Type": "debian",
                "Vulnerabilities": list(vulnerabilities),
            },
            {"Target": "Python", "Class": "lang-pkgs", "Type": "python-pkg"},
        ],
    }


def sbom():
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:2be5773d-7cd3-4b4b-90a5-e165474ddace",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "registry.example/knative-lambdas"}},
        "components": [{"type": "library", "name": "semver", "purl": "pkg:pypi/semver@3.0.4"}],
    }


_PROGRAM = """\
#!{python}
import sys
arguments = dict(zip(sys.argv[2:-1:2], sys.argv[3:-1:2]))
open({log!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if {code}:
    print("FATAL unable to find the image", file=sys.stderr)
    sys.exit({code})
open(arguments["--output"], "w").write({reports!r}[arguments["--format"]])
"""


def stand_in(folder: Path, found: dict, code: int = 0) -> Path:
    """Put a `trivy` into a folder that writes these reports; return the file of what it was called with."""
    reports = {"json": json.dumps(found), "cyclonedx": json.dumps(sbom())}
    calls = folder / "calls"
    program = folder / "trivy"
    program.write_text(_PROGRAM.format(python=sys.executable, log=str(calls), reports=reports, code=code))
    program.chmod(0o755)
    return calls
