"""The AsyncAPI 3 document of the platform's events, made from the table of types: docs/asyncapi.yaml.

Run as a module it prints the document; a test compares the file with it.
"""

import sys
from collections.abc import Callable
from typing import Any

from automation import schemas
from automation.event_types import TYPES, Direction, EventType

Reference = Callable[[str, str], str]
"""Address of the schema of a type's version."""


def document(reference: Reference = schemas.path) -> dict[str, Any]:
    """Return the document; `reference` says where it finds the schemas."""
    messages = {
        _key(kind, version): _message(kind, version, reference)
        for kind in TYPES.values()
        for version in kind.versions
    }
    taken = [_key(kind, each) for kind in _going(Direction.IN) for each in kind.versions]
    told = [_key(kind, kind.latest) for kind in _going(Direction.OUT)]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Knative Lambda",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 over HTTP: what the platform takes and what it tells.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "service": {
                "host": "knative-lambda-builder.{namespace}.svc.cluster.local",
                "protocol": "http",
                "description": "Answers with what it did.",
                "variables": {"namespace": {"default": "knative-lambda-dev"}},
            },
            "broker": {
                "host": "knative-lambda-broker-{environment}-broker-ingress.{namespace}.svc.cluster.local",
                "protocol": "http",
                "description": "Stores events and delivers them to whoever is subscribed.",
                "variables": {
                    "environment": {"default": "dev"},
                    "namespace": {"default": "knative-lambda-dev"},
                },
            },
        },
        "channels": {
            "events": {
                "address": "/",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {"take": _operation("receive", taken), "tell": _operation("send", told)},
        "components": {"messages": messages, "messageTraits": {"cloudEvent": _cloud_event()}},
    }


def _going(direction: Direction) -> list[EventType]:
    return [kind for kind in TYPES.values() if kind.direction in (direction, Direction.BOTH)]


def _key(kind: EventType, version: str) -> str:
    """Return the name of a message: the type, and the version if there are several."""
    return kind.name if len(kind.versions) == 1 else f"{kind.name}-{version}"


def _message(kind: EventType, version: str, reference: Reference) -> dict[str, Any]:
    return {
        "name": kind.name,
        "title": schemas.document(kind.name, version)["title"],
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": reference(kind.name, version)},
        },
    }


def _operation(action: str, messages: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/events"},
        "messages": [{"$ref": f"#/channels/events/messages/{name}"} for name in messages],
    }


def _cloud_event() -> dict[str, Any]:
    """Return what all messages have: the attributes, as headers in binary mode."""
    text = {"type": "string", "minLength": 1, "maxLength": 1024}
    return {
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "required": ["ce-specversion", "ce-id", "ce-source", "ce-type"],
            "properties": {
                "ce-specversion": {"const": "1.0"},
                **{f"ce-{name}": text for name in ("id", "source", "type", "subject", "dataschema")},
                "ce-time": {"type": "string", "format": "date-time"},
                **{f"ce-{name}": {"type": "string"} for name in ("correlationid", "causationid")},
                "ce-dryrun": {"enum": ["true", "false"]},
                "ce-planid": {"type": "string"},
                "traceparent": {"type": "string"},
            },
        },
    }


def main() -> None:
    """Print the document as docs/asyncapi.yaml has it."""
    import yaml  # the service itself answers JSON

    yaml.safe_dump(
        document(lambda name, version: f"../automation/schemas/{name}/{version}.json"),
        sys.stdout,
        sort_keys=False,
        width=120,
    )


if __name__ == "__main__":
    main()
