"""The way of events: what waits in RabbitMQ, who takes it, and what nobody took after all retries."""

from components.manifests.observability.alerts.delivery import CONSUMERS, DEPTH, dead_letters
from components.manifests.observability.dashboards import common
from components.manifests.observability.dashboards.common import NOW
from components.manifests.observability.panels import Dashboard, Panel, Query, Row
from components.manifests.observability.scope import (
    DEAD_LETTERS_JOB,
    DISPATCHER_PODS,
    FAILED,
    REFUSED,
    Scope,
    increase,
    rate,
    selector,
)


def plan(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        key="dead-letters",
        title="Dead letters",
        rows=(
            Row("Dead letters", _letters(scope)),
            Row("Why", _causes(scope)),
            Row("Replays", _replays(scope)),
            Row("Queues", _queues(scope)),
            Row("Logs", common.logs(scope, DISPATCHER_PODS, "dispatchers")),
        ),
    )


def _letters(scope: Scope) -> tuple[Panel, ...]:
    series = scope.broker(DEPTH, scope.dead_letter_queues)
    answering = scope.ours("up", f'job="{DEAD_LETTERS_JOB}"')
    return (
        Panel(
            title="Dead letters",
            queries=(Query(dead_letters(scope)),),
            kind="stat",
            steps=(1, scope.dead_letters),
            width=4,
        ),
        Panel(
            title="Come in a minute",
            queries=(Query(f"60 * sum(deriv({series}[15m]))"),),
            kind="stat",
            steps=(1, 60),
            width=4,
        ),
        Panel(
            title="Handler answers",
            queries=(Query(f"count({answering} == 1) or vector(0)"),),
            kind="stat",
            steps=(1,),
            good_above=True,
            width=4,
        ),
        Panel(
            title="Dead letters by queue",
            description="The queues of Triggers, and the last one, where a person looks.",
            queries=(Query(f"max by (queue) ({series}) > 0", "{{queue}}"),),
            stacked=True,
            width=12,
        ),
    )


def _causes(scope: Scope) -> tuple[Panel, ...]:
    events = "knative_lambda_events_total"
    kept = handler(scope, "dlq_messages_by_cause_total")
    return (
        Panel(
            title="Dead letters that come, by cause",
            description="From the answer that their last delivery got.",
            queries=(Query(f"{rate(kept, NOW, 'cause')} > 0", "{{cause}}"),),
            unit="reqps",
            stacked=True,
            width=12,
        ),
        Panel(
            title="Events that fail, by type",
            description="Delivered again, and dead-lettered after all retries.",
            queries=(
                Query(f"{rate(scope.service(events, FAILED), NOW, 'event_type')} > 0", "{{event_type}}"),
            ),
            unit="reqps",
            stacked=True,
            width=12,
        ),
        Panel(
            title="Events that are refused, by type",
            description="Nothing that a retry could mend.",
            queries=(
                Query(f"{rate(scope.service(events, REFUSED), NOW, 'event_type')} > 0", "{{event_type}}"),
            ),
            unit="reqps",
            stacked=True,
            width=12,
        ),
    )


def _replays(scope: Scope) -> tuple[Panel, ...]:
    done = handler(scope, "dlq_replay_success_total")
    refused = handler(scope, "dlq_replay_failure_total")
    passes = handler(scope, "dlq_replay_passes_total")
    return (
        Panel(
            title="Replayed in an hour, by category",
            queries=(
                Query(increase(done, "1h", "category"), "{{category}}"),
                Query(increase(refused, "1h", "category"), "{{category}}: refused"),
            ),
            stacked=True,
        ),
        Panel(
            title="Passes of the schedule in an hour",
            description="held_back: nobody takes events, or too many wait.",
            queries=(Query(increase(passes, "1h", "outcome"), "{{outcome}}"),),
            stacked=True,
        ),
        Panel(
            title="Poison",
            description="Died again after every replay; waits for a person.",
            queries=(Query(f"max({scope.broker(DEPTH, scope.poison_queue)}) or vector(0)", "letters"),),
            steps=(1,),
        ),
    )


def handler(scope: Scope, metric: str) -> str:
    """Return a selector of what the handler of dead letters exports."""
    return scope.ours(metric, f'job="{DEAD_LETTERS_JOB}"')


def _queues(scope: Scope) -> tuple[Panel, ...]:
    depth = scope.broker(DEPTH, scope.trigger_queues)
    consumers = scope.broker(CONSUMERS, scope.trigger_queues)
    nodes = f'namespace="{scope.rabbitmq_namespace}"'
    alarms = {
        "memory": "rabbitmq_alarms_memory_used_watermark",
        "disk": "rabbitmq_alarms_free_disk_space_watermark",
    }
    return (
        Panel(
            title="Events that wait, the 10 longest queues",
            queries=(Query(f"topk(10, max by (queue) ({depth}))", "{{queue}}"),),
            steps=(100, 1000),
        ),
        Panel(
            title="Queues without a consumer",
            queries=(Query(f"count(max by (queue) ({consumers}) == 0) or vector(0)", "queues"),),
            steps=(1,),
        ),
        Panel(
            title="RabbitMQ stops publishers",
            description="1: a node is short of memory or disk.",
            queries=tuple(Query(f"max({selector(metric, nodes)})", name) for name, metric in alarms.items()),
            steps=(1,),
        ),
    )
