"""The waitFor annotation: conditions in the program's own words."""

import pytest

from engine.kubernetes.waitfor import conditions
from engine.provider import ProviderError

DOCUMENT = {
    "metadata": {"labels": {"a.b/c": "yes"}},
    "status": {
        "phase": "Running",
        "replicas": 3,
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False"}],
    },
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        pytest.param("jsonpath={.status.phase}=Running", True, id="equal"),
        pytest.param("jsonpath={.status.phase}=Pending", False, id="unequal"),
        pytest.param("jsonpath={.status.phase}", True, id="present"),
        pytest.param("jsonpath={.status.nothing}", False, id="absent"),
        pytest.param("jsonpath={.status.replicas}=3", True, id="number"),
        pytest.param("jsonpath={.status.conditions[0].type}=Ready", True, id="index"),
        pytest.param('jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', True, id="filter"),
        pytest.param(r"jsonpath={.metadata.labels.a\.b/c}=yes", True, id="escaped dot"),
        pytest.param("jsonpath={.metadata.labels['a.b/c']}=yes", True, id="quoted key"),
        pytest.param("condition=Ready", True, id="condition"),
        pytest.param("condition=ready=true", True, id="condition in lower case"),
        pytest.param("condition=Synced", False, id="condition false"),
        pytest.param("condition=Synced=False", True, id="condition wanted false"),
        pytest.param('["condition=Ready", "condition=Synced=False"]', True, id="all hold"),
        pytest.param('["condition=Ready", "condition=Synced"]', False, id="one does not"),
    ],
)
def test_conditions_in_the_programs_own_words(text, holds):
    assert all(condition(DOCUMENT) for _, condition in conditions(text)) is holds


@pytest.mark.parametrize("text", ["jsonpath=.status", "jsonpath={.a[}", "ready", "[1]", "[", "condition="])
def test_malformed_conditions_are_refused_with_their_wording(text):
    with pytest.raises(ProviderError, match="waitFor"):
        conditions(text)
