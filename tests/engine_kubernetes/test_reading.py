"""Refreshes and imports."""

import pytest

from engine.kubernetes.reading import SINGLE_READS

from .settings_map import ENTRY, PATH, URN, inputs, live, ours, outputs
from .tinyserver import Answer, status


def test_a_refresh_reads_what_was_set_as_it_is_now(provider, server):
    old = inputs(a="1")
    server.answers = [Answer(200, live(inputs(a="drifted", extra="x"), ours(), version="9"))]
    result = provider.read(urn=URN, id="default/settings", inputs=old, outputs=outputs(old, ours()))

    assert result.inputs["data"] == {"a": "drifted"}
    assert result.outputs["__inputs"] == result.inputs
    assert result.outputs["data"] == {"a": "drifted", "extra": "x"}
    assert result.outputs["__fieldManager"] == "pulumi-kubernetes-12345678"
    diff = provider.diff(
        urn=URN, id="default/settings", old_inputs=result.inputs, old_outputs=result.outputs, news=old
    )
    assert {path: item.kind.value for path, item in diff.detailed.items()} == {"data.a": "update-replace"}


def test_a_refresh_of_what_is_gone_says_so(provider, server):
    server.answers = [status(404, "NotFound", "gone")]

    assert (
        provider.read(urn=URN, id="default/settings", inputs=inputs(), outputs=outputs(inputs())).id is None
    )


def test_an_import_takes_what_people_can_set(provider, server):
    found = live(inputs(a="1"), ENTRY, creationTimestamp="then", labels={"x": "y"})
    server.answers = [Answer(200, {**found, "status": {}})]
    result = provider.read(urn=URN, id="default/settings", inputs={}, outputs={})

    assert result.inputs == {
        **inputs(a="1"),
        "metadata": {"name": "settings", "namespace": "default", "labels": {"x": "y"}},
    }
    assert result.outputs["__fieldManager"].startswith("pulumi-kubernetes-")


def test_importing_a_custom_resource_gives_its_identity(provider, server):
    urn = "urn:pulumi:dev::project::kubernetes:example.com/v1:Zone::zone"
    resources = {"resources": [{"name": "zones", "kind": "Zone", "namespaced": True}]}
    zone = {
        "apiVersion": "example.com/v1",
        "kind": "Zone",
        "metadata": {"name": "z", "namespace": "n", "uid": "u"},
    }
    server.handler = lambda request: Answer(
        200, resources if request.path == "/apis/example.com/v1" else {**zone, "spec": {"a": 1}}
    )
    result = provider.read(urn=urn, id="n/z", inputs={}, outputs={})

    assert result.inputs == {**zone, "metadata": {"name": "z", "namespace": "n"}}
    assert [request.path for request in server.requests] == [
        "/apis/example.com/v1",
        "/apis/example.com/v1/namespaces/n/zones/z",
    ]


def refresh(provider, name):
    document = {**inputs(a="1"), "metadata": {"name": name, "namespace": "default"}}
    return provider.read(urn=URN, id=f"default/{name}", inputs=document, outputs=outputs(document))


class Namespace:
    """ConfigMaps of one namespace, served one by one and in pages; `gone` has the tokens that expired."""

    def __init__(self, names, listed=200):
        self.objects = {
            name: live({**inputs(a="1"), "metadata": {"name": name, "namespace": "default"}})
            for name in names
        }
        self.listed = listed

    def __call__(self, request):
        name = request.path.removeprefix(PATH).lstrip("/")
        if name:
            found = self.objects.get(name)
            return Answer(200, found) if found else status(404, "NotFound", "gone")
        if self.listed != 200:
            return status(self.listed, "Refused", "no")
        first, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        items = [
            {key: value for key, value in item.items() if key not in ("apiVersion", "kind")}
            for item in list(self.objects.values())[first : first + limit]
        ]
        more = {"continue": str(first + limit)} if first + limit < len(self.objects) else {}
        return Answer(200, {"metadata": {"resourceVersion": "9", **more}, "items": items})


def lists(server):
    return [request.query for request in server.requests if request.path == PATH]


def test_many_objects_of_one_kind_are_read_by_one_list(provider, server):
    names = [f"settings-{index}" for index in range(100)]
    server.handler = Namespace(names)
    results = [refresh(provider, name) for name in names]

    assert [result.id for result in results] == [f"default/{name}" for name in names]
    assert {result.outputs["kind"] for result in results} == {"ConfigMap"}
    assert len(lists(server)) == 1
    assert len(server.requests) == 1 + SINGLE_READS


def test_a_few_objects_are_read_one_by_one(provider, server):
    server.handler = Namespace([f"settings-{index}" for index in range(SINGLE_READS)])
    for name in server.handler.objects:
        refresh(provider, name)

    assert lists(server) == []


def test_a_crowded_namespace_costs_no_more_than_a_page(provider, server):
    server.handler = Namespace([f"settings-{index:05}" for index in range(2000)])
    ours = [f"settings-{index:05}" for index in range(1990, 2000)]
    assert all(refresh(provider, name).id for name in ours)

    assert [query.get("continue") for query in lists(server)] == [None]
    assert len(server.requests) == 1 + len(ours)


def test_pages_are_read_for_those_who_need_them(provider, server):
    names = [f"settings-{index:05}" for index in range(700)]
    server.handler = Namespace(names)
    assert all(refresh(provider, name).id for name in names)

    assert [query.get("continue") for query in lists(server)] == [None, "500"]
    assert len(server.requests) == 2 + SINGLE_READS


@pytest.mark.parametrize("code", [403, 410])
def test_where_nothing_may_be_listed_each_object_is_read(provider, server, code):
    server.handler = Namespace([f"settings-{index}" for index in range(20)], listed=code)

    assert all(refresh(provider, name).id for name in server.handler.objects)
    assert len(lists(server)) == 1


def test_an_object_that_a_list_does_not_hold_is_looked_for(provider, server):
    server.handler = Namespace([f"settings-{index}" for index in range(20)])
    for name in list(server.handler.objects)[:10]:
        refresh(provider, name)
    made = live({**inputs(a="1"), "metadata": {"name": "late", "namespace": "default"}})
    server.handler.objects["late"] = made

    assert refresh(provider, "late").id == "default/late"
    assert refresh(provider, "never").id is None


def test_what_was_read_once_or_written_since_is_read_anew(provider, server):
    server.handler = Namespace([f"settings-{index}" for index in range(20)])
    names = list(server.handler.objects)
    for name in names[:10]:
        refresh(provider, name)
    server.handler.objects[names[9]]["data"] = {"a": "again"}
    assert refresh(provider, names[9]).outputs["data"] == {"a": "again"}

    single = server.handler
    server.handler = lambda request: (
        Answer(200, {"kind": "Status", "status": "Success"})
        if request.method == "DELETE"
        else single(request)
    )
    document = {**inputs(a="1"), "metadata": {"name": names[10], "namespace": "default"}}
    provider.delete(urn=URN, id=f"default/{names[10]}", old_inputs=document, old_outputs=outputs(document))
    del single.objects[names[10]]

    assert refresh(provider, names[10]).id is None


def job(**conditions):
    found = [{"type": name, "status": value, "message": "why"} for name, value in conditions.items()]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "build", "namespace": "default", "uid": "u", "resourceVersion": "1"},
        "spec": {"template": {}},
        "status": {"startTime": "then", "conditions": found},
    }


def read_job(provider, found, **metadata):
    document = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**job()["metadata"], **metadata}}
    urn = "urn:pulumi:dev::project::kubernetes:batch/v1:Job::build"
    outputs = {**document, "__inputs": document} if found is None else found
    return provider.read(urn=urn, id="default/build", inputs=document if outputs else {}, outputs=outputs)


def test_a_refresh_tells_what_is_not_ready(provider, server):
    server.handler = lambda request: (
        Answer(200, {"items": []}) if request.path.endswith("/pods") else Answer(200, job(Failed="True"))
    )
    result = read_job(provider, None)

    assert result.id == "default/build"
    assert result.reasons == ("Job default/build is not ready", "[Failed] why")


def test_a_refresh_of_what_is_ready_tells_nothing(provider, server):
    server.answers = [Answer(200, job(Complete="True"))]

    assert read_job(provider, None).reasons == ()


def test_an_import_judges_nothing(provider, server):
    server.answers = [Answer(200, job(Failed="True"))]

    assert read_job(provider, {}).reasons == ()


def test_what_is_not_waited_for_is_not_judged(provider, server):
    skipped = job(Failed="True")
    skipped["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    server.answers = [Answer(200, skipped)]

    assert read_job(provider, None).reasons == ()
