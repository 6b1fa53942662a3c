"""Changing recorded states."""

import dataclasses

import pytest

from engine.state import ResourceState, altered

STATE = ResourceState(urn="urn:pulumi:s::p::t:m:T::a", custom=True, type="t:m:T", inputs={"a": 1})
CHANGEABLE = [field.name for field in dataclasses.fields(ResourceState) if field.init]


@pytest.mark.parametrize("name", CHANGEABLE)
def test_a_state_is_altered_as_dataclasses_replace_does_it(name):
    value = object()
    made = altered(STATE, **{name: value})

    assert made == dataclasses.replace(STATE, **{name: value})
    assert vars(made) == vars(dataclasses.replace(STATE, **{name: value}))
    assert getattr(STATE, name) is not value


def test_the_text_of_a_state_is_not_taken_over_by_an_altered_one():
    written = dataclasses.replace(STATE)
    object.__setattr__(written, "encoded", "{}")

    assert altered(written, id="b").encoded is None
    assert written.encoded == "{}"


def test_a_state_has_no_other_fields_than_its_own():
    with pytest.raises(TypeError, match="no field idd"):
        altered(STATE, idd="b")
