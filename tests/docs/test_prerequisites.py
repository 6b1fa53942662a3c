"""docs/platform.md names every API beyond Kubernetes' own that is needed, in versions that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "platform.md").read_text()
SCHEMAS = ROOT.parent / "shared" / "crds"
DOCUMENTED = set(re.findall(r"`([a-z0-9.-]+\.[a-z]+/v\d\w*)`", TEXT))
OWN = re.compile(r"(.*\.k8s\.io|core|apps|batch|policy|autoscaling)/.*")


def test_every_api_that_an_environment_is_made_of_is_a_prerequisite():
    lists = [path.read_text() for path in (ROOT / "tests" / "components" / "golden").glob("*.txt")]
    needed = {api for text in lists for api in re.findall(r"  kubernetes:([^: ]+):", text)}

    missing = {api for api in needed if not OWN.fullmatch(api)} - DOCUMENTED
    assert not missing, f"the table of operators in docs/platform.md lacks {sorted(missing)}"


@pytest.mark.skipif(not SCHEMAS.exists(), reason="needs the operators' schemas in ../shared/crds")
def test_the_versions_are_those_that_the_operators_serve():
    served = set()
    for text in (path.read_text() for path in SCHEMAS.glob("*.yaml")):
        group = re.search(r"^  group: (\S+)$", text, re.MULTILINE)[1]
        versions = re.findall(r"^(?:    |  - |    - )name: \"?(v\d\w*)\"?$", text, re.MULTILINE)
        served |= {f"{group}/{version}" for version in versions}

    assert served >= DOCUMENTED
