import json
import shlex

import pytest

from local.addresses import Addresses
from local.deploy import DeployFailed, Example, missing
from local.guide import addresses_of, next_steps

HERE = Addresses(
    api="http://127.0.0.1:1",
    storage="http://127.0.0.1:2",
    eventing="http://127.0.0.1:3",
    gateway="http://127.0.0.1:4",
    service="http://127.0.0.1:5",
    data="/data",
)


def test_every_event_to_copy_is_a_valid_structured_cloudevent_for_a_shell():
    events = [command for _, command in next_steps(HERE) if command.startswith("curl")]
    assert len(events) == 3
    for command in events:
        words = shlex.split(command.replace("$(date +%s%N)", "1"))
        event = json.loads(words[words.index("-d") + 1])
        assert event["id"] == "1"
        assert {"specversion", "type", "source", "subject", "data"} < event.keys()
        assert words[words.index("-H") + 1] == "Content-Type: application/cloudevents+json"


def test_all_addresses_are_shown():
    assert set(addresses_of(HERE).values()) == {
        HERE.broker, HERE.service, HERE.gateway, HERE.storage, HERE.api, HERE.data,
    }  # fmt: skip


def test_addresses_survive_their_file(tmp_path):
    here = Addresses(**{**HERE.__dict__, "data": str(tmp_path)})
    here.save()
    assert Addresses.load(tmp_path) == here
    assert [path.name for path in tmp_path.iterdir()] == ["addresses.json"]


@pytest.mark.parametrize(
    ("expected", "answer", "texts"),
    [
        pytest.param({}, {"a": 1}, [], id="nothing expected"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, [], id="more than expected"),
        pytest.param({"a": 1}, {"a": 2}, ["answer.a is 2, expected 1"], id="other value"),
        pytest.param({"a": {"b": 1}}, {}, ["answer.a is None, expected an object"], id="absent"),
        pytest.param(
            {"a": 1, "b": 2}, {}, ["answer.a is None, expected 1", "answer.b is None, expected 2"], id="all"
        ),
    ],
)
def test_an_answer_must_hold_all_that_is_expected(expected, answer, texts):
    assert missing(expected, answer) == texts


def test_a_folder_that_is_not_there_is_named_with_a_remedy(tmp_path):
    with pytest.raises(DeployFailed, match=r"nowhere is no folder.*parser\.py"):
        Example.load(tmp_path / "nowhere")
