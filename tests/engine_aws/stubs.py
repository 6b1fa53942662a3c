"""Answers to what moto 5.2 does not have; each as the API reference describes it, kept in a dict."""

from typing import Any

from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

Parameters = dict[str, Any]
Answers = dict[str, Any]


def refusal(code: str, operation: str = "Operation", status: int = 400, message: str = "no") -> ClientError:
    """An error as a service answers it."""
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


def answers() -> Answers:
    """All answers, by operation."""
    return {
        **_notifications({}),
        **_cache_rules({}),
        "add_client_id_to_open_id_connect_provider": _add_client,
        "remove_client_id_from_open_id_connect_provider": _remove_client,
    }


def _notifications(buckets: dict[str, Parameters]) -> Answers:
    """S3 keeps an empty EventBridgeConfiguration; moto takes it for none."""

    def put(parameters: Parameters) -> Parameters:
        buckets[parameters["Bucket"]] = parameters["NotificationConfiguration"]
        return {}

    def get(parameters: Parameters) -> Parameters:
        return buckets.get(parameters["Bucket"], {})

    return {"put_bucket_notification_configuration": put, "get_bucket_notification_configuration": get}


def _cache_rules(rules: dict[str, Parameters]) -> Answers:
    def known(parameters: Parameters) -> Parameters:
        prefix = parameters.get("ecrRepositoryPrefix") or parameters["ecrRepositoryPrefixes"][0]
        if prefix not in rules:
            raise refusal("PullThroughCacheRuleNotFoundException")
        return rules[prefix]

    def create(parameters: Parameters) -> Parameters:
        rule = {"upstreamRepositoryPrefix": "ROOT", "registryId": DEFAULT_ACCOUNT_ID, **parameters}
        return rules.setdefault(parameters["ecrRepositoryPrefix"], rule)

    def update(parameters: Parameters) -> Parameters:
        known(parameters).update(parameters)
        return {}

    def delete(parameters: Parameters) -> Parameters:
        known(parameters)
        return rules.pop(parameters["ecrRepositoryPrefix"])

    return {
        "create_pull_through_cache_rule": create,
        "describe_pull_through_cache_rules": lambda parameters: {
            "pullThroughCacheRules": [dict(known(parameters))]
        },
        "update_pull_through_cache_rule": update,
        "delete_pull_through_cache_rule": delete,
    }


def _add_client(parameters: Parameters) -> Parameters:
    _clients(parameters).append(parameters["ClientID"])
    return {}


def _remove_client(parameters: Parameters) -> Parameters:
    _clients(parameters).remove(parameters["ClientID"])
    return {}


def _clients(parameters: Parameters) -> list[str]:
    """The client ids of a provider, in moto's own memory: its server runs in this process."""
    backend = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    return backend.open_id_providers[parameters["OpenIDConnectProviderArn"]].client_id_list
