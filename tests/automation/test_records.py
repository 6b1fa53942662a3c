"""The record of a function's state: whole, readable, versioned."""

import json
from dataclasses import replace

import pytest

from automation import record
from automation.model import BuildStatus, Handled
from tests.automation import worlds

STATES = [worlds.absent, worlds.building, worlds.running, worlds.updating, worlds.broken, worlds.deleted]
STATES += [worlds.cancelled, worlds.grown]


def full():
    handled = (
        Handled(source="s", id="e1", type="t", at=worlds.at(-5), status="started", fields={"job_name": "j"}),
        Handled(source="s", id="e2", type="t", at=worlds.at(-4), status="superseded"),
    )
    build = replace(
        worlds.build(status=BuildStatus.FAILED), exit_code=0, log_tail="ünïcode\n", traceparent="00-1"
    )
    return replace(worlds.updating(), handled=handled, build=build)


@pytest.mark.parametrize("state", [*(make() for make in STATES), full()], ids=lambda state: state.phase)
def test_a_state_survives_its_record(state):
    assert record.loads(record.dumps(state)) == state


def test_a_record_is_one_line_of_plain_json():
    text = record.dumps(full())

    assert "\n" not in text
    assert json.loads(text)["version"] == 1
    assert json.loads(text)["function"] == ["tp1", "parser1"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="a-list"),
        pytest.param('{"version":2,"function":["a","b"]}', id="another-version"),
        pytest.param('{"version":1}', id="no-function"),
        pytest.param('{"version":1,"function":["a","b"],"build":{"status":"?"}}', id="unknown-status"),
        pytest.param('{"version":1,"function":["a","b"],"desired_at":"yesterday"}', id="no-time"),
    ],
)
def test_what_is_no_record_is_refused(text):
    with pytest.raises(record.UnreadableRecord):
        record.loads(text)
