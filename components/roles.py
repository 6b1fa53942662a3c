"""Roles: what accounts of the cluster may do in AWS. The only module that declares IAM's resources."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import iam

from components import naming
from components.manifests import access
from components.manifests import iam as manifests
from components.manifests.metadata import Manifest

GITOPS_ACCOUNT: Final = "image-reflector-controller"
"""Flux's account that looks up images' tags."""


@dataclass(frozen=True, kw_only=True)
class RolesArgs:
    """Whose roles, for what, and how the cluster proves who a pod is."""

    environment: str
    """Names the roles."""
    namespace: str
    """Namespace of the platform's accounts."""
    gitops_namespace: str
    """Namespace of Flux."""
    places: manifests.Places
    """The buckets and repositories that the rights are about."""
    service_role_arn: str = ""
    """Role of the automation service that was made elsewhere; empty: it is made here."""
    build_role_arn: str = ""
    """Role of build pods that was made elsewhere; empty: it is made here."""
    oidc_provider_arn: str = ""
    """The cluster's OIDC provider in IAM; empty: it is made from `oidc_issuer_url`."""
    oidc_issuer_url: str = ""
    """The cluster's issuer of service accounts' tokens, an https URL."""


@dataclass(frozen=True)
class _Actor:
    """Who takes on a role."""

    role: str
    namespace: str
    account: str
    given: str
    """A role made elsewhere; empty: none."""
    policy: Callable[[manifests.Places], Manifest]


class Roles(pulumi.ComponentResource):
    """A role for each account that needs AWS, which no other account can take on. Functions have none."""

    service_role_arn: pulumi.Output[str]
    """Role of the automation service."""
    build_role_arn: pulumi.Output[str]
    """Role of build pods."""
    gitops_role_arn: pulumi.Output[str]
    """Role of Flux's image reflector; empty where images are not in ECR."""

    def __init__(self, name: str, args: RolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Roles", name, None, opts)
        provider = self._oidc_provider(f"{name}-oidc", args)
        service, build, gitops = _actors(args)
        self.service_role_arn = self._role(f"{name}-service", service, provider, args)
        self.build_role_arn = self._role(f"{name}-build", build, provider, args)
        self.gitops_role_arn = self._role(f"{name}-gitops", gitops, provider, args)
        self.register_outputs(
            {
                "service_role_arn": self.service_role_arn,
                "build_role_arn": self.build_role_arn,
                "gitops_role_arn": self.gitops_role_arn,
            }
        )

    def _oidc_provider(self, name: str, args: RolesArgs) -> pulumi.Output[str]:
        """Return the ARN of the OIDC provider, which is made here unless it is given."""
        if args.oidc_provider_arn:
            return pulumi.Output.from_input(args.oidc_provider_arn)
        made = iam.OpenIdConnectProvider(
            name,
            url=args.oidc_issuer_url,
            client_id_lists=[manifests.AUDIENCE],
            opts=pulumi.ResourceOptions(parent=self),
        )
        arn: pulumi.Output[str] = made.arn
        return arn

    def _role(
        self, name: str, actor: _Actor, provider: pulumi.Output[str], args: RolesArgs
    ) -> pulumi.Output[str]:
        """Declare a role with its one policy, known once both exist; none where it would allow nothing."""
        policy = actor.policy(args.places)
        if actor.given or not policy["Statement"]:
            return pulumi.Output.from_input(actor.given)
        child = pulumi.ResourceOptions(parent=self)
        trusted = provider.apply(lambda arn: json.dumps(manifests.trust(arn, actor.namespace, actor.account)))
        made = iam.Role(
            f"{name}-role",
            name=naming.role_name(actor.role, args.environment),
            description=f"{actor.account} in {actor.namespace}",
            assume_role_policy=trusted,
            opts=child,
        )
        rights = iam.RolePolicy(
            f"{name}-policy", name="rights", role=made.name, policy=json.dumps(policy), opts=child
        )
        return pulumi.Output.all(made.arn, rights.id).apply(lambda values: str(values[0]))


def _actors(args: RolesArgs) -> tuple[_Actor, _Actor, _Actor]:
    """Return the automation service, builds and Flux's image reflector."""
    own = args.namespace
    return (
        _Actor("builder", own, access.SERVICE_ACCOUNT, args.service_role_arn, manifests.service_policy),
        _Actor("kaniko", own, access.BUILD_ACCOUNT, args.build_role_arn, manifests.build_policy),
        _Actor("gitops", args.gitops_namespace, GITOPS_ACCOUNT, "", manifests.gitops_policy),
    )
