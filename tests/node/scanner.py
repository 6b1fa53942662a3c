"""A Trivy of the tests' own: takes its arguments and variables, pulls the image, writes reports of its form.

What it knows of vulnerabilities is one: a file named parser.py that says `# vulnerable`. Fields as in
tests/monitor/trivy_report.py.
"""

import argparse
import gzip
import io
import json
import os
import sys
import tarfile
from pathlib import Path

from executor import Registry

FINDING = {
    "VulnerabilityID": "CVE-2026-0001",
    "PkgName": "parser",
    "InstalledVersion": "1.0",
    "FixedVersion": "1.1",
    "Severity": "CRITICAL",
}


def files(image):
    """Yield names and contents of parsers in an image's layers."""
    registry = Registry(image)
    for layer in registry.manifest()["layers"]:
        data = registry.blob(layer["digest"])
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
            for member in archive:
                if member.name.endswith("/parser.py") and member.isfile():
                    yield member.name, archive.extractfile(member).read()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["image"])
    parser.add_argument("--format", choices=["json", "cyclonedx"], required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("image")
    options = parser.parse_args()
    if "@sha256:" not in options.image or os.environ.get("TRIVY_INSECURE") != "true":
        sys.exit(f"FATAL this scanner takes digests from plain registries, not {options.image}")
    Path(os.environ["TRIVY_CACHE_DIR"], "used").touch()
    found = dict(files(options.image))
    bad = [FINDING] if any(b"# vulnerable" in text for text in found.values()) else []
    results = [{"Target": name, "Class": "lang-pkgs", "Vulnerabilities": bad} for name in found]
    report = {"SchemaVersion": 2, "ArtifactName": options.image, "Results": results}
    components = [{"type": "file", "name": name} for name in found]
    sbom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    Path(options.output).write_text(json.dumps(report if options.format == "json" else sbom))


if __name__ == "__main__":
    main()
