"""The dashboards as ConfigMaps, which a sidecar of Grafana finds by their labels."""

import json
from collections.abc import Callable
from typing import Any, Final

from components.manifests.metadata import Manifest, object_meta, platform_labels
from components.manifests.observability.dashboards import (
    builds,
    cost,
    dead_letters,
    functions,
    overview,
    slo,
)
from components.manifests.observability.panels import Dashboard, dashboard, uid
from components.manifests.observability.scope import Scope

FOLDER: Final = {"grafana_folder": "Knative Lambda"}
"""Where the sidecar puts them, if it is told to look at this annotation."""

PLANS: Final[tuple[Callable[[Scope], Dashboard], ...]] = (
    overview.plan,
    builds.plan,
    functions.plan,
    dead_letters.plan,
    slo.plan,
    cost.plan,
)


def config_maps(scope: Scope, namespace: Any, labels: dict[str, str]) -> dict[str, Manifest]:
    """Return a ConfigMap for each dashboard, by what it is about; `labels` are what the sidecar looks for."""
    planned = [plan(scope) for plan in PLANS]
    return {each.key: _config_map(scope, each, namespace, labels) for each in planned}


def _config_map(scope: Scope, planned: Dashboard, namespace: Any, labels: dict[str, str]) -> Manifest:
    content = json.dumps(dashboard(scope.environment, planned), indent=1, sort_keys=True)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": object_meta(
            f"knative-lambda-dashboard-{planned.key}",
            namespace,
            {**labels, **platform_labels("observability")},
            FOLDER,
        ),
        # Grafana's provisioning takes the file's name for nothing, but two of one name overwrite each other.
        "data": {f"{uid(scope.environment, planned)}.json": content},
    }
