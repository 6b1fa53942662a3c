"""Inline policies of IAM roles and users; their ids are `<role>:<policy>`.

terraform: internal/service/iam/{role_policy,user_policy}.go. `what` is "role" or "user" throughout.
"""

import functools

from engine.aws import documents
from engine.aws.client import Aws
from engine.aws.iam import GONE, NO_PREFIX, document_text, is_unseen
from engine.aws.spec import Autoname, Change, Created, Json, ResourceType, document, text


def _put(what: str, aws: Aws, inputs: Json) -> None:
    target = {_key(what): inputs[what], "PolicyName": inputs["name"]}

    def put() -> Json:
        return aws.call("iam", f"put_{what}_policy", PolicyDocument=inputs["policy"], **target)

    aws.patiently(put, is_unseen)


def _create(what: str, aws: Aws, inputs: Json) -> Created:
    _put(what, aws, inputs)
    return Created(id=_id(what, inputs))


def _update(what: str, aws: Aws, id_: str, change: Change) -> None:
    _put(what, aws, change.new)


def _find(what: str, aws: Aws, inputs: Json) -> str | None:
    id_ = _id(what, inputs)
    return id_ if _read(what, aws, id_, {}) else None


def _read(what: str, aws: Aws, id_: str, recorded: Json) -> Json | None:
    owner, _, name = id_.partition(":")
    answer = aws.find("iam", f"get_{what}_policy", GONE, PolicyName=name, **{_key(what): owner})
    return answer and {what: owner, "name": name, "policy": document_text(answer["PolicyDocument"])}


def _delete(what: str, aws: Aws, id_: str, recorded: Json) -> None:
    owner, _, name = id_.partition(":")
    aws.find("iam", f"delete_{what}_policy", GONE, PolicyName=name, **{_key(what): owner})


def _id(what: str, inputs: Json) -> str:
    return f"{inputs[what]}:{inputs['name']}"


def _key(what: str) -> str:
    return f"{what.capitalize()}Name"


def _inline(what: str, type_: str) -> ResourceType:
    return ResourceType(
        type=type_,
        props={
            what: text(required=True, force_new=True),
            "name": text(force_new=True),
            "policy": document(documents.policy, required=True),
        },
        regional=False,
        refused=NO_PREFIX,
        autoname=Autoname(length=128),
        create=functools.partial(_create, what),
        update=functools.partial(_update, what),
        find=functools.partial(_find, what),
        read=functools.partial(_read, what),
        delete=functools.partial(_delete, what),
    )


TYPES = (
    _inline("role", "aws:iam/rolePolicy:RolePolicy"),
    _inline("user", "aws:iam/userPolicy:UserPolicy"),
)
