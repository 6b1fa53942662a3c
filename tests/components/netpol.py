"""A small evaluator of NetworkPolicies: which connections a set of policies lets through.

As the API's reference has it: a pod that no policy selects for a direction is open in it; otherwise one rule
of one policy has to allow the connection. Both ends have to agree. Addresses outside the cluster have no
policies. Whether an ipBlock means pods as well is the network plugin's business; here it does not.
"""

import ipaddress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pod:
    namespace: str
    labels: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Address:
    ip: str


def allows(policies, source, target, port, protocol="TCP"):
    """Say whether `source` (a Pod) may open a connection to `target` (a Pod or an Address)."""
    leaves = _passes(policies, source, target, "Egress", "egress", "to", (port, protocol))
    if isinstance(target, Address):
        return leaves
    return leaves and _passes(policies, target, source, "Ingress", "ingress", "from", (port, protocol))


def _passes(policies, pod, peer, direction, rules, side, connection):
    selecting = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == pod.namespace
        and direction in policy["spec"]["policyTypes"]
        and _selects(policy["spec"]["podSelector"], pod.labels)
    ]
    return not selecting or any(
        _rule_allows(rule, side, pod.namespace, peer, connection)
        for spec in selecting
        for rule in spec.get(rules, [])
    )


def _rule_allows(rule, side, own_namespace, peer, connection):
    ports = rule.get("ports")
    if ports is not None and connection not in [
        (item["port"], item.get("protocol", "TCP")) for item in ports
    ]:
        return False
    peers = rule.get(side)
    return not peers or any(_is_peer(item, own_namespace, peer) for item in peers)


def _is_peer(item, own_namespace, peer):
    if "ipBlock" in item:
        return isinstance(peer, Address) and _in_block(item["ipBlock"], ipaddress.ip_address(peer.ip))
    if isinstance(peer, Address):
        return False
    if "namespaceSelector" in item:
        if not _selects(item["namespaceSelector"], {"kubernetes.io/metadata.name": peer.namespace}):
            return False
    elif peer.namespace != own_namespace:
        return False
    return _selects(item.get("podSelector", {}), peer.labels)


def _in_block(block, ip):
    return ip in ipaddress.ip_network(block["cidr"]) and not any(
        ip in ipaddress.ip_network(hole) for hole in block.get("except", [])
    )


def _selects(selector, labels):
    exact = selector.get("matchLabels", {})
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", "this evaluator knows no other operator"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return all(labels.get(key) == value for key, value in exact.items())
