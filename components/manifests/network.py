"""Who may talk to whom in an environment's namespace: nobody, and then exactly the contract's allowances.

Pods are told apart by labels, ours and those of the operators that make pods in our namespace:

- a Broker's ingress and its Triggers' dispatchers carry `eventing.knative.dev/broker` and `…/brokerRole`:
  `ingress` on port 8080, `dispatcher` and `dispatcher-dlq`, metrics on 9090 (eventing-rabbitmq at bd1ee99,
  pkg/reconciler/broker/resources/{ingress,dispatcher}.go, pkg/reconciler/trigger/resources/dispatcher.go);
- the activator and the autoscaler are `app: activator` and `app: autoscaler` in Knative's namespace (serving,
  config/core/deployments); queue-proxy takes requests on 8012 and 8013, the autoscaler reads its metrics
  on 9090 and Prometheus on 9091 (serving, pkg/networking/constants.go);
- a RabbitmqSource's adapter carries `eventing.knative.dev/SourceName` (eventing-rabbitmq,
  pkg/reconciler/source/resources/labels.go);
- RabbitMQ's pods are `app.kubernetes.io/component: rabbitmq` in the cluster's namespace (cluster-operator,
  internal/metadata/label.go);
- cluster DNS is `k8s-app: kube-dns` in kube-system, CoreDNS included.

The kubelet's probes need no rule: traffic between a node and its own pods is always allowed.
"""

import ipaddress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from components.manifests.metadata import Manifest, object_meta, platform_labels

if TYPE_CHECKING:
    from components.network import NetworkArgs
    from components.rabbitmq import RabbitmqArgs

METADATA_ADDRESSES: Final = ("169.254.169.254/32", "fd00:ec2::254/128")
"""Where a cloud's machine gives its credentials to whoever asks: nowhere reachable from our pods."""

EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
HTTPS: Final = 443
HTTP: Final = 8080
SECURE_HTTP: Final = 8443
"""What the automation service, the functions and the Broker's ingress listen on."""

_DISPATCHER_ROLES: Final = ["dispatcher", "dispatcher-dlq"]
_AMQP: Final = 5672
_AMQPS: Final = 5671
_RABBITMQ_MANAGEMENT: Final = (15672, 15671)
_RABBITMQ_METRICS: Final = (15692, 15691)
"""Without TLS and with it."""
_RABBITMQ_NODES: Final = (4369, 25672)
"""epmd, and Erlang's distribution (rabbitmq.com, networking)."""
_API_SERVER: Final = (443, 6443)
"""Before and after translation of the `kubernetes` Service's address."""
_QUEUE_PROXY: Final = (8012, 8013)
_QUEUE_METRICS: Final = 9090
_USER_METRICS: Final = 9091
_GATEWAY: Final = (8080, 8081, 8012, 8013)
"""What answers for a function's Service: a gateway's plain ports, outer and inner, or the activator's."""
_BROKER_METRICS: Final = 9090
_FLUX_RECEIVERS: Final = 9292
"""What notification-controller's Service `webhook-receiver` leads to (config/manager/deployment.yaml)."""
_NOTIFI_GRPC: Final = 4000
_NOTIFI_HTTP: Final = 5000


def network_policies(args: "NetworkArgs") -> dict[str, Manifest]:
    """Return the policies by what they are about; each name is `knative-lambda-{key}`."""
    rules: dict[str, tuple[Manifest, list[Manifest], list[Manifest]]] = {
        "default-deny": ({}, [], []),
        "dns": ({}, [], [_dns()]),
        "functions": (_ours("function"), _into_functions(args), _out_of_functions(args)),
        "builds": (_ours("build"), [], _out_of_builds(args)),
        "service": (_ours("service"), _into_service(args), _out_of_service(args)),
        "dead-letters": (_ours("dead-letters"), _into_dead_letters(args), _out_of_dead_letters(args)),
        "broker-ingress": (_broker(args, ["ingress"]), _into_broker(args), [_rabbitmq(args)]),
        "dispatchers": (
            _broker(args, _DISPATCHER_ROLES),
            [_metrics(args, _BROKER_METRICS)],
            _out_of_dispatchers(args),
        ),
        "source": (
            _source(args),
            [_metrics(args, _BROKER_METRICS)],
            [_rabbitmq(args), *_events(args)],
        ),
    }
    if args.consumer:
        for eventing in ("broker-ingress", "dispatchers", "source"):
            del rules[eventing]
        rules["consumer"] = (_ours("consumer"), _into_consumer(args), _out_of_consumer(args))
    return {key: _policy(key, args.namespace, *rule) for key, rule in rules.items()}


def rabbitmq_policy(args: "RabbitmqArgs") -> Manifest:
    """Return the policy of RabbitMQ's own pods: clients, operators and metrics in, one another both ways."""
    nodes = {"app.kubernetes.io/name": args.cluster, "app.kubernetes.io/component": "rabbitmq"}
    themselves = _here({"matchLabels": nodes})
    clients = [_elsewhere(args.client_namespace), _elsewhere(args.publisher_namespace)]
    return _policy(
        "rabbitmq",
        args.namespace,
        {"matchLabels": nodes},
        [
            _from(clients, amqp_port(bool(args.tls_secret))),
            _from([_elsewhere(args.operator_namespace)], *_RABBITMQ_MANAGEMENT),
            _metrics(args, *_RABBITMQ_METRICS),
            _from([themselves], *_RABBITMQ_NODES),
        ],
        [_dns(), _to([themselves], *_RABBITMQ_NODES), _api_server(args)],
    )


def amqp_port(tls: bool) -> int:
    """Return where RabbitMQ's clients connect."""
    return _AMQPS if tls else _AMQP


def _policy(
    key: str, namespace: Any, pods: Manifest, ingress: list[Manifest], egress: list[Manifest]
) -> Manifest:
    """Return a policy for both directions; a direction without rules allows nothing more."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": object_meta(f"knative-lambda-{key}", namespace, platform_labels("network")),
        "spec": {
            "podSelector": pods,
            "policyTypes": ["Ingress", "Egress"],
            **({"ingress": ingress} if ingress else {}),
            **({"egress": egress} if egress else {}),
        },
    }


def _into_functions(args: "NetworkArgs") -> list[Manifest]:
    """Requests come from the activator or straight from the gateway, never from another pod."""
    activator = _elsewhere(args.serving_namespace, {"app": "activator"})
    autoscaler = _elsewhere(args.serving_namespace, {"app": "autoscaler"})
    return [
        _from([activator, _elsewhere(args.ingress_namespace)], *_QUEUE_PROXY),
        _from([autoscaler], _QUEUE_METRICS),
        _metrics(args, HTTP, _QUEUE_METRICS, _USER_METRICS),
    ]


def _out_of_functions(args: "NetworkArgs") -> list[Manifest]:
    notifi = _to([_elsewhere(args.notifi_namespace)], _NOTIFI_GRPC)
    return [_internet(HTTPS), *_events(args), notifi, *_to_places(_places([args.otlp_endpoint]))]


def _out_of_builds(args: "NetworkArgs") -> list[Manifest]:
    """The registry, the storage, the monitor's report, its look at its own pod, the scanner's database."""
    database = f"https://{args.scan_database.partition('/')[0]}" if args.scan_database else ""
    new = _places([database]) - _open_places(args)
    return [*_storage_and_registries(args), *_to_places(new), *_events(args), _api_server(args)]


def _into_service(args: "NetworkArgs") -> list[Manifest]:
    brings = _ours("consumer") if args.consumer else _broker(args, _DISPATCHER_ROLES)
    senders = [_here(brings), _elsewhere(args.serving_namespace)]
    # Who comes through the gateway shows a token or a signature: over TLS only.
    return [
        _from(senders, HTTP),
        _from([_elsewhere(args.ingress_namespace)], SECURE_HTTP),
        _metrics(args, HTTP),
    ]


def _out_of_service(args: "NetworkArgs") -> list[Manifest]:
    return [
        *_storage_and_registries(args),
        *_events(args),
        _api_server(args),
        _rabbitmq(args),
        _to([_elsewhere(args.notifi_namespace)], _NOTIFI_GRPC, _NOTIFI_HTTP),
        *([] if args.consumer else [_to([_here(_ours("dead-letters"))], HTTP)]),
        *_to_places(_places([args.otlp_endpoint, args.dead_letter_uri, *args.sink_uris])),
    ]


def _into_consumer(args: "NetworkArgs") -> list[Manifest]:
    senders = [_ours(each) for each in ("function", "build", "service", "dead-letters")]
    return [_from([_here(pods) for pods in senders], HTTP), _metrics(args, HTTP)]


def _out_of_consumer(args: "NetworkArgs") -> list[Manifest]:
    """RabbitMQ, the service or the address that stands for it, and functions by way of their gateway."""
    return [
        _rabbitmq(args),
        _to([_here(_ours("service"))], HTTP),
        _to(_function_gateways(args), *_GATEWAY),
        *_to_places(_places([args.subscriber_uri])),
    ]


def _function_gateways(args: "NetworkArgs") -> list[Manifest]:
    activator = _elsewhere(args.serving_namespace, {"app": "activator"})
    return [_elsewhere(args.ingress_namespace), activator]


def _into_dead_letters(args: "NetworkArgs") -> list[Manifest]:
    # With a consumer there are no dispatchers, and it keeps what the service refuses itself.
    senders = [] if args.consumer else [_broker(args, _DISPATCHER_ROLES), _ours("service")]
    taken = [_from([_here(pods) for pods in senders], HTTP)] if senders else []
    return [*taken, _metrics(args, HTTP)]


def _out_of_dead_letters(args: "NetworkArgs") -> list[Manifest]:
    """A replay goes back to where the event came from."""
    return [*_events(args), _rabbitmq(args)]


def _into_broker(args: "NetworkArgs") -> list[Manifest]:
    senders = [_ours("function"), _ours("build"), _ours("service"), _ours("dead-letters"), _source(args)]
    replies = _broker(args, _DISPATCHER_ROLES)
    return [_from([_here(pods) for pods in [*senders, replies]], HTTP), _metrics(args, _BROKER_METRICS)]


def _out_of_dispatchers(args: "NetworkArgs") -> list[Manifest]:
    """Queues, subscribers, the Broker for replies; and the addresses that stand in for our Services."""
    addresses = _places([args.subscriber_uri, args.dead_letter_uri])
    return [
        _rabbitmq(args),
        *_events(args),
        _to([_here(_ours("service")), _here(_ours("dead-letters"))], HTTP),
        _to(_function_gateways(args), *_GATEWAY),
        *_to_flux(args),
        *_to_places(addresses),
    ]


def _to_flux(args: "NetworkArgs") -> list[Manifest]:
    """Return access to Flux's Receivers where there are some."""
    if not args.flux_namespace:
        return []
    return [_to([_elsewhere(args.flux_namespace, {"app": "notification-controller"})], _FLUX_RECEIVERS)]


def _storage_and_registries(args: "NetworkArgs") -> list[Manifest]:
    """Return access to 443 everywhere, and to storage and registries that are elsewhere."""
    return _to_places(_open_places(args))


def _open_places(args: "NetworkArgs") -> set[tuple[str, int]]:
    urls = [f"https://{registry}" for registry in args.allowed_registries]
    return {("", HTTPS), *_places([*urls, args.storage_endpoint])}


def _to_places(places: set[tuple[str, int]]) -> list[Manifest]:
    """Return access to ports in namespaces, or everywhere (see `_places`).

    Plugins differ in whether a range of addresses means pods; a namespace always does.
    """
    return [
        _to([_elsewhere(namespace)], port) if namespace else _internet(port)
        for namespace, port in sorted(places)
    ]


def _places(urls: list[str]) -> set[tuple[str, int]]:
    """Return namespace and port of each URL; no namespace where its host is not `{name}.{namespace}.svc…`."""
    return {_place(url) for url in urls if url}


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    labels = (parts.hostname or "").split(".")
    namespace = labels[1] if labels[2:3] == ["svc"] else ""
    return namespace, parts.port or (HTTPS if parts.scheme == "https" else 80)


def _internet(port: int) -> Manifest:
    """Return access to every address but the metadata ones."""
    return _to([_block(cidr) for cidr in EVERYWHERE], port)


def _block(cidr: str) -> Manifest:
    """Return a range of addresses without the metadata ones that it holds."""
    whole = ipaddress.ip_network(cidr)
    inside = [address for address in METADATA_ADDRESSES if _holds(whole, ipaddress.ip_network(address))]
    return {"ipBlock": {"cidr": cidr, **({"except": inside} if inside else {})}}


def _holds(whole: Any, part: Any) -> bool:
    return bool(whole.version == part.version and part.subnet_of(whole))


def _api_server(args: "NetworkArgs | RabbitmqArgs") -> Manifest:
    """Return access to the API server, which runs outside the cluster's pods: no label selects it."""
    ranges = [args.api_server_cidr] if args.api_server_cidr else EVERYWHERE
    return _to([_block(cidr) for cidr in ranges], *_API_SERVER)


def _rabbitmq(args: "NetworkArgs") -> Manifest:
    pods = {"app.kubernetes.io/component": "rabbitmq"}
    return _to([_elsewhere(args.rabbitmq_namespace, pods)], amqp_port(args.rabbitmq_tls))


def _events(args: "NetworkArgs") -> list[Manifest]:
    """Return access to the Broker's ingress, and to the address that stands in for it."""
    takes = _ours("consumer") if args.consumer else _broker(args, ["ingress"])
    return [_to([_here(takes)], HTTP), *_to_places(_places([args.broker_uri]))]


def _metrics(args: "NetworkArgs | RabbitmqArgs", *ports: int) -> Manifest:
    prometheus = _elsewhere(args.monitoring_namespace, {"app.kubernetes.io/name": "prometheus"})
    return _from([prometheus], *ports)


def _dns() -> Manifest:
    servers = _elsewhere("kube-system", {"k8s-app": "kube-dns"})
    return {"to": [servers], "ports": [{"protocol": name, "port": 53} for name in ("UDP", "TCP")]}


def _ours(component: str) -> Manifest:
    return {"matchLabels": platform_labels(component)}


def _broker(args: "NetworkArgs", roles: list[str]) -> Manifest:
    role = {"key": "eventing.knative.dev/brokerRole", "operator": "In", "values": roles}
    return {"matchLabels": {"eventing.knative.dev/broker": args.broker_name}, "matchExpressions": [role]}


def _source(args: "NetworkArgs") -> Manifest:
    return {"matchLabels": {"eventing.knative.dev/SourceName": args.source_name}}


def _here(pods: Manifest) -> Manifest:
    return {"podSelector": pods}


def _elsewhere(namespace: str, labels: dict[str, str] | None = None) -> Manifest:
    """Return pods of another namespace: all, or those with the labels."""
    chosen: Manifest = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
    }
    return {**chosen, "podSelector": {"matchLabels": labels}} if labels else chosen


def _from(peers: list[Manifest], *ports: int) -> Manifest:
    return {"from": peers, "ports": _ports(ports)}


def _to(peers: list[Manifest], *ports: int) -> Manifest:
    return {"to": peers, "ports": _ports(ports)}


def _ports(ports: tuple[int, ...]) -> list[Manifest]:
    return [{"protocol": "TCP", "port": port} for port in ports]
