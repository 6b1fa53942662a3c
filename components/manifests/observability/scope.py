"""Where an environment's metrics come from, as label matchers; and the PromQL that queries are made of.

One Prometheus may watch several environments, so every selector names the namespace. Names of what others
make in it:

- a revision's pods are called `{function}-{revision}-deployment-...`, functions `lambda-...` (naming.py);
- a build's Job is called `kaniko-build-...` (naming.py);
- eventing-rabbitmq names a Trigger's queue `{namespace}.{trigger}.{uid}` and its dead letters' queue
  `t.{namespace}.{trigger}...`, cut to 31 characters and a hash (pkg/rabbitmqnaming/naming.go at bd1ee99).
"""

import re
from dataclasses import dataclass
from typing import Final

SERVICE_JOB: Final = "knative-lambda-builder"
"""The automation service's Service, which Prometheus takes for the name of the job."""

DEAD_LETTERS_JOB: Final = "knative-lambda-dlq-handler"
"""The Service of the handler of dead letters."""

CONSUMER_JOB: Final = "knative-lambda-consumer"
"""The consumer's Service, where there is one."""

FUNCTIONS_JOB: Final = "knative-lambda-functions"
"""The PodMonitor of the functions; Prometheus' job is `{namespace}/{monitor}`."""

FUNCTION_PODS: Final = "lambda-.+-deployment-.+"
BUILD_PODS: Final = "kaniko-build-.+"
SERVICE_PODS: Final = "knative-lambda-builder-.+"
DISPATCHER_PODS: Final = ".+-dispatcher-.+"

ACCEPTED: Final = 'outcome=~"success|failed"'
REFUSED: Final = 'outcome="refused"'
FAILED: Final = 'outcome="failed"'
"""Events by how they ended: failed is our fault, refused or beyond a rate the sender's."""

CONTAINERS: Final = 'container!=""'
"""What a pod uses by its containers, without its own sum (cAdvisor)."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One environment, and the numbers that its rules and dashboards are drawn with."""

    environment: str
    namespace: str
    rabbitmq_namespace: str
    """Namespace of the RabbitmqCluster."""
    rabbitmq_cluster: str
    """Name of the RabbitmqCluster."""
    builds: int
    """Builds that the namespace has room for at one time."""
    availability_percent: float = 99.9
    """Share of events that are not to fail."""
    build_seconds: int = 90
    """What 95 % of builds are to be faster than."""
    dead_letters: int = 100
    """Dead letters from which on a person is called."""
    consumer: bool = False
    """Whether our consumer stands for Knative Eventing."""
    runbook: str = "docs/observability.md"
    """Where the runbook is."""

    def ours(self, metric: str, *matchers: str) -> str:
        """Return a selector of series in the environment's namespace."""
        return selector(metric, f'namespace="{self.namespace}"', *matchers)

    def service(self, metric: str, *matchers: str) -> str:
        """Return a selector of what the automation service exports, some of it under everybody's names."""
        return self.ours(metric, f'job="{SERVICE_JOB}"', *matchers)

    def broker(self, metric: str, queues: str) -> str:
        """Return a selector of RabbitMQ's series of queues, by a regular expression of their names."""
        return selector(metric, f'namespace="{self.rabbitmq_namespace}"', f'queue=~"{_quoted(queues)}"')

    @property
    def trigger_queues(self) -> str:
        """Regular expression of the queues that events wait in: each Trigger's, and the publishers'."""
        return rf"{re.escape(self.namespace)}\..+|lambda-events-{self.environment}"

    @property
    def poison_queue(self) -> str:
        """The queue of letters that came back too often, as a pattern."""
        return f"lambda-dlq-queue-{self.environment}-poison"

    @property
    def dead_letter_queues(self) -> str:
        """Regular expression of the queues with what could not be delivered: each Trigger's, and the last."""
        return rf"lambda-dlq-queue-{self.environment}|t\.{re.escape(self.namespace)}\..+"


def selector(metric: str, *matchers: str) -> str:
    """Return a selector."""
    return f"{metric}{{{','.join(matchers)}}}"


def _quoted(pattern: str) -> str:
    """Return a regular expression as it stands in a PromQL string; a hyphen needs no escape there."""
    return pattern.replace(r"\-", "-").replace("\\", "\\\\")


def total(expression: str, *by: str) -> str:
    """Return a sum, by labels."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def rate(series: str, window: str, *by: str) -> str:
    """Return how much a counter grows a second, over all series or by labels."""
    return total(f"rate({series}[{window}])", *by)


def increase(series: str, window: str, *by: str) -> str:
    """Return how much a counter has grown, over all series or by labels."""
    return total(f"increase({series}[{window}])", *by)


def share(part: str, whole: str) -> str:
    """Return part of whole, 0 to 1; nothing where the whole is 0."""
    return f"{part} / ({whole} > 0)"


def often(failed: str, every: str, window: str, *, above: float, few: int) -> str:
    """Return a condition: more than this share of counted things failed, and not just a few of them."""
    part = share(rate(failed, window), rate(every, window))
    return f"{part} > {above:g} and {increase(failed, window)} >= {few}"


def quantile(level: float, buckets: str, window: str, *by: str) -> str:
    """Return a quantile of a histogram, over all series or by labels."""
    return f"histogram_quantile({level:g}, {rate(buckets, window, 'le', *by)})"


def increase_since_birth(series: str, window: str, *by: str) -> str:
    """Return how much counters have grown that begin with an instance, which may live for a few seconds.

    `increase` begins at the first value that was scraped: a function that is started, called and taken away
    between two scrapes of its first value would not show at all. Restarts within a pod may hide some growth.
    """
    most, before = f"max_over_time({series}[{window}])", f"{series} offset {window}"
    return total(f"clamp_min({most} - ({before} or {most} * 0), 0)", *by)


def bound(seconds: int) -> str:
    """Return a matcher of a bucket's upper bound: Prometheus 3 writes whole ones with `.0`, 2 does not."""
    return f'le=~"{seconds}(\\\\.0)?"'
