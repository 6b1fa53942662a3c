"""The platform program: one environment's configuration in, Platform built, its outputs exported."""

import pulumi

from components.platform import Platform
from components.settings import PlatformSettings


def main() -> None:
    """Declare the environment of the current stack."""
    settings = PlatformSettings.from_config(pulumi.Config())
    platform = Platform("platform", settings)
    for output in Platform.__annotations__:
        pulumi.export(output, getattr(platform, output))
    pulumi.export("engine", settings.engine)
    if settings.gitops.enabled:
        pulumi.export("webhook_paths", platform.webhook_paths)


if __name__ == "__main__":
    main()
