"""Discovery documents, tables and partial metadata: what kubectl and client libraries look at first."""

from local_apiserver.client import Api, configmap, job

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def test_the_groups_and_versions_are_listed(api: Api):
    assert api.get("/api").body["versions"] == ["v1"]
    groups = {
        group["name"]: group["preferredVersion"]["version"] for group in api.get("/apis").body["groups"]
    }

    assert groups["batch"] == "v1"
    assert groups["rbac.authorization.k8s.io"] == "v1"
    assert api.get("/apis/batch").body["kind"] == "APIGroup"


def test_resources_say_how_they_are_named_and_what_they_can(api: Api):
    resources = {item["name"]: item for item in api.get("/api/v1").body["resources"]}

    pods = resources["pods"]
    assert (pods["kind"], pods["singularName"], pods["namespaced"], pods["shortNames"]) == (
        "Pod",
        "pod",
        True,
        ["po"],
    )
    assert {"create", "delete", "get", "list", "patch", "update", "watch"} <= set(pods["verbs"])
    assert resources["pods/log"]["verbs"] == ["get"]
    assert resources["namespaces"]["namespaced"] is False


def test_aggregated_discovery_says_the_same_in_one_answer(api: Api):
    answer = api.get("/apis", accept=AGGREGATED)

    assert answer.body["kind"] == "APIGroupDiscoveryList"
    assert "as=APIGroupDiscoveryList" in answer.headers["Content-Type"]
    batch = next(item for item in answer.body["items"] if item["metadata"]["name"] == "batch")
    jobs = next(item for item in batch["versions"][0]["resources"] if item["resource"] == "jobs")
    assert jobs["responseKind"]["kind"] == "Job"
    assert jobs["scope"] == "Namespaced"
    assert [item["subresource"] for item in jobs["subresources"]] == ["status"]


def test_every_listed_resource_can_be_listed(local_api: Api):
    for document in (local_api.get("/api", accept=AGGREGATED), local_api.get("/apis", accept=AGGREGATED)):
        for group in document.body["items"]:
            for version in group["versions"]:
                name = group["metadata"].get("name", "")
                root = f"/apis/{name}/{version['version']}" if name else "/api/v1"
                for resource in version["resources"]:
                    if "list" in resource["verbs"]:
                        answer = local_api.get(f"{root}/{resource['resource']}")
                        assert answer.body["kind"] == f"{resource['responseKind']['kind']}List", resource


def test_openapi_knows_the_types_and_what_a_patch_can_carry(api: Api):
    index = api.get("/openapi/v3").body["paths"]
    document = api.get(index["apis/batch/v1"]["serverRelativeURL"]).body

    schemas = document["components"]["schemas"]
    env = schemas["io.k8s.api.core.v1.Container"]["properties"]["env"]
    assert env["x-kubernetes-list-map-keys"] == ["name"]
    assert env["x-kubernetes-patch-merge-key"] == "name"
    patch = document["paths"]["/apis/batch/v1/namespaces/{namespace}/jobs/{name}"]["patch"]
    assert "application/apply-patch+yaml" in patch["requestBody"]["content"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "batch", "version": "v1", "kind": "Job"}


def test_a_list_can_be_had_as_a_table(api: Api):
    api.post("batch/v1/jobs", job("j"))

    answer = api.get("batch/v1/jobs", accept=TABLE)

    assert answer.body["kind"] == "Table"
    names = [column["name"] for column in answer.body["columnDefinitions"]]
    row = answer.body["rows"][0]
    assert names[:5] == ["Name", "Status", "Completions", "Duration", "Age"]
    assert row["cells"][0] == "j"
    assert row["cells"][2] == "0/1"
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "j"


def test_one_object_can_be_had_as_a_table_too(api: Api):
    api.post("configmaps", configmap("a", x="1", y="2"))

    answer = api.get("configmaps/a", accept=TABLE, includeObject="None")

    assert [row["cells"][:2] for row in answer.body["rows"]] == [["a", 2]]
    assert "metadata" not in (answer.body["rows"][0].get("object") or {})


def test_metadata_can_be_had_alone(api: Api):
    created = api.post("configmaps", configmap("a", x="1")).body

    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    answer = api.get("configmaps/a", accept=accept)
    assert answer.body["kind"] == "PartialObjectMetadata"
    assert answer.body["metadata"]["uid"] == created["metadata"]["uid"]
    assert "data" not in answer.body

    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    answer = api.get("configmaps", accept=accept)
    assert answer.body["kind"] == "PartialObjectMetadataList"
    assert "a" in [item["metadata"]["name"] for item in answer.body["items"]]


def test_a_watch_can_send_tables(api: Api):
    start = api.get("configmaps").version
    api.post("configmaps", configmap("a"))
    url = f"{api.url}{api.path('configmaps')}?watch=1&resourceVersion={start}&timeoutSeconds=1"

    reply = api.pool.request("GET", url, headers={"Authorization": f"Bearer {api.token}", "Accept": TABLE})

    assert b'"kind":"Table"' in reply.data.splitlines()[0]
