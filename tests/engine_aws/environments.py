"""What an environment has in AWS, as a program."""

from collections.abc import Callable

from components import composition, naming
from components.registry import Registry
from components.roles import Roles, RolesArgs
from components.settings import PlatformSettings
from components.storage import Storage
from tests.engine_aws.cloud import REGION

ISSUER = "https://oidc.eks.eu-west-1.amazonaws.com/id/A1B2"
ACCOUNT = "123456789012"


def parts(environment: str = "prd", **given: str) -> Callable[[], None]:
    """The program of what an environment has in AWS."""
    here = {"awsRegion": REGION, "awsAccountId": ACCOUNT, "awsOidcIssuerUrl": ISSUER}
    settings = PlatformSettings.parse({"environment": environment, **here, **given})

    def program() -> None:
        Storage("storage", composition.storage(settings))
        Registry("registry", composition.registry(settings, "ns"))  # type: ignore[arg-type]
        roles = RolesArgs(
            environment=environment,
            namespace=naming.namespace(environment),
            gitops_namespace="flux-system",
            places=composition.places(settings),
            oidc_issuer_url=settings.aws.oidc_issuer_url,
        )
        Roles("roles", roles)

    return program
