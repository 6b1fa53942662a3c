"""Alerts about the way of events: RabbitMQ's queues, and what nobody took after all retries."""

from components.manifests.observability.alert import CRITICAL, WARNING, Alert
from components.manifests.observability.scope import DEAD_LETTERS_JOB, Scope

DEPTH = "rabbitmq_detailed_queue_messages"
CONSUMERS = "rabbitmq_detailed_queue_consumers"


def dead_letters(scope: Scope) -> str:
    """Return the number of all dead letters; a queue's copies on several nodes count once."""
    return f"sum(max by (queue) ({scope.broker(DEPTH, scope.dead_letter_queues)}))"


def alerts(scope: Scope) -> list[Alert]:
    """Return them."""
    return [*_queues(scope), *_dead_letters(scope)]


def _queues(scope: Scope) -> list[Alert]:
    depth = f"max by (queue) ({scope.broker(DEPTH, scope.trigger_queues)})"
    consumers = f"max by (queue) ({scope.broker(CONSUMERS, scope.trigger_queues)})"
    waiting = "{{ $value }} events wait in {{ $labels.queue }}."
    return [
        Alert(
            name="RabbitMQNoConsumers",
            when=f"{consumers} == 0",
            lasts="2m",
            severity=CRITICAL,
            summary="Nothing takes events from {{ $labels.queue }}.",
        ),
        Alert(
            name="RabbitMQQueueBacklog",
            when=f"{depth} > 1000",
            lasts="5m",
            severity=CRITICAL,
            summary=waiting,
        ),
        Alert(
            name="RabbitMQQueueBacklog",
            when=f"{depth} > 100",
            lasts="10m",
            severity=WARNING,
            summary=waiting,
        ),
    ]


def _refused(scope: Scope) -> str:
    """Return how many replays the last half hour had that came to nothing, five at least."""
    refused = scope.ours("dlq_replay_failure_total", f'job="{DEAD_LETTERS_JOB}"')
    held = scope.ours("dlq_replay_passes_total", f'job="{DEAD_LETTERS_JOB}"', 'outcome=~"held_back|failed"')
    return f"sum(increase({refused}[30m])) + sum(increase({held}[30m])) >= 5"


def _dead_letters(scope: Scope) -> list[Alert]:
    depth = dead_letters(scope)
    return [
        Alert(
            name="DLQGrowingRapidly",
            # A queue's depth goes up and down: its slope, not a counter's rate.
            when=f"sum(deriv({scope.broker(DEPTH, scope.dead_letter_queues)}[5m])) > 1",
            lasts="5m",
            severity=CRITICAL,
            summary="{{ $value | humanize }} dead letters come a second.",
        ),
        Alert(
            name="DLQAboveThreshold",
            when=f"{depth} > {scope.dead_letters}",
            lasts="10m",
            severity=CRITICAL,
            summary="{{ $value }} dead letters wait.",
        ),
        Alert(
            name="DLQNotProcessed",
            when=f"min_over_time({depth}[30m:1m]) > 10 and changes({depth}[30m:1m]) == 0",
            lasts="5m",
            summary="{{ $value }} dead letters wait, and none was taken or added for half an hour.",
        ),
        Alert(
            name="DeadLettersTooOld",
            when=f"min_over_time({depth}[1h:1m]) > 0",
            lasts="5m",
            summary="There have been dead letters for an hour, the longest that one is to wait.",
        ),
        Alert(
            name="DeadLettersPoison",
            when=f"max({scope.broker(DEPTH, scope.poison_queue)}) > 0",
            lasts="1m",
            summary="{{ $value }} events died again after every replay; no further one is tried.",
        ),
        Alert(
            name="DeadLetterReplaysFail",
            when=_refused(scope),
            lasts="5m",
            summary="{{ $value | humanize }} replays or passes in half an hour came to nothing.",
        ),
        Alert(
            name="DeadLetterQueueNotEmpty",
            when=f"{depth} > 0",
            lasts="5m",
            summary="{{ $value }} events could not be delivered.",
        ),
    ]
