"""A ConfigMap as a resource: its inputs, the live object, the recorded outputs, and calls on it."""

URN = "urn:pulumi:dev::project::kubernetes:core/v1:ConfigMap::settings"
PATH = "/api/v1/namespaces/default/configmaps"
ENTRY = {"manager": "pulumi-kubernetes", "operation": "Update", "fieldsV1": {"f:data": {"f:a": {}}}}


def inputs(**data):
    metadata = {"name": "settings", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def live(document, *managed, version="1", uid="u1", **metadata):
    own = {
        **document["metadata"],
        "uid": uid,
        "resourceVersion": version,
        "managedFields": list(managed),
        **metadata,
    }
    return {**document, "metadata": own}


def outputs(document, *managed, manager="pulumi-kubernetes-12345678", **metadata):
    keys = {"__inputs": document, "__initialApiVersion": "v1", "__fieldManager": manager}
    return {**live(document, *managed, **metadata), **keys}


def ours(manager="pulumi-kubernetes-12345678"):
    return {"manager": manager, "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}


def update(provider, old, new, recorded, **options):
    return provider.update(
        urn=URN, id="default/settings", old_inputs=old, old_outputs=recorded, news=new, **options
    )


def delete(provider, document, recorded, **options):
    provider.delete(urn=URN, id="default/settings", old_inputs=document, old_outputs=recorded, **options)
