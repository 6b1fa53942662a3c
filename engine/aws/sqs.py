"""SQS queues. terraform: internal/service/sqs/queue.go."""

from collections.abc import Mapping

from engine.aws import documents
from engine.aws.client import Aws, ServiceError
from engine.aws.spec import (
    OUTPUT,
    Autoname,
    Change,
    Created,
    Json,
    Kind,
    Prop,
    ResourceType,
    document,
    flag,
    number,
    regional,
    tagged,
    text,
)
from engine.provider import ProviderError

_GONE = ("QueueDoesNotExist", "NonExistentQueue")
_FIFO = ".fifo"
_REUSE_SECONDS = 70.0
"""A deleted queue's name is free again after 60 s (CreateQueue, API reference)."""
_VISIBLE_SECONDS = 60.0

_ATTRIBUTES: dict[str, Prop] = {
    "contentBasedDeduplication": flag(default=False, api="ContentBasedDeduplication"),
    "deduplicationScope": text(computed=True, choices=("messageGroup", "queue"), api="DeduplicationScope"),
    "delaySeconds": number(default=0, api="DelaySeconds"),
    "fifoQueue": flag(default=False, force_new=True, api="FifoQueue"),
    "fifoThroughputLimit": text(
        computed=True, choices=("perQueue", "perMessageGroupId"), api="FifoThroughputLimit"
    ),
    "kmsDataKeyReusePeriodSeconds": number(computed=True, api="KmsDataKeyReusePeriodSeconds"),
    "kmsMasterKeyId": text(api="KmsMasterKeyId"),
    "maxMessageSize": number(computed=True, api="MaximumMessageSize"),
    "messageRetentionSeconds": number(default=345600, api="MessageRetentionPeriod"),
    "policy": document(documents.policy, computed=True, api="Policy"),
    "receiveWaitTimeSeconds": number(default=0, api="ReceiveMessageWaitTimeSeconds"),
    "redriveAllowPolicy": document(documents.plain, computed=True, api="RedriveAllowPolicy"),
    "redrivePolicy": document(documents.plain, api="RedrivePolicy"),
    "sqsManagedSseEnabled": flag(computed=True, api="SqsManagedSseEnabled"),
    "visibilityTimeoutSeconds": number(default=30, api="VisibilityTimeout"),
}


def _create(aws: Aws, inputs: Json) -> Created:
    attributes = {name: value for name, value in _to_attributes(inputs).items() if value != ""}
    request = {"QueueName": inputs["name"], "Attributes": attributes, "tags": inputs.get("tags") or {}}
    if _find(aws, inputs):
        # SQS answers the creation of an equal queue with success.
        raise ProviderError(f"the queue {inputs['name']} exists already; import it, or choose another name")
    answer = aws.patiently(
        lambda: aws.call("sqs", "create_queue", **request), _is_just_deleted, _REUSE_SECONDS
    )
    return Created(id=answer["QueueUrl"])


def _complete(aws: Aws, id_: str, inputs: Json) -> None:
    aws.wait(lambda: _attributes(aws, id_), _VISIBLE_SECONDS)


def _find(aws: Aws, inputs: Json) -> str | None:
    answer = aws.find("sqs", "get_queue_url", _GONE, QueueName=inputs["name"])
    return str(answer["QueueUrl"]) if answer else None


def _attributes(aws: Aws, url: str) -> Json | None:
    answer = aws.find("sqs", "get_queue_attributes", _GONE, QueueUrl=url, AttributeNames=["All"])
    return answer and answer.get("Attributes", {})


def _read(aws: Aws, id_: str, recorded: Json) -> Json | None:
    found = _attributes(aws, id_)
    if found is None:
        return None
    tags = aws.find("sqs", "list_queue_tags", _GONE, QueueUrl=id_) or {}
    return {
        "fifoQueue": False,
        "contentBasedDeduplication": False,
        **{
            name: _from_attribute(prop, found[prop.api])
            for name, prop in _ATTRIBUTES.items()
            if prop.api in found
        },
        "name": found["QueueArn"].rpartition(":")[2],
        "arn": found["QueueArn"],
        "url": id_,
        "tags": dict(sorted(tags.get("Tags", {}).items())),
    }


def _update(aws: Aws, id_: str, change: Change) -> None:
    wanted = _to_attributes(change.new)
    changed = {_ATTRIBUTES[name].api for name in change.names if name in _ATTRIBUTES}
    # What is not given any more is set to nothing, which takes a policy or a key away.
    attributes = {api: wanted.get(api, "") for api in sorted(changed)}
    aws.call("sqs", "set_queue_attributes", QueueUrl=id_, Attributes=attributes)


def _tag(aws: Aws, id_: str, recorded: Json, added: Mapping[str, str], removed: list[str]) -> None:
    if removed:
        aws.call("sqs", "untag_queue", QueueUrl=id_, TagKeys=removed)
    if added:
        aws.call("sqs", "tag_queue", QueueUrl=id_, Tags=dict(added))


def _delete(aws: Aws, id_: str, recorded: Json) -> None:
    aws.find("sqs", "delete_queue", _GONE, QueueUrl=id_)


def _is_just_deleted(error: ServiceError) -> bool:
    return error.code == "QueueDeletedRecently"


def _to_attributes(inputs: Json) -> dict[str, str]:
    """Return attributes as texts; standard queues have none that only FIFO queues know."""
    found = {
        prop.api: str(inputs[name]).lower() if prop.kind is Kind.BOOL else str(inputs[name])
        for name, prop in _ATTRIBUTES.items()
        if inputs.get(name) is not None
    }
    if not inputs.get("fifoQueue"):
        for api in ("FifoQueue", "ContentBasedDeduplication"):
            found.pop(api, None)
    return found


def _from_attribute(prop: Prop, value: str) -> str | int | bool:
    if prop.kind is Kind.BOOL:
        return value == "true"
    return int(value) if prop.kind is Kind.INT else value


def _name(name: str, inputs: Json) -> str:
    return name + _FIFO if inputs.get("fifoQueue") and not name.endswith(_FIFO) else name


QUEUE = ResourceType(
    type="aws:sqs/queue:Queue",
    props=tagged(regional({"name": text(force_new=True), **_ATTRIBUTES, "arn": OUTPUT, "url": OUTPUT})),
    refused={"namePrefix": "use name, or leave both out for a unique name"},
    autoname=Autoname(length=80, form=_name),
    create=_create,
    complete=_complete,
    find=_find,
    read=_read,
    update=_update,
    tag=_tag,
    delete=_delete,
)

TYPES = (QUEUE,)
