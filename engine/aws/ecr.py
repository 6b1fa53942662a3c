"""ECR: repositories with their policies, pull-through cache rules, the registry's scanning.

terraform: internal/service/ecr/*.go.
"""

from collections.abc import Mapping
from typing import Any

from engine.aws import documents
from engine.aws.client import Aws, ServiceError
from engine.aws.shapes import from_api, given, pairs, to_api, unpaired
from engine.aws.spec import (
    OUTPUT,
    Autoname,
    Change,
    Created,
    Json,
    ResourceType,
    block,
    blocks,
    document,
    flag,
    regional,
    tagged,
    text,
)
from engine.provider import ProviderError

_NO_REPOSITORY = ("RepositoryNotFoundException",)
_MUTABILITY = ("MUTABLE", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION")


def _create_repository(aws: Aws, inputs: Json) -> Created:
    request = to_api(_REPOSITORY_FIELDS, inputs)
    encryption = [to_api(_ENCRYPTION, item) for item in inputs.get("encryptionConfigurations") or ()]
    optional = given(
        encryptionConfiguration=encryption[0] if encryption else None, tags=pairs(inputs.get("tags") or {})
    )
    aws.call("ecr", "create_repository", repositoryName=inputs["name"], **request, **optional)
    return Created(id=inputs["name"])


def _find_repository(aws: Aws, inputs: Json) -> str | None:
    return inputs["name"] if _repository(aws, inputs["name"]) else None


def _repository(aws: Aws, name: str) -> Json | None:
    answer = aws.find("ecr", "describe_repositories", _NO_REPOSITORY, repositoryNames=[name])
    return dict(answer["repositories"][0]) if answer else None


def _read_repository(aws: Aws, id_: str, recorded: Json) -> Json | None:
    found = _repository(aws, id_)
    if found is None:
        return None
    tags = aws.find("ecr", "list_tags_for_resource", _NO_REPOSITORY, resourceArn=found["repositoryArn"]) or {}
    encryption = found.get("encryptionConfiguration") or {"encryptionType": "AES256"}
    return {
        **from_api(_REPOSITORY_FIELDS, found),
        "encryptionConfigurations": [from_api(_ENCRYPTION, encryption)],
        "name": id_,
        "arn": found["repositoryArn"],
        "registryId": found["registryId"],
        "repositoryUrl": found["repositoryUri"],
        "tags": unpaired(tags.get("tags", ())),
    }


def _update_repository(aws: Aws, id_: str, change: Change) -> None:
    wanted = to_api(_REPOSITORY_FIELDS, change.new)
    if change.touches("imageTagMutability", "imageTagMutabilityExclusionFilters"):
        mutability = {name: wanted[name] for name in _TAG_PARAMETERS if name in wanted}
        aws.call("ecr", "put_image_tag_mutability", repositoryName=id_, **mutability)
    if change.touches("imageScanningConfiguration"):
        scanning = wanted["imageScanningConfiguration"]
        aws.call(
            "ecr", "put_image_scanning_configuration", repositoryName=id_, imageScanningConfiguration=scanning
        )


def _tag_repository(aws: Aws, id_: str, recorded: Json, added: Mapping[str, str], removed: list[str]) -> None:
    if removed:
        aws.call("ecr", "untag_resource", resourceArn=recorded["arn"], tagKeys=removed)
    if added:
        aws.call("ecr", "tag_resource", resourceArn=recorded["arn"], tags=pairs(added))


def _delete_repository(aws: Aws, id_: str, recorded: Json) -> None:
    force = bool(recorded.get("forceDelete"))
    try:
        aws.find("ecr", "delete_repository", _NO_REPOSITORY, repositoryName=id_, force=force)
    except ServiceError as error:
        if error.code != "RepositoryNotEmptyException":
            raise
        raise ProviderError(
            f"the repository {id_} holds images, and forceDelete is not set: delete them, or set forceDelete "
            "to true, update the stack, and delete then"
        ) from error


def _create_lifecycle(aws: Aws, inputs: Json) -> Created:
    _put_lifecycle(aws, inputs)
    return Created(id=inputs["repository"])


def _put_lifecycle(aws: Aws, inputs: Json) -> None:
    name, policy = inputs["repository"], inputs["policy"]
    aws.call("ecr", "put_lifecycle_policy", repositoryName=name, lifecyclePolicyText=policy)


def _read_lifecycle(aws: Aws, id_: str, recorded: Json) -> Json | None:
    answer = aws.find("ecr", "get_lifecycle_policy", _NO_LIFECYCLE, repositoryName=id_)
    return answer and {
        "repository": id_, "policy": answer["lifecyclePolicyText"], "registryId": answer["registryId"],
    }  # fmt: skip


def _delete_lifecycle(aws: Aws, id_: str, recorded: Json) -> None:
    aws.find("ecr", "delete_lifecycle_policy", _NO_LIFECYCLE, repositoryName=id_)


def _create_policy(aws: Aws, inputs: Json) -> Created:
    _put_policy(aws, inputs)
    return Created(id=inputs["repository"])


def _put_policy(aws: Aws, inputs: Json) -> None:
    def put() -> Json:
        return aws.call(
            "ecr", "set_repository_policy", repositoryName=inputs["repository"], policyText=inputs["policy"]
        )

    aws.patiently(put, _is_new_principal)


def _is_new_principal(error: ServiceError) -> bool:
    """Say whether the policy may name a principal that was just made and is not seen yet."""
    return error.code == "InvalidParameterException" and "Invalid repository policy" in error.message


def _read_policy(aws: Aws, id_: str, recorded: Json) -> Json | None:
    answer = aws.find("ecr", "get_repository_policy", _NO_POLICY, repositoryName=id_)
    return answer and {"repository": id_, "policy": answer["policyText"], "registryId": answer["registryId"]}


def _delete_policy(aws: Aws, id_: str, recorded: Json) -> None:
    aws.find("ecr", "delete_repository_policy", _NO_POLICY, repositoryName=id_)


def _create_rule(aws: Aws, inputs: Json) -> Created:
    aws.call("ecr", "create_pull_through_cache_rule", **to_api(_RULE_FIELDS, inputs))
    return Created(id=inputs["ecrRepositoryPrefix"])


def _find_rule(aws: Aws, inputs: Json) -> str | None:
    prefix = inputs["ecrRepositoryPrefix"]
    return prefix if _read_rule(aws, prefix, {}) else None


def _read_rule(aws: Aws, id_: str, recorded: Json) -> Json | None:
    answer = aws.find("ecr", "describe_pull_through_cache_rules", _NO_RULE, ecrRepositoryPrefixes=[id_])
    if not answer or not answer["pullThroughCacheRules"]:
        return None
    found = answer["pullThroughCacheRules"][0]
    return {**from_api(_RULE_FIELDS, found), "registryId": found["registryId"]}


def _update_rule(aws: Aws, id_: str, change: Change) -> None:
    request = given(
        credentialArn=change.new.get("credentialArn"), customRoleArn=change.new.get("customRoleArn")
    )
    aws.call("ecr", "update_pull_through_cache_rule", ecrRepositoryPrefix=id_, **request)


def _delete_rule(aws: Aws, id_: str, recorded: Json) -> None:
    aws.find("ecr", "delete_pull_through_cache_rule", _NO_RULE, ecrRepositoryPrefix=id_)


def _create_scanning(aws: Aws, inputs: Json) -> Created:
    _put_scanning(aws, inputs)
    return Created(id=str(aws.session.identity()["Account"]))


def _put_scanning(aws: Aws, inputs: Json) -> None:
    request = to_api(_SCANNING_FIELDS, inputs)
    aws.call("ecr", "put_registry_scanning_configuration", **{"rules": [], **request})


def _read_scanning(aws: Aws, id_: str, recorded: Json) -> Json | None:
    answer = aws.call("ecr", "get_registry_scanning_configuration")
    found = from_api(_SCANNING_FIELDS, answer["scanningConfiguration"])
    return {**found, "registryId": answer.get("registryId") or id_}


def _delete_scanning(aws: Aws, id_: str, recorded: Json) -> None:
    """Set the registry back to what it is without a configuration: it cannot be deleted."""
    aws.call("ecr", "put_registry_scanning_configuration", scanType="BASIC", rules=[])


def _put(function: Any) -> Any:
    """Make an update of a function that puts a whole document."""

    def update(aws: Aws, id_: str, change: Change) -> None:
        function(aws, change.new)

    return update


_NO_LIFECYCLE = (*_NO_REPOSITORY, "LifecyclePolicyNotFoundException")
_NO_POLICY = (*_NO_REPOSITORY, "RepositoryPolicyNotFoundException")
_NO_RULE = ("PullThroughCacheRuleNotFoundException",)
_TAG_PARAMETERS = ("imageTagMutability", "imageTagMutabilityExclusionFilters")
_ENCRYPTION = {
    "encryptionType": text(default="AES256", choices=("AES256", "KMS", "KMS_DSSE"), api="encryptionType"),
    "kmsKey": text(computed=True, api="kmsKey"),
}
_FILTER = {"filter": text(required=True, api="filter"), "filterType": text(required=True, api="filterType")}
_REPOSITORY_FIELDS = {
    "imageTagMutability": text(default="MUTABLE", choices=_MUTABILITY, api="imageTagMutability"),
    "imageTagMutabilityExclusionFilters": blocks(_FILTER, api="imageTagMutabilityExclusionFilters"),
    "imageScanningConfiguration": block(
        {"scanOnPush": flag(required=True, api="scanOnPush")}, computed=True, api="imageScanningConfiguration"
    ),
}
_RULE_FIELDS = {
    "ecrRepositoryPrefix": text(required=True, force_new=True, length=30, api="ecrRepositoryPrefix"),
    "upstreamRegistryUrl": text(required=True, force_new=True, api="upstreamRegistryUrl"),
    "credentialArn": text(api="credentialArn"),
    "customRoleArn": text(api="customRoleArn"),
    "upstreamRepositoryPrefix": text(computed=True, force_new=True, api="upstreamRepositoryPrefix"),
}
_SCANNING_FIELDS = {
    "scanType": text(required=True, choices=("BASIC", "ENHANCED"), api="scanType"),
    "rules": blocks(
        {
            "repositoryFilters": blocks(_FILTER, ordered=False, required=True, api="repositoryFilters"),
            "scanFrequency": text(
                required=True, choices=("SCAN_ON_PUSH", "CONTINUOUS_SCAN", "MANUAL"), api="scanFrequency"
            ),
        },
        ordered=False,
        api="rules",
    ),
}
_OF_REPOSITORY = {"repository": text(required=True, force_new=True), "registryId": OUTPUT}

REPOSITORY = ResourceType(
    type="aws:ecr/repository:Repository",
    props=tagged(
        regional(
            {
                "name": text(force_new=True),
                **_REPOSITORY_FIELDS,
                "encryptionConfigurations": blocks(_ENCRYPTION, computed=True, force_new=True),
                "forceDelete": flag(local=True),
                "arn": OUTPUT,
                "registryId": OUTPUT,
                "repositoryUrl": OUTPUT,
            }
        )
    ),
    autoname=Autoname(length=256, form=lambda name, _: name.lower()),
    create=_create_repository,
    find=_find_repository,
    read=_read_repository,
    update=_update_repository,
    tag=_tag_repository,
    delete=_delete_repository,
)
LIFECYCLE_POLICY = ResourceType(
    type="aws:ecr/lifecyclePolicy:LifecyclePolicy",
    props=regional({**_OF_REPOSITORY, "policy": document(documents.lifecycle_policy, required=True)}),
    create=_create_lifecycle,
    read=_read_lifecycle,
    update=_put(_put_lifecycle),
    delete=_delete_lifecycle,
    leaf=True,
)
REPOSITORY_POLICY = ResourceType(
    type="aws:ecr/repositoryPolicy:RepositoryPolicy",
    props=regional({**_OF_REPOSITORY, "policy": document(documents.policy, required=True)}),
    create=_create_policy,
    read=_read_policy,
    update=_put(_put_policy),
    delete=_delete_policy,
    leaf=True,
)
PULL_THROUGH_CACHE_RULE = ResourceType(
    type="aws:ecr/pullThroughCacheRule:PullThroughCacheRule",
    props=regional({**_RULE_FIELDS, "registryId": OUTPUT}),
    create=_create_rule,
    find=_find_rule,
    read=_read_rule,
    update=_update_rule,
    delete=_delete_rule,
    leaf=True,
)
REGISTRY_SCANNING = ResourceType(
    type="aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration",
    props=regional({**_SCANNING_FIELDS, "registryId": OUTPUT}),
    create=_create_scanning,
    read=_read_scanning,
    update=_put(_put_scanning),
    delete=_delete_scanning,
    leaf=True,
)

TYPES = (REPOSITORY, LIFECYCLE_POLICY, REPOSITORY_POLICY, PULL_THROUGH_CACHE_RULE, REGISTRY_SCANNING)
