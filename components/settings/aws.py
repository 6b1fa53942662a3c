"""Which account of AWS, and how it knows the cluster's pods."""

from dataclasses import dataclass
from typing import ClassVar

from components.manifests.cloud import Cloud
from components.settings import values
from components.settings.fields import Group, setting


@dataclass(frozen=True, kw_only=True)
class AwsSettings(Group):
    """Where buckets, repositories and roles are made."""

    PREFIX: ClassVar[str] = "aws"

    region: str = setting(values.region, "us-west-2")
    """Region of buckets and repositories; without the key, that of the provider: `aws:region`."""
    account_id: str = setting(values.account_id, "339954290315")
    """Account of the repositories; the platform contract's unless it is set."""
    oidc_provider_arn: str = setting(values.oidc_provider_arn, "")
    """The cluster's OIDC provider in IAM; empty: made from `oidc_issuer_url`."""
    oidc_issuer_url: str = setting(values.https_url, "")
    """The cluster's issuer of service accounts' tokens; empty, like the other: no roles are made."""

    @property
    def cloud(self) -> Cloud:
        """Account and region."""
        return Cloud(account=self.account_id, region=self.region)

    @property
    def knows_pods(self) -> bool:
        """Whether roles can be bound to accounts of the cluster."""
        return bool(self.oidc_provider_arn or self.oidc_issuer_url)

    def problems(self, environment: str) -> list[str]:
        """Return whether the cluster's OIDC provider is both given and to be made."""
        if not (self.oidc_provider_arn and self.oidc_issuer_url):
            return []
        return [
            "awsOidcProviderArn and awsOidcIssuerUrl are both set: keep the first where the provider is in"
            " IAM already, the second where it is to be made"
        ]
