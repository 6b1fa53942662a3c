"""The documents say what is true of the code: types, examples, errors, settings, links, targets, folders."""

import ast
import itertools
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from automation import errors, machine
from automation.event_parser import NOT_SERVED, SERVED, parse
from automation.events import Reply
from automation.settings import AutomationSettings
from components.function import FunctionArgs
from components.manifests.function import start_trigger
from components.naming import function_name
from local.addresses import Addresses
from local.ports import FIXED_PORTS
from monitor import events as monitor_events
from monitor import settings as monitor_settings
from runtimes.python.wrapper import settings as wrapper_settings
from service import errors as http_errors
from service import settings as service_settings
from service import strict_json
from service.cloudevents import decode
from service.http import error_response
from service.trail import begin

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", ROOT / "stacks" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EVENTS = (ROOT / "docs" / "events.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
LOGGING = (ROOT / "docs" / "logging.md").read_text()
README = (ROOT / "README.md").read_text()


def blocks(text, language):
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def section(text, title):
    """Return what is below a heading, up to the next one of its level or a higher one."""
    level = title.partition(" ")[0]
    found = re.search(
        rf"^{re.escape(title)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert found, f"there is no section {title!r}"
    return found[1]


def named(text):
    """Return what is named in code font."""
    return set(re.findall(r"`([^`\n]+)`", text))


def rows(text):
    """Return the cells of all rows of all tables."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def first_cells(text):
    """Return what is named in the first column of all tables."""
    return named("\n".join(row[0] for row in rows(text)))


JSON_EXAMPLES = blocks(EVENTS, "json")
EVENT_EXAMPLES = [text for text in JSON_EXAMPLES if "specversion" in text]


class Curl:
    """A curl command of a document, taken apart as a shell would."""

    def __init__(self, command):
        words = shlex.split(command)
        self.url = next(word for word in words if word.startswith("$"))
        pairs = list(itertools.pairwise(words))
        self.headers = [tuple(value.split(": ", 1)) for option, value in pairs if option == "-H"]
        self.body = next(value for option, value in pairs if option == "-d")

    def message(self):
        """Return headers, names in lower case, and body, as a server gets them."""
        return [(name.lower(), value) for name, value in self.headers], self.body.encode()


def curls():
    """Return every curl command of docs/events.md."""
    commands = [block for block in blocks(EVENTS, "sh") if block.startswith("curl ")]
    return [Curl(command) for command in commands]


def accepted(headers, body):
    """Take a message as the service does; raises InvalidEvent."""
    received = decode(headers, body)
    trail = begin(dict(headers))
    return parse(
        received.attributes, received.data, correlation_id=trail.correlation_id, traceparent=trail.traceparent
    )


@pytest.mark.parametrize("event_type", SERVED)
def test_every_type_that_is_taken_is_in_the_table_of_taken_types(event_type):
    assert event_type in first_cells(section(EVENTS, "## Types that are taken"))


@pytest.mark.parametrize("event_type", sorted(NOT_SERVED))
def test_every_type_that_is_refused_by_name_is_in_the_table_of_refused_types(event_type):
    assert event_type in named(section(EVENTS, "## Types that are refused by name"))


def test_the_tables_of_types_name_nothing_else():
    taken = first_cells(section(EVENTS, "## Types that are taken").partition("\n### ")[0])
    refused = named("\n".join(row[1] for row in rows(section(EVENTS, "## Types that are refused by name"))))

    assert {name for name in taken if "." in name} == set(SERVED)
    assert refused == set(NOT_SERVED)


def test_the_table_says_which_types_the_broker_brings_to_the_service():
    from components.settings import EVENT_TYPES

    table = rows(section(EVENTS, "## Types that are taken").partition("\n### ")[0])
    brought = {row[0].strip("`") for row in table if row[2].startswith("yes")}

    assert brought == set(EVENT_TYPES)


def test_there_are_examples_of_both_modes():
    types = {dict(curl.message()[0])["content-type"] for curl in curls()}

    assert types == {"application/json", "application/cloudevents+json"}
    assert len(EVENT_EXAMPLES) >= 4


@pytest.mark.parametrize("curl", [curl for curl in curls() if curl.url != "$FUNCTION"])
def test_every_curl_example_is_an_event_that_the_service_takes(curl):
    assert curl.url in ("$SERVICE", "$BROKER")
    assert accepted(*curl.message()).meta.type in SERVED


@pytest.mark.parametrize("curl", [curl for curl in curls() if curl.url == "$FUNCTION"])
def test_every_curl_example_of_a_function_is_a_call_that_its_wrapper_takes(curl):
    from runtimes.python.wrapper.events import decode as decode_call

    headers, body = curl.message()

    assert decode_call(dict(headers), body, new_id=lambda: "new").event == json.loads(curl.body)


@pytest.mark.parametrize("text", EVENT_EXAMPLES)
def test_every_event_example_is_taken(text):
    event = accepted([("content-type", "application/cloudevents+json")], text.encode())

    assert event.meta.type == json.loads(text)["type"]


@pytest.mark.parametrize("text", JSON_EXAMPLES)
def test_every_json_example_is_strict_json(text):
    assert isinstance(strict_json.loads(text), dict)


def test_the_examples_of_the_monitors_events_have_the_fields_that_it_sends():
    import datetime

    from monitor.failures import Diagnosis, Reason
    from monitor.verdict import Verdict

    at = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)
    build = monitor_settings.Build(
        third_party_id="demo", parser_id="hello", job_name="j", image_uri="i", build_id="b",
        content_hash="c", correlation_id="order-42",
    )  # fmt: skip
    ends = {
        monitor_events.COMPLETE: Verdict(
            diagnosis=None, image_digest="sha256:" + "d" * 64, exit_code=0, started_at=at, completed_at=at
        ),
        monitor_events.FAILED: Verdict(
            diagnosis=Diagnosis(Reason.ERROR, "text"), image_digest=None, exit_code=1, started_at=at,
            completed_at=at,
        ),
    }  # fmt: skip
    examples = {event["type"]: event for event in map(json.loads, EVENT_EXAMPLES)}
    for kind, verdict in ends.items():
        sent = monitor_events.message(build, verdict, pod_uid="u", log="line")
        attributes = {name.removeprefix("ce-") for name in sent.headers if name != "content-type"}

        assert list(examples[kind]["data"]) == list(json.loads(sent.body))
        assert examples[kind].keys() == attributes | {"data", "datacontenttype"}


def test_the_reply_example_has_the_fields_of_a_started_build():
    reply = next(json.loads(text) for text in JSON_EXAMPLES if '"started"' in text)
    common = {"status", "message", "timestamp", "event_id", "correlation_id", "trace_id"}
    fields = {"job_name", "build_id", "image_uri", "content_hash", "service_name"}

    assert reply.keys() == common | fields
    assert isinstance(answer_to_a_build().fields, dict)
    assert fields == answer_to_a_build().fields.keys()


def answer_to_a_build() -> Reply:
    """Return what automation answers to a build that it began."""
    import datetime

    from automation import answers
    from automation.events import FunctionId
    from automation.model import Build

    now = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)
    build = Build(
        build_id="b", job_name="j", content_hash="c", context_key="k", image="i", handler="h",
        correlation_id="c", requested_at=now, lost_at=now,
    )  # fmt: skip
    return answers.started(FunctionId("demo", "hello"), build)


def test_the_error_example_is_what_the_service_answers():
    example = next(json.loads(text) for text in JSON_EXAMPLES if "error_type" in text)
    answered = json.loads(error_response(errors.Saturated("text"), begin({})).body)

    assert list(example) == list(answered)
    assert (example["error_type"], example["retry_after"]) == (
        answered["error_type"],
        answered["retry_after"],
    )


def all_errors(base=errors.PlatformError):
    """Return every error that a sender can get."""
    assert http_errors.NotFound in errors.PlatformError.__subclasses__()
    assert machine.InvalidTransition in errors.PlatformError.__subclasses__()
    own = [kind for kind in base.__subclasses__() if kind.__module__.startswith(("automation", "service"))]
    return [*own, *(deeper for kind in own for deeper in all_errors(kind))]


def error_row(kind):
    """Return the first three cells of an error's row."""
    wait = "null" if kind.retry_after is None else f"{kind.retry_after:g}"
    return (str(kind.status), f"`{kind.error_type}`", wait)


def test_the_table_of_errors_has_all_of_them_and_no_others():
    table = {tuple(row[:3]) for row in rows(section(EVENTS, "## Errors")) if row[0].isdecimal()}

    assert table == {error_row(kind) for kind in all_errors()}


def test_the_example_of_a_trigger_is_what_a_function_gets():
    settings = AutomationSettings(
        environment="local", backend_url="file:///s", registry="r", executor_image="e", monitor_image="m"
    )
    args = FunctionArgs(
        function_name=function_name("demo", "hello"), namespace=settings.namespace, third_party_id="demo",
        parser_id="hello", image="i", broker=settings.broker_name, broker_url=settings.broker_url,
    )  # fmt: skip
    (example,) = blocks(EVENTS, "yaml")

    assert yaml.safe_load(example) == start_trigger(args)["spec"]


def test_the_addresses_are_those_of_make_run():
    (block,) = [text for text in blocks(EVENTS, "sh") if text.startswith("SERVICE=")]
    said = dict(line.split("=", 1) for line in block.splitlines())
    local = Addresses(
        api="", storage="", eventing=f"http://127.0.0.1:{FIXED_PORTS.eventing}", gateway="", data="",
        service=f"http://127.0.0.1:{FIXED_PORTS.service}",
    )  # fmt: skip

    assert said["SERVICE"] == local.service
    assert said["BROKER"] == local.broker
    assert said["FUNCTION"].startswith(f"http://{function_name('demo', 'hello')}.knative-lambda-local.")
    assert said["FUNCTION"].endswith(f":{FIXED_PORTS.gateway}")


class Listening(dict):
    """Environment variables that remember which of them were asked for."""

    def __init__(self, **values):
        super().__init__(values)
        self.asked = set()

    def get(self, key, default=None):
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key):
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key):
        self.asked.add(key)
        return super().__contains__(key)


READERS = {
    "## The service": (service_settings.read, service_settings.SettingsError),
    "## A function": (wrapper_settings.settings_from, wrapper_settings.InvalidSettings),
    "## A build's monitor": (monitor_settings.settings_from, monitor_settings.InvalidSettings),
}


def asked_for(title):
    """Return the variables that are read, whether they are set or not."""
    read, error = READERS[title]
    asked = set()
    # What is read only beside another variable shows when that one is set.
    for environ in (Listening(), Listening(KUBERNETES_SERVICE_HOST="h", FUNCTION_NAME="")):
        with pytest.raises(error):
            read(environ)
        asked |= environ.asked
    return asked


@pytest.mark.parametrize("title", READERS)
def test_the_table_of_settings_names_exactly_the_variables_that_are_read(title):
    assert first_cells(section(SETTINGS, title)) == asked_for(title)


def test_the_settings_that_are_said_to_be_required_are():
    required = {
        row[0].strip("`") for row in rows(section(SETTINGS, "## The service")) if row[1] == "required"
    }
    with pytest.raises(service_settings.SettingsError) as caught:
        service_settings.read({})

    assert required == {problem.partition(":")[0] for problem in caught.value.problems}


LEVELS = ("debug", "info", "warning", "error", "exception", "critical", "log")
WRITERS = {
    "## The service": ("service", "automation", "engine"),
    "## A build's monitor": ("monitor",),
    "## A function": ("runtimes/python",),
}


def phrases(folder):
    """Return the texts that a package logs, as far as they are literal."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and getattr(node.func.value, "id", "").lower() in ("logger", "_log", "log")
            ):
                yield from (
                    arg.value.replace("%s", "...")
                    for arg in node.args[:2]
                    if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
                )


@pytest.mark.parametrize("title", WRITERS)
def test_the_tables_of_log_lines_have_every_text_that_is_logged(title):
    logged = {text for folder in WRITERS[title] for text in phrases(folder)}

    assert len(logged) >= 8
    assert logged - named(section(LOGGING, title)) == set()


def slug(heading):
    """Return a heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{document.name} links to {link}"
        if anchor:
            assert anchor in {slug(h) for h in re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)}, (
                link
            )


def test_every_make_target_that_the_readme_names_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [*named(README), *blocks(README, "sh")]
    said = {target for text in texts for target in re.findall(r"\bmake ([a-z][a-z-]*)", text)}

    assert said >= {"demo", "run", "test", "help"}
    assert said <= targets


def holds_python(folder):
    return folder.is_dir() and folder.name[0] != "." and any(folder.rglob("*.py"))


def test_the_readmes_table_of_rooms_names_exactly_the_folders_with_code():
    said = {name.rstrip("/") for name in first_cells(section(README, "## The rooms"))}
    packages = {path.name for path in ROOT.iterdir() if holds_python(path)}

    assert {name for name in said if holds_python(ROOT / name)} == packages
    assert {name for name in said if not (ROOT / name).exists()} == set()


def test_the_readmes_table_of_rooms_has_every_package_whose_imports_are_checked():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

    assert {f"{name}/" for name in config["root_packages"]} <= first_cells(section(README, "## The rooms"))
