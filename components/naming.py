"""Every name of the platform, in one place: pure, total, never too long, and never shared by two functions.

A function's name shows its ids where they fit. Wherever two pairs of ids could end in the same text (they had
to be cleaned or cut, the third party's id contains a hyphen, or the text looks as if it carried a hash) it
ends in eight hex digits of the SHA-256 of the unchanged ids.
"""

import hashlib
import re
from typing import Final

MAX_LABEL: Final = 63
"""Longest DNS-1123 label and longest label value, in characters."""

MAX_FUNCTION_NAME: Final = 50
"""Longest function name: a revision is called `{name}-00001`, which must be a label as well."""

_HASH_DIGITS: Final = 8
_THIRD_PARTY_PART: Final = 16
_PARSER_PART: Final = 15
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LOOKS_HASHED: Final = re.compile(rf"-[0-9a-f]{{{_HASH_DIGITS}}}$")
_UNCLEAN: Final = re.compile(r"[^a-z0-9]+")


def is_label_value(text: str) -> bool:
    """Say whether the text can be an id: a non-empty label value of Kubernetes, 1 to 63 characters."""
    return _LABEL_VALUE.fullmatch(text) is not None


def digest(*parts: str) -> str:
    """Return eight hex digits that tell one sequence of texts from another (their borders count)."""
    framed = b"".join(
        len(raw).to_bytes(8) + raw for raw in (part.encode("utf-8", "surrogatepass") for part in parts)
    )
    return hashlib.sha256(framed).hexdigest()[:_HASH_DIGITS]


def cleaned(text: str, limit: int) -> str:
    """Return lower-case letters, digits and inner hyphens only, at most `limit` characters, never empty."""
    return _UNCLEAN.sub("-", text.lower()).strip("-")[:limit].strip("-") or "x"


def _function_part(third_party_id: str, parser_id: str, limit: int) -> str:
    """Return `{third party}-{parser}`, hashed unless that text can only mean these two ids."""
    plain = f"{third_party_id}-{parser_id}"
    unambiguous = "-" not in third_party_id and not _LOOKS_HASHED.search(plain)
    if unambiguous and len(plain) <= limit and cleaned(plain, limit) == plain:
        return plain
    third_party, parser = cleaned(third_party_id, _THIRD_PARTY_PART), cleaned(parser_id, _PARSER_PART)
    return f"{third_party}-{parser}-{digest(third_party_id, parser_id)}"


def function_name(third_party_id: str, parser_id: str) -> str:
    """Return the name of a function's Kubernetes objects, a DNS-1123 label of at most 50 characters."""
    prefix = "lambda-"
    return prefix + _function_part(third_party_id, parser_id, MAX_FUNCTION_NAME - len(prefix))


def stack_name(third_party_id: str, parser_id: str) -> str:
    """Return the name of a function's stack; it differs from the function's name in its prefix only."""
    return "fn-" + function_name(third_party_id, parser_id).removeprefix("lambda-")


def stack_prefix(third_party_id: str) -> str:
    """Return what the names of a third party's stacks begin with; those of others may, too. Empty: of all."""
    return "fn-" + (cleaned(third_party_id, _THIRD_PARTY_PART) if third_party_id else "")


def job_name(third_party_id: str, parser_id: str, *build: str) -> str:
    """Return the name of one build's Job, at most 63 characters; `build` tells it from other builds."""
    third_party, parser = cleaned(third_party_id, _THIRD_PARTY_PART), cleaned(parser_id, _PARSER_PART)
    return f"kaniko-build-{third_party}-{parser}-{digest(third_party_id, parser_id, *build)}"


def image_repository(registry: str, repository: str) -> str:
    """Return the repository that holds every function's image, without a tag."""
    return f"{registry}/{repository}"


def image_uri(registry: str, repository: str, third_party_id: str, parser_id: str, content_hash: str) -> str:
    """Return the destination of a build: our repository, tagged with the function and its content."""
    function = function_name(third_party_id, parser_id).removeprefix("lambda-")
    return f"{image_repository(registry, repository)}:{function}-{content_hash[:_HASH_DIGITS]}"


def context_key(third_party_id: str, parser_id: str, content_hash: str) -> str:
    """Return the key of a build context; equal content has one key, different contents never share one."""
    return f"{context_folder(third_party_id, parser_id)}{content_hash}/context.tar.gz"


def context_folder(third_party_id: str, parser_id: str) -> str:
    """Return the folder of all build contexts of a function."""
    return f"build-context/{parser_id}/{third_party_id}/"


def source_prefix(parser_id: str) -> str:
    """Return the folder of a parser's code in the source bucket."""
    return f"global/parser/{parser_id}/"


def namespace(environment: str) -> str:
    """Return the namespace of an environment."""
    return f"knative-lambda-{environment}"


def broker_name(environment: str) -> str:
    """Return the name of an environment's Knative Broker."""
    return f"knative-lambda-broker-{environment}"


def broker_url(environment: str, namespace: str) -> str:
    """Return where an environment's Broker takes events, inside the cluster."""
    return f"http://{broker_name(environment)}-broker-ingress.{namespace}.svc.cluster.local"


def events_queue(environment: str) -> str:
    """Return the queue of events that others publish straight to RabbitMQ."""
    return f"lambda-events-{environment}"


def dead_letter_queue(environment: str) -> str:
    """Return the queue that dead letters wait in."""
    return f"lambda-dlq-queue-{environment}"


def poison_queue(dead_letters: str) -> str:
    """Return the queue of those dead letters that were replayed too often and came back."""
    return f"{dead_letters}-poison"


def source_bucket(environment: str) -> str:
    """Return the bucket that parsers' code lands in."""
    return f"knative-lambda-{environment}-fusion-modules-tmp"


def context_bucket(environment: str) -> str:
    """Return the bucket of build contexts."""
    return f"knative-lambda-{environment}-context-tmp"


def state_bucket(environment: str) -> str:
    """Return the bucket of functions' stacks."""
    return f"knative-lambda-{environment}-state"


def functions_repository(environment: str) -> str:
    """Return the repository of functions' images."""
    return f"knative-lambdas-{environment}"


def cache_repository(environment: str) -> str:
    """Return the repository of cached layers."""
    return f"knative-lambdas-{environment}-cache"


def service_repository(environment: str) -> str:
    """Return the repository of the platform's own image."""
    return f"knative-lambda-builder-{environment}"


def upstream_prefix(environment: str) -> str:
    """Return what the repositories of base images begin with, at most 30 characters."""
    return f"knative-lambda-base-{environment}"


def role_name(actor: str, environment: str) -> str:
    """Return the name of an actor's IAM role, at most 64 characters."""
    return f"knative-lambda-{actor}-{environment}"


def event_trigger_name(event_type: str) -> str:
    """Return the name of the Trigger that brings one event type to the automation service."""
    suffix = event_type.removeprefix("network.notifi.lambda.").removeprefix("io.knative.lambda.")
    return f"knative-lambda-builder-{cleaned(suffix, MAX_LABEL - len('knative-lambda-builder-'))}"
