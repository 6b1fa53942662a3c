"""What a person reads when the platform runs: its addresses, and commands to copy. Pure text."""

import json
from collections.abc import Iterator

from local.addresses import NAMESPACE, SOURCE_BUCKET, Addresses
from local.deploy import PREFIX, THIRD_PARTY

EXAMPLE = "hello"


def addresses_of(addresses: Addresses) -> dict[str, str]:
    """Where everything is, by what a person would call it."""
    return {
        "events in (broker)": addresses.broker,
        "automation service": addresses.service,
        "functions (gateway)": addresses.gateway,
        **({"dead letters": addresses.desk} if addresses.desk else {}),
        "object storage (S3)": addresses.storage,
        "Kubernetes API": addresses.api,
        "logs and state": addresses.data,
    }


def curl(url: str, suffix: str, data: dict[str, object]) -> str:
    """A shell command that posts one event in structured mode, with an id of its own each time it is run."""
    event = {
        "specversion": "1.0",
        "id": "ID",
        "type": PREFIX + suffix,
        "source": f"network.notifi.{THIRD_PARTY}",
        "subject": EXAMPLE,
        "data": data,
    }
    # A repeated id would be answered as a duplicate, so the shell puts the time in.
    body = json.dumps(event).replace('"ID"', "\"'$(date +%s%N)'\"")
    return f"curl -s {url} -H 'Content-Type: application/cloudevents+json' -d '{body}'"


def next_steps(addresses: Addresses) -> Iterator[tuple[str, str]]:
    """Pairs of what one may want to do and the shell command that does it, in the order of a first visit."""
    ids: dict[str, object] = {"third_party_id": THIRD_PARTY, "parser_id": EXAMPLE}
    port = addresses.gateway.rsplit(":", 1)[-1]
    function = f"http://lambda-{THIRD_PARTY}-{EXAMPLE}.{NAMESPACE}.localhost:{port}"
    code = addresses.buckets / SOURCE_BUCKET / "global" / "parser" / EXAMPLE / "parser.py"
    kubectl = f"kubectl --kubeconfig {addresses.kubeconfig} -n {NAMESPACE}"
    yield "call a function", curl(function, "parser.start", {"name": "you"})
    yield "edit its code in the bucket", f"${{EDITOR:-vi}} {code}"
    yield "build and roll out the edited code by an event", curl(addresses.service, "build.start", ids)
    yield "deploy a folder, and see each phase", f".venv/bin/python -m local deploy examples/{EXAMPLE}"
    if addresses.desk:
        token = f'-H "Authorization: Bearer $(cat {addresses.data}/api-token)"'
        yield "see what nobody took", f"curl -s {token} {addresses.desk}/api/dlq/letters"
        yield "send it again", f"curl -s {token} {addresses.desk}/api/dlq/replay -d '{{}}'"
    yield "look with kubectl", f"{kubectl} get ksvc,revisions,jobs,pods,triggers"
    yield "take a function away", curl(addresses.service, "service.delete", ids)
