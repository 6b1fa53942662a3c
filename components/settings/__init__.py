"""The platform's stack configuration, typed: read once, with every mistake reported at once.

    platform    PlatformSettings: the groups below in one object, from a program's configuration
    fields      how a dataclass's fields become keys, and keys become its values (pure)
    values      how one value is read: text in, value out (pure)

and a module for each group of keys: `access`, `aws`, `builds`, `delivery`, `drift`, `functions`, `gitops`,
`knative`, `neighbours`, `observability`, `quota`, `rabbitmq`, `registry`, `secrets`, `service`, `storage`,
`tls`. Each key is described for users in stacks/README.md.
"""

from components.settings.fields import SettingsError
from components.settings.platform import ENVIRONMENTS, EVENT_TYPES, KEYS, REGISTRIES, PlatformSettings

__all__ = ["ENVIRONMENTS", "EVENT_TYPES", "KEYS", "REGISTRIES", "PlatformSettings", "SettingsError"]
