"""Exchanges, queues, policies and users of an environment, as RabbitMQ's topology operator takes them.

    cloud-events        others publish here, the event's type as routing key
    lambda-events-…     what a RabbitmqSource takes from there to the Broker, or our consumer to its receivers
    knative-lambda-dlx  what the source could not hand over comes here by itself
    knative-lambda-dlq  the handler of dead letters publishes here, with keys `dlq.…`
    lambda-dlq-queue-…  where all dead letters wait; with `-poison` those that replays did not help

Limits are in policies, not in the queues' arguments: RabbitMQ changes policies in place, arguments never.
Which of the contract's conflicting names are used, and why no rate policies: docs/decisions/0046.
"""

from typing import TYPE_CHECKING, Any, Final

from components import naming
from components.manifests.metadata import Manifest, object_meta, platform_labels

if TYPE_CHECKING:
    from components.topology import TopologyArgs

EVENTS: Final = "cloud-events"
DEAD_LETTERS: Final = "knative-lambda-dlq"
DESK: Final = f"{DEAD_LETTERS}.desk"
"""Lock of who goes through the dead letters (automation.dead_letters.desk)."""
FALLBACK: Final = "knative-lambda-dlx"
FALLBACK_KEY: Final = "dlq"

HANDLER_USER: Final = "knative-lambda-dead-letters"
CONSUMER_USER: Final = "knative-lambda-consumer"
PUBLISHER_USER: Final = "notifi-publisher"
SOURCE_USER: Final = "knative-lambda-source"

VHOST: Final = "/"

_TYPES: Final = ("network.notifi.lambda.#", "io.knative.lambda.#")
"""Routing keys of the events that we serve; others on the same exchange are not ours."""

_WEEK_MS: Final = 7 * 24 * 3600 * 1000
_MOST_LETTERS: Final = 50_000
_NO_LIMIT: Final = 1_000_000
"""Of deliveries: looking at a dead letter and putting it back must not drop it. RabbitMQ 4 would after 20
by itself; "unlimited" (-1) is refused by RabbitMQ 3."""


def topology(args: "TopologyArgs") -> dict[str, Manifest]:
    """Return what has to be there first, by role: exchanges, queues, policies and users."""
    return {
        "events-exchange": _exchange(args, EVENTS, "topic"),
        "dead-letters-exchange": _exchange(args, DEAD_LETTERS, "topic"),
        "fallback-exchange": _exchange(args, FALLBACK, "direct"),
        "events-queue": _queue(args, args.events_queue),
        "dead-letters-queue": _queue(args, args.dead_letter_queue),
        "poison-queue": _queue(args, naming.poison_queue(args.dead_letter_queue)),
        "events-policy": _policy(args, args.events_queue, _events_limits()),
        "dead-letters-policy": _policy(args, args.dead_letter_queue, _dead_letters_limits()),
        "poison-policy": _policy(args, naming.poison_queue(args.dead_letter_queue), _dead_letters_limits()),
        **{f"{user}-user": _user(args, user) for user in users(args)},
    }


def connections(args: "TopologyArgs") -> dict[str, Manifest]:
    """Return what connects the things of `topology`, by role: bindings and permissions."""
    bindings = {
        **{f"events-{key.split('.')[0]}-binding": (EVENTS, key, args.events_queue) for key in _TYPES},
        "dead-letters-binding": (DEAD_LETTERS, "dlq.#", args.dead_letter_queue),
        "poison-binding": (DEAD_LETTERS, "poison.#", naming.poison_queue(args.dead_letter_queue)),
        "fallback-binding": (FALLBACK, FALLBACK_KEY, args.dead_letter_queue),
    }
    return {
        **{role: _binding(args, role, *ends) for role, ends in bindings.items()},
        **{f"{user}-permission": _permission(args, user, rights) for user, rights in users(args).items()},
    }


def users(args: "TopologyArgs") -> dict[str, dict[str, str]]:
    """Return each user's rights as patterns: what it may write to and read from.

    Nobody configures, but for the lock of who goes through the dead letters: an exclusive queue.

    The source's own user is there where its credentials come from a store: eventing-rabbitmq reads them
    from a Secret with an address in it, which RabbitMQ's operator does not make.
    """
    letters = (args.dead_letter_queue, naming.poison_queue(args.dead_letter_queue))
    found = {
        HANDLER_USER: {
            "configure": _exactly(DESK.replace(".", "[.]")),
            "write": _exactly(DEAD_LETTERS, EVENTS),
            "read": _exactly(*letters),
        },
        PUBLISHER_USER: {"write": _exactly(EVENTS)},
    }
    if args.consumer:
        found[CONSUMER_USER] = {
            "write": _exactly(DEAD_LETTERS, EVENTS),
            "read": _exactly(args.events_queue),
        }
    elif args.stored_credentials:
        found[SOURCE_USER] = {"read": _exactly(args.events_queue)}
    return found


def credentials(args: "TopologyArgs", user: str) -> str:
    """Return the Secret with a user's `username` and `password`, in the platform's namespace."""
    return stored_secret(user) if args.stored_credentials else f"{user}-user-credentials"


def stored_secret(user: str) -> str:
    """Return the Secret with a user's credentials from a store."""
    return f"{user}-rabbitmq"


def connection(host: str, port: int, tls_secret: str) -> dict[str, str]:
    """Return what eventing-rabbitmq reads from a Secret besides credentials (pkg/rabbit/service.go).

    A `uri` with https means AMQP over TLS, with the authority in the Secret that `caSecretName` names.
    """
    if not tls_secret:
        return {"uri": f"http://{host}", "port": str(port)}
    return {"uri": f"https://{host}", "port": str(port), "caSecretName": tls_secret}


def source(args: "TopologyArgs") -> Manifest:
    """Return the RabbitmqSource that brings what others published to the Broker.

    What the Broker does not take after all retries goes to the fallback exchange (the adapter rejects it).
    """
    return {
        "apiVersion": "sources.knative.dev/v1alpha1",
        "kind": "RabbitmqSource",
        "metadata": object_meta(
            args.source_name, args.namespace, platform_labels("source"), args.source_annotations
        ),
        "spec": {
            "rabbitmqClusterReference": _source_reference(args),
            "rabbitmqResourcesConfig": {
                "exchangeName": EVENTS,
                "queueName": args.events_queue,
                "predeclared": True,
                "parallelism": 10,
                "vhost": VHOST,
            },
            "delivery": {"retry": 5, "backoffPolicy": "exponential", "backoffDelay": "PT1S"},
            "sink": {
                "ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": args.broker_name}
            },
        },
    }


def _source_reference(args: "TopologyArgs") -> Manifest:
    if not args.stored_credentials:
        return _reference(args)
    return {"namespace": args.namespace, "connectionSecret": {"name": credentials(args, SOURCE_USER)}}


def _events_limits() -> Manifest:
    """Return that nothing that was taken from the exchange is dropped: at-least-once needs reject-publish."""
    return {
        "dead-letter-exchange": FALLBACK,
        "dead-letter-routing-key": FALLBACK_KEY,
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
        "delivery-limit": 20,
    }


def _dead_letters_limits() -> Manifest:
    return {
        "message-ttl": _WEEK_MS,
        "max-length": _MOST_LETTERS,
        "overflow": "reject-publish",
        "delivery-limit": _NO_LIMIT,
    }


def _exchange(args: "TopologyArgs", name: str, kind: str) -> Manifest:
    return _object(args, "Exchange", name, {"name": name, "type": kind, "durable": True, "vhost": VHOST})


def _queue(args: "TopologyArgs", name: str) -> Manifest:
    return _object(args, "Queue", name, {"name": name, "type": "quorum", "durable": True, "vhost": VHOST})


def _policy(args: "TopologyArgs", queue: str, definition: Manifest) -> Manifest:
    spec = {
        "name": queue,
        "vhost": VHOST,
        "pattern": _exactly(queue),
        "applyTo": "queues",
        "priority": 10,
        "definition": definition,
    }
    return _object(args, "Policy", queue, spec)


def _binding(args: "TopologyArgs", role: str, exchange: str, key: str, queue: str) -> Manifest:
    spec = {
        "vhost": VHOST,
        "source": exchange,
        "routingKey": key,
        "destination": queue,
        "destinationType": "queue",
    }
    return _object(args, "Binding", f"knative-lambda-{role.removesuffix('-binding')}", spec)


def _user(args: "TopologyArgs", name: str) -> Manifest:
    stored = {"importCredentialsSecret": {"name": credentials(args, name)}} if args.stored_credentials else {}
    return _object(args, "User", name, stored)


def _permission(args: "TopologyArgs", user: str, rights: dict[str, str]) -> Manifest:
    nothing = {"configure": "^$", "write": "^$", "read": "^$"}
    spec = {"vhost": VHOST, "userReference": {"name": user}, "permissions": {**nothing, **rights}}
    return _object(args, "Permission", user, spec)


def _object(args: "TopologyArgs", kind: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": kind,
        "metadata": object_meta(name, args.namespace, platform_labels("rabbitmq")),
        "spec": {**spec, "rabbitmqClusterReference": _reference(args)},
    }


def _reference(args: "TopologyArgs") -> dict[str, Any]:
    return {"name": args.cluster, "namespace": args.cluster_namespace}


def _exactly(*names: str) -> str:
    """Return the pattern that only these names match; hyphens are no special characters."""
    return f"^{names[0]}$" if len(names) == 1 else f"^({'|'.join(names)})$"
