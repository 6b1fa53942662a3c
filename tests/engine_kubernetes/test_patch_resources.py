"""Patch resources: fields of objects that are managed elsewhere."""

import pytest

from engine.provider import OutcomeUnknown, ProviderError, ResourceGone

from .settings_map import PATH, inputs, live, outputs
from .tinyserver import Answer, status

URN = "urn:pulumi:dev::project::kubernetes:core/v1:ConfigMapPatch::settings"


def checked(provider, news):
    return provider.check(urn=URN, olds={}, news=news, random_seed=b"\0" * 32)


def delete(provider, document, recorded):
    provider.delete(urn=URN, id="default/settings", old_inputs=document, old_outputs=recorded)


def test_a_patch_has_to_name_its_object(provider):
    (failure,) = checked(provider, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}).failures

    assert (failure.property, "has to name" in failure.reason) == ("metadata.name", True)


def test_a_patch_is_applied_under_a_manager_that_follows_from_its_urn(provider, server):
    server.handler = lambda request: Answer(200, live(inputs(a="1")))
    first = provider.create(urn=URN, inputs=inputs(a="1"))
    second = provider.create(urn=URN, inputs=inputs(a="1"))

    assert [(r.method, r.path) for r in server.requests] == [("PATCH", f"{PATH}/settings")] * 2
    assert server.requests[0].body == inputs(a="1")
    assert server.requests[0].query == {"fieldManager": first.outputs["__fieldManager"]}
    assert first.outputs["__fieldManager"] == second.outputs["__fieldManager"]


def test_another_patch_has_another_manager(provider, server):
    server.handler = lambda request: Answer(200, live(inputs(a="1")))
    managers = {
        provider.create(urn=urn, inputs=inputs(a="1")).outputs["__fieldManager"] for urn in (URN, URN + "2")
    }

    assert len(managers) == 2


def test_the_preview_of_a_patch_asks_nothing(provider, server):
    result = provider.create(urn=URN, inputs=inputs(a="1"), preview=True)

    assert (result.id, result.outputs, server.requests) == ("", inputs(a="1"), [])


def test_a_patch_in_conflict_names_the_owner(provider, server):
    cause = {"field": ".data.a", "message": 'conflict with "them"', "reason": "FieldManagerConflict"}
    server.answers = [status(409, "Conflict", "conflict", causes=[cause])]

    with pytest.raises(ProviderError, match=r"\.data\.a .*them.*patchForce"):
        provider.create(urn=URN, inputs=inputs(a="1"))


def test_a_patch_without_a_clear_answer_is_sent_again_and_makes_nothing_to_find(provider, server):
    server.answers = [status(500, "InternalError", "who knows")]

    with pytest.raises(OutcomeUnknown):
        provider.create(urn=URN, inputs=inputs(a="1"))
    assert provider.find_created(urn=URN, inputs=inputs(a="1")) is None
    assert len(server.requests) == 1


def test_an_update_follows_the_name_and_not_the_uid(provider, server):
    old, new = inputs(a="1"), inputs(a="2")
    server.answers = [Answer(200, live(new, uid="u2"))]
    result = provider.update(
        urn=URN,
        id="default/settings",
        old_inputs=old,
        old_outputs=outputs(old, manager="m1"),
        news=new,
    )

    (request,) = server.requests
    assert (request.method, request.query, request.body) == ("PATCH", {"fieldManager": "m1"}, new)
    assert result["metadata"]["uid"] == "u2"


def test_another_manager_takes_over_and_the_former_one_gives_up(provider, server):
    old, new = inputs(a="1"), inputs(a="1")
    new["metadata"] = {**new["metadata"], "annotations": {"pulumi.com/patchFieldManager": "team"}}
    server.handler = lambda request: Answer(200, live(new))
    provider.update(
        urn=URN,
        id="default/settings",
        old_inputs=old,
        old_outputs=outputs(old, manager="m1"),
        news=new,
    )

    applied, given_up = server.requests
    assert applied.query["fieldManager"] == "team"
    assert given_up.query == {"fieldManager": "m1"}
    assert "data" not in given_up.body


def test_an_update_of_an_object_that_is_gone_is_told_apart(provider, server):
    server.answers = [status(404, "NotFound", 'namespaces "default" not found')]
    with pytest.raises(ResourceGone):
        provider.update(
            urn=URN,
            id="default/settings",
            old_inputs=inputs(a="1"),
            old_outputs=outputs(inputs(a="1")),
            news=inputs(a="2"),
        )


def test_a_deletion_gives_the_fields_up_and_leaves_the_object(provider, server):
    server.answers = [Answer(200, live(inputs()))]
    delete(provider, inputs(a="1"), outputs(inputs(a="1"), manager="m1"))

    (request,) = server.requests
    assert (request.method, request.query) == ("PATCH", {"fieldManager": "m1"})
    assert request.body == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "uid": "u1"},
    }


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(status(404, "NotFound", "gone"), id="no namespace"),
        pytest.param(
            status(409, "Conflict", "uid mismatch: the provided object specified uid u1"), id="no object"
        ),
        pytest.param(
            status(422, "Invalid", "immutable", causes=[{"field": "metadata.uid"}]), id="another object"
        ),
    ],
)
def test_a_deletion_whose_object_is_gone_succeeds(provider, server, answer):
    server.answers = [answer]
    delete(provider, inputs(a="1"), outputs(inputs(a="1"), manager="m1"))

    assert len(server.requests) == 1


def test_a_required_field_is_named_with_the_way_out(provider, server):
    cause = {"field": "spec.selector", "reason": "FieldValueRequired", "message": "Required value"}
    server.answers = [status(422, "Invalid", "required", causes=[cause])]

    with pytest.raises(ProviderError, match=r"spec\.selector.*retain_on_delete"):
        delete(provider, inputs(a="1"), outputs(inputs(a="1"), manager="m1"))


def test_only_another_object_replaces_a_patch(provider):
    def verdict(news):
        return provider.diff(
            urn=URN,
            id="default/settings",
            old_inputs=inputs(a="1"),
            old_outputs=outputs(inputs(a="1")),
            news=news,
        )

    other = inputs(a="1")
    other["metadata"] = {**other["metadata"], "name": "other"}
    assert verdict(inputs(a="2")).replaces == ()
    assert verdict(inputs(a="2")).changes
    assert verdict(other).replaces == ("metadata.name",)


def test_a_patch_can_be_read_by_its_id_alone(provider, server):
    server.answers = [Answer(200, live(inputs(a="1")))]
    result = provider.read(urn=URN, id="default/settings", inputs={}, outputs={})

    assert server.requests[0].path == f"{PATH}/settings"
    assert result.inputs["kind"] == "ConfigMap"
