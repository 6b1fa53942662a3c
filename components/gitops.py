"""Gitops: what Flux hears of an environment's events, and the account that it applies functions as."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.declare import KubernetesObject, custom
from components.manifests import access
from components.manifests import gitops as manifests
from components.manifests.flux import ALERT_TYPES, GENERIC, FluxResource, webhook_path, webhook_url
from components.manifests.metadata import object_meta, platform_labels


@dataclass(frozen=True, kw_only=True)
class GitopsArgs:
    """Which events are brought to which of Flux's resources."""

    environment: str
    """Environment, whose name ends the names of what is in Flux's namespace."""
    namespace: pulumi.Input[str]
    """Namespace of the environment."""
    flux_namespace: str
    """Namespace of Flux, which is there already."""
    broker_name: str
    """Broker that the events come from."""
    receiver: str = GENERIC
    """What the Receivers take, one of RECEIVER_TYPES."""
    token: pulumi.Input[str] | None = None
    """Secret text that the Receivers' addresses follow from; None: only `token_secret` has it."""
    token_secret: str = ""
    """Secret with the token under `token`, made elsewhere in Flux's namespace; empty: made here."""
    lifecycle_resources: tuple[FluxResource, ...]
    """What is reconciled when a function is ready or gone."""
    security_resources: tuple[FluxResource, ...]
    """What is reconciled on a critical security alert."""
    image: str
    """Repository of functions' images, without a tag."""
    image_secret: str = ""
    """Pull Secret in Flux's namespace; empty: none."""
    alert_type: str = ALERT_TYPES[0]
    """What takes alerts, one of ALERT_TYPES."""
    alert_address: pulumi.Input[str] | None = None
    """Secret address of alerts; None: nobody is told."""
    dead_letter_uri: str = ""
    """Where undeliverable events are posted; empty: the Service for dead letters."""


class Gitops(pulumi.ComponentResource):
    """Receivers with the Triggers that feed them, the scan of functions' images, alerts, Flux's account."""

    webhook_paths: pulumi.Output[Mapping[str, str]]
    """Secret paths of the Receivers on Flux's Service `webhook-receiver`; empty if the token is not known."""
    account: pulumi.Output[str]
    """Account in Flux's namespace that Kustomizations of functions' manifests are to name."""

    def __init__(self, name: str, args: GitopsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Gitops", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        token, paths = self._token(name, args)
        after_token = pulumi.ResourceOptions(parent=self, depends_on=token)
        for receiver, manifest in manifests.receivers(args).items():
            custom(f"{name}-{receiver}-receiver", manifest, after_token)
        for part, manifest in manifests.images(args).items():
            custom(f"{name}-{part}", manifest, child)
        if args.token is not None:
            self._triggers(name, args, paths)
        if args.alert_address is not None:
            self._alerts(name, args, args.alert_address)
        self._account(name, args)
        self.webhook_paths = paths
        self.account = pulumi.Output.from_input(manifests.account_name(args.environment))
        self.register_outputs({"webhook_paths": self.webhook_paths, "account": self.account})

    def _token(
        self, name: str, args: GitopsArgs
    ) -> tuple[list[KubernetesObject], pulumi.Output[Mapping[str, str]]]:
        """Declare the token's Secret if it is ours; return it, and the paths that follow from the token."""
        if args.token is None:
            return [], pulumi.Output.from_input({})
        name_ = manifests.token_secret(args)
        made = self._secret(f"{name}-token", args, name_, "token", args.token)

        def paths(token: str) -> Mapping[str, str]:
            names = {key: manifests.receiver_name(key, args.environment) for key in manifests.RECEIVERS}
            return {
                key: webhook_path(token, receiver, args.flux_namespace) for key, receiver in names.items()
            }

        return [made], pulumi.Output.secret(args.token).apply(paths)

    def _triggers(self, name: str, args: GitopsArgs, paths: pulumi.Output[Mapping[str, str]]) -> None:
        def url(receiver: str) -> pulumi.Output[str]:
            return paths.apply(lambda found: webhook_url(found[receiver], args.flux_namespace))

        urls = {receiver: url(receiver) for receiver in manifests.RECEIVERS}
        for (receiver, event_type), manifest in manifests.triggers(args, urls).items():
            custom(f"{name}-{receiver}-{event_type}-trigger", manifest, pulumi.ResourceOptions(parent=self))

    def _alerts(self, name: str, args: GitopsArgs, address: pulumi.Input[str]) -> None:
        secret = manifests.alert_secret(args.environment)
        made = self._secret(f"{name}-address", args, secret, "address", address)
        after = pulumi.ResourceOptions(parent=self, depends_on=[made])
        for part, manifest in manifests.alerts(args).items():
            custom(f"{name}-{part}", manifest, after)

    def _account(self, name: str, args: GitopsArgs) -> None:
        """Declare the account in Flux's namespace, with a Role in the environment's."""
        opts = pulumi.ResourceOptions(parent=self)
        account = manifests.account_name(args.environment)
        identity = access.service_account(account, args.flux_namespace, component="gitops")
        custom(f"{name}-identity", identity, opts)
        role = access.role(account, args.namespace, manifests.rules(), component="gitops")
        custom(f"{name}-role", role, opts)
        binding = access.role_binding(account, args.namespace, component="gitops")
        binding["subjects"] = [{"kind": "ServiceAccount", "name": account, "namespace": args.flux_namespace}]
        custom(f"{name}-binding", binding, opts)

    def _secret(
        self, name: str, args: GitopsArgs, secret: str, key: str, value: pulumi.Input[str]
    ) -> KubernetesObject:
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": object_meta(secret, args.flux_namespace, platform_labels("gitops")),
            "stringData": {key: pulumi.Output.secret(value)},
        }
        return custom(name, manifest, pulumi.ResourceOptions(parent=self))
