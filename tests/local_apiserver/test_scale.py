"""The scale subresource."""

from local_apiserver.client import Api, deployment

PATH = "apps/v1/deployments/d/scale"


def test_replicas_can_be_read_and_set_through_scale(api: Api):
    api.post("apps/v1/deployments", deployment("d", {"name": "web", "image": "web:1"}))

    scale = api.get(PATH)
    assert (scale.body["kind"], scale.body["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale.body["spec"].get("replicas", 0) == 0
    assert scale.body["status"]["selector"] == "app=d"

    answer = api.patch(PATH, {"spec": {"replicas": 3}})
    assert answer.body["spec"]["replicas"] == 3
    assert api.get("apps/v1/deployments/d").body["spec"]["replicas"] == 3
    api.patch(PATH, {"spec": {"replicas": 0}})


def test_replicas_cannot_be_negative(api: Api):
    api.post("apps/v1/deployments", deployment("d", {"name": "web", "image": "web:1"}))

    assert api.patch(PATH, {"spec": {"replicas": -1}}).status in (400, 422)


def test_a_kind_without_scale_has_none(api: Api):
    assert api.get("configmaps/a/scale").status == 404
