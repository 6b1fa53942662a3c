"""Certificates: who may be trusted in an environment, and the keys of RabbitMQ and the automation service."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests import certificates as manifests
from components.manifests import service
from components.manifests.metadata import Manifest
from components.manifests.rabbitmq import hosts


@dataclass(frozen=True, kw_only=True)
class CertificatesArgs:
    """For whom, and who signs."""

    namespace: pulumi.Input[str]
    """Namespace of the platform, whose pods are RabbitMQ's clients."""
    namespace_name: str
    """The same, for host names; the authority is called like it."""
    rabbitmq_cluster: str
    """Name of the RabbitmqCluster."""
    rabbitmq_namespace: str
    """Its namespace."""
    rabbitmq_space: pulumi.Input[str] | None = None
    """The same once it exists, where RabbitMQ's certificate is ours to make."""
    rabbitmq_secret: str
    """Name of two Secrets, both with `ca.crt`: of RabbitMQ's certificate, and of its clients' in ours."""
    issuer: str = ""
    """An existing ClusterIssuer; empty: an authority of the environment's own."""
    authority_namespace: str = "cert-manager"
    """Where cert-manager looks for the Secrets of ClusterIssuers."""


class Certificates(pulumi.ComponentResource):
    """An authority unless there is one, and a Certificate for RabbitMQ, its clients and the service.

    cert-manager makes and renews the Secrets; no key passes through the stack.
    """

    issuer: pulumi.Output[str]
    """Name of the ClusterIssuer."""
    rabbitmq_secret: pulumi.Output[str]
    """Secret with RabbitMQ's certificate in its namespace, and with a client's and `ca.crt` in ours."""
    service_secret: pulumi.Output[str]
    """Secret with the automation service's certificate."""

    def __init__(self, name: str, args: CertificatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Certificates", name, None, opts)
        issuer = args.issuer or args.namespace_name
        after: list[pulumi.Resource] = [] if args.issuer else [self._authority(name, args, issuer)]
        for role, planned in _leaves(args, issuer).items():
            custom(f"{name}-{role}", planned, pulumi.ResourceOptions(parent=self, depends_on=after))
        self.issuer = pulumi.Output.from_input(issuer)
        self.rabbitmq_secret = pulumi.Output.from_input(args.rabbitmq_secret)
        self.service_secret = pulumi.Output.from_input(service.TLS_SECRET)
        self.register_outputs(
            {
                "issuer": self.issuer,
                "rabbitmq_secret": self.rabbitmq_secret,
                "service_secret": self.service_secret,
            }
        )

    def _authority(self, name: str, args: CertificatesArgs, issuer: str) -> pulumi.Resource:
        """Declare the authority and return its ClusterIssuer."""
        root, certificate = f"{issuer}-root", f"{issuer}-authority"
        signs_itself = manifests.self_signed(root, args.authority_namespace)
        made: pulumi.Resource = custom(f"{name}-root", signs_itself, pulumi.ResourceOptions(parent=self))
        for role, planned in {
            "authority": manifests.authority(certificate, args.authority_namespace, issuer=root),
            "issuer": manifests.cluster_issuer(issuer, secret=certificate),
        }.items():
            made = custom(f"{name}-{role}", planned, pulumi.ResourceOptions(parent=self, depends_on=[made]))
        return made


def _leaves(args: CertificatesArgs, issuer: str) -> dict[str, Manifest]:
    """Return the certificates by role."""
    host = f"{service.NAME}.{args.namespace_name}"
    leaves = {
        "clients": manifests.Leaf(
            name=args.rabbitmq_secret,
            namespace=args.namespace,
            hosts=(f"clients.{args.namespace_name}",),
            usages=("client auth",),
            issuer=issuer,
        ),
        "service": manifests.Leaf(
            name=service.TLS_SECRET,
            namespace=args.namespace,
            hosts=(f"{host}.svc", f"{host}.svc.cluster.local", service.NAME),
            usages=("server auth",),
            issuer=issuer,
        ),
    }
    if args.rabbitmq_space is not None:
        leaves["rabbitmq"] = manifests.Leaf(
            name=args.rabbitmq_secret,
            namespace=args.rabbitmq_space,
            hosts=tuple(hosts(args.rabbitmq_cluster, args.rabbitmq_namespace)),
            usages=("server auth", "client auth"),
            issuer=issuer,
        )
    return {role: manifests.leaf(found) for role, found in leaves.items()}
