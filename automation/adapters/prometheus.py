"""A revision's calls and failures as Prometheus has them, asked over its HTTP API.

`GET /api/v1/query`: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import json
from typing import Any, Final

import urllib3
from urllib3.exceptions import HTTPError

from automation.errors import DependencyUnavailable
from automation.rollout_watch import Calls

METRIC: Final = "knative_lambda_function_invocations_total"
WINDOW: Final = "1h"
"""Instances that are gone for longer do not count."""
SECONDS: Final = 5.0
_SHOWN: Final = 200


def query(namespace: str, revision: str) -> str:
    """Return the PromQL: calls of a revision by `status`, of all its instances since they started.

    An instance's counter begins at nothing and its highest value is all of its calls, however short it lives;
    `rate` needs two scrapes of each. The names of both are DNS labels, and need no quoting.
    """
    series = f'{METRIC}{{namespace="{namespace}",revision="{revision}"}}'
    return f"sum by (status) (max_over_time({series}[{WINDOW}]))"


class PrometheusCalls:
    """See CallCounts."""

    def __init__(self, url: str, namespace: str, seconds: float = SECONDS) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._namespace = namespace
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(total=seconds), retries=False)

    def calls(self, revision: str) -> Calls:
        """See CallCounts."""
        try:
            answer = self._pool.request("GET", self._url, fields={"query": query(self._namespace, revision)})
            return _calls(json.loads(answer.data))
        except (HTTPError, ValueError, KeyError, TypeError) as error:
            shown = str(error)[:_SHOWN]
            raise DependencyUnavailable(f"Prometheus does not tell of {revision}'s calls: {shown}") from error

    def close(self) -> None:
        """See CallCounts."""
        self._pool.clear()


def _calls(answer: dict[str, Any]) -> Calls:
    """Return what an answer says. Raises ValueError, KeyError, TypeError for one that says nothing."""
    if answer["status"] != "success":
        raise ValueError(str(answer.get("error", answer["status"])))
    by_status = {one["metric"].get("status", ""): float(one["value"][1]) for one in answer["data"]["result"]}
    return Calls(total=round(sum(by_status.values())), failed=round(by_status.get("error", 0)))
