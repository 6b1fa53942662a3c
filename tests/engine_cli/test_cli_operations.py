"""up, preview, refresh and destroy as a user without a terminal sees them."""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine.cli import terminal
from engine.cli.operations import Deployment
from engine.cli.terminal import Terminal
from tests.engine_cli.conftest import Shop


def events(text: str, kind: str) -> list[dict[str, Any]]:
    return [event[kind] for event in map(json.loads, text.splitlines()) if kind in event]


def test_up_previews_then_does_it_and_tells_line_by_line(dev: Shop) -> None:
    out = dev.ok("up", "--yes")

    assert out.index("Previewing update (dev):") < out.index("Updating (dev):")
    assert " +  fake:index:Thing first creating (0s)" in out
    assert " +  fake:index:Thing first created (" in out
    assert "Resources:\n    + 4 created\n" in out
    assert "    password: [secret]\n" in out
    assert "hunter2" not in out
    assert dev.world.names("create") == ["first", "second"]


def test_without_a_terminal_nothing_happens_unless_yes_is_said(dev: Shop) -> None:
    ended = dev.run("up")

    assert ended.code == 2
    assert "--yes or --skip-preview or --preview-only must be passed in" in ended.err
    assert dev.world.calls == []


def test_preview_changes_nothing(dev: Shop) -> None:
    out = dev.ok("preview")

    assert " +  fake:index:Thing first create\n" in out
    assert "    + 4 to create\n" in out
    assert "Duration" not in out
    assert dev.world.resources == {}


def test_preview_only_stops_before_the_update(dev: Shop) -> None:
    dev.ok("up", "--preview-only")

    assert dev.world.resources == {}


def test_a_change_is_shown_with_old_and_new_values_and_why_it_replaces(deployed: Shop) -> None:
    out = deployed.ok("preview", "--diff", "-c", "size=2", "-c", "forced=b")

    assert "      ~ size: 1 => 2\n" in out
    assert "[replaced because forced cannot be changed in place]" in out
    assert '~ forced: "a" => "b"  (replaces)' in out


def test_config_flags_are_saved_in_the_stacks_file(dev: Shop) -> None:
    dev.ok("preview", "-c", "size=7")

    assert 'shop:size: "7"' in dev.stack_file.read_text()


def test_expecting_no_changes_is_code_7(deployed: Shop) -> None:
    assert deployed.run("preview", "--expect-no-changes").code == 0
    ended = deployed.run("preview", "--expect-no-changes", "-c", "size=2")

    assert ended.code == 7
    assert "no changes were expected for preview but changes were proposed" in ended.err


def test_json_is_the_stream_of_events_with_the_programs_prints(dev: Shop) -> None:
    dev.write("__main__.py", "print('hello')\nimport pulumi\npulumi.export('x', 1)\n")

    out = dev.ok("up", "--yes", "--skip-preview", "--json")

    parsed = [json.loads(line) for line in out.splitlines()]
    assert [event["sequence"] for event in parsed] == list(range(len(parsed)))
    assert "cancelEvent" in parsed[-1]
    assert [event["message"] for event in events(out, "diagnosticEvent")] == ["hello\n"]
    assert events(out, "summaryEvent")[0]["resourceChanges"] == {"create": 1}


def test_a_failed_step_is_told_with_its_resource_and_without_traces(dev: Shop) -> None:
    dev.world.fail("create", "first", "no room left")

    ended = dev.run("up", "--yes", "--skip-preview")

    assert ended.code == 1
    assert "**creating failed**" in ended.out
    assert "  fake:index:Thing (first):\n    error: no room left\n" in ended.out
    assert ended.err == "error: update failed\n"


def test_an_exception_of_the_program_is_located_and_traced_only_on_request(dev: Shop) -> None:
    dev.write("__main__.py", "def declare():\n    raise ValueError('no such size')\n\ndeclare()\n")

    ended = dev.run("preview")
    traced = dev.run("preview", "--verbose")

    assert ended.code == 1
    assert "no such size" in ended.out
    assert "at __main__.py, line 2, in declare: raise ValueError('no such size')" in ended.err
    assert "Traceback" not in ended.err
    assert "Traceback" in traced.err


def test_a_program_may_end_itself_early_and_with_a_code_it_has_failed(dev: Shop) -> None:
    dev.write("__main__.py", "import sys, pulumi\npulumi.export('x', 1)\nsys.exit()\n")
    assert "x: 1" in dev.ok("preview")

    dev.write("__main__.py", "import sys\nsys.exit(3)\n")
    ended = dev.run("preview")

    assert ended.code == 1
    assert "the program ended itself by sys.exit(3)" in ended.out


def test_refresh_shows_drift_and_records_it(deployed: Shop) -> None:
    changed = next(key for key in deployed.world.resources if key.startswith("first"))
    deployed.world.resources[changed]["size"] = 9

    out = deployed.ok("refresh", "--yes", "--diff")

    assert "Previewing refresh (dev):" in out
    assert "Refreshing (dev):" in out
    assert " ~  fake:index:Thing first" in out
    assert '"size": 9' in deployed.ok("stack", "export")


def test_destroy_deletes_everything_and_keeps_the_stack(deployed: Shop) -> None:
    out = deployed.ok("destroy", "--yes")

    assert "    - 4 to delete\n" in out
    assert "    - 4 deleted\n" in out
    assert "history and configuration associated with the stack are still maintained" in out
    assert deployed.world.resources == {}
    assert "dev" in deployed.ok("stack", "ls")


def test_destroy_can_remove_the_stack_too(deployed: Shop) -> None:
    deployed.ok("destroy", "--yes", "--remove")

    assert "dev" not in deployed.ok("stack", "ls")
    assert not deployed.stack_file.exists()


def test_each_run_imports_the_projects_modules_afresh(dev: Shop) -> None:
    dev.write("__main__.py", "import pulumi\nimport inner.values\npulumi.export('x', inner.values.X)\n")
    dev.write("inner/__init__.py", "")
    dev.write("inner/values.py", "X = 'first'\n")
    dev.ok("up", "--yes")
    dev.write("inner/values.py", "X = 'the second'\n")

    dev.ok("up", "--yes")

    assert dev.ok("stack", "output", "x") == "the second\n"


def test_the_program_runs_in_its_own_folder_and_leaves_the_process_as_it_was(dev: Shop) -> None:
    dev.write("Pulumi.yaml", "name: shop\nruntime: {name: python}\nmain: app/\n")
    text = "import os, sys, pulumi\npulumi.export('seen', [os.getcwd(), sys.path[0]])\n"
    folder = dev.write("app/__main__.py", text).parent
    before = (os.getcwd(), list(sys.path), list(sys.argv))

    dev.ok("up", "--yes", "--skip-preview")

    seen = json.loads(dev.ok("stack", "output", "seen"))
    assert [Path(path).resolve() for path in seen] == [folder.resolve()] * 2
    assert (os.getcwd(), sys.path, sys.argv) == before


def test_structured_and_secret_configuration_reaches_the_program(dev: Shop) -> None:
    dev.write(
        "__main__.py",
        "import pulumi\nc = pulumi.Config()\npulumi.export('tree', c.require_object('tree'))\n"
        "pulumi.export('token', c.require_secret('token'))\npulumi.export('n', c.require_int('n'))\n",
    )
    dev.ok("config", "set", "--path", "tree.a[0].b", "3")
    dev.ok("config", "set", "--secret", "token", "s3cr3t")
    dev.ok("config", "set", "n", "4")

    dev.ok("up", "--yes", "--skip-preview")

    shown = json.loads(dev.ok("stack", "output", "--json"))
    assert shown == {"n": 4, "token": "[secret]", "tree": {"a": [{"b": 3}]}}
    assert json.loads(dev.ok("stack", "output", "--json", "--show-secrets"))["token"] == "s3cr3t"


def test_the_message_and_the_outcome_are_in_the_history(deployed: Shop) -> None:
    deployed.ok("up", "--yes", "-m", "second thoughts")

    entries = json.loads(deployed.ok("history", "--json"))

    assert [entry["message"] for entry in entries] == ["second thoughts", ""]
    assert [entry["result"] for entry in entries] == ["succeeded", "succeeded"]
    assert "second thoughts" in deployed.ok("stack", "history", "--page-size", "1")


def test_targets_limit_what_is_changed(deployed: Shop) -> None:
    target = "urn:pulumi:dev::shop::**::second"

    deployed.ok("up", "--yes", "--skip-preview", "-c", "size=2", "-c", "forced=b", "--target", target)

    assert deployed.world.names("update") == []
    assert deployed.world.names("create") == ["first", "second", "second"]


def test_excluded_resources_keep_their_dependents_out_too_if_asked(deployed: Shop) -> None:
    excluded = ["--exclude", "urn:pulumi:dev::shop::fake:index:Group$fake:index:Thing::first"]
    change = ["-c", "size=2", "-c", "forced=b"]

    out = deployed.ok("preview", *excluded, "--exclude-dependents", *change)
    assert "to replace" not in out
    assert "to update" not in out

    assert "+- 1 to replace" in deployed.ok("preview", *excluded, *change)


def test_a_resource_can_be_replaced_by_request(deployed: Shop) -> None:
    urn = "urn:pulumi:dev::shop::fake:index:Thing::second"

    out = deployed.ok("up", "--yes", "--target-replace", urn, "-c", "size=2")

    assert " +- fake:index:Thing second replace it was asked for" in out
    assert deployed.world.names("create") == ["first", "second", "second"]
    assert deployed.world.names("update") == []


def interrupt_when(started: threading.Event, times: int = 1) -> threading.Thread:
    def interrupt() -> None:
        assert started.wait(20)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


def test_the_first_interruption_lets_running_steps_finish(dev: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = dev.world.hang("create", "first")
    told: list[str] = []
    monkeypatch.setattr("engine.cli.signals.tell_now", lambda text: (told.append(text), go_on.set()))
    thread = interrupt_when(started)

    ended = dev.run("up", "--yes", "--skip-preview")

    thread.join()
    assert ended.code == 1
    assert "error: update canceled" in ended.err
    assert "If you would like to terminate immediately, press ^C again" in told[0]
    assert dev.world.names("create") == ["first"]
    assert "::first" in dev.ok("stack", "export")


def test_the_second_interruption_stops_at_once_and_is_code_8(
    dev: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = dev.world.hang("create", "first")
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if len(told) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("engine.cli.signals.tell_now", tell)
    thread = interrupt_when(started)

    ended = dev.run("up", "--yes", "--skip-preview")

    go_on.set()
    thread.join()
    assert ended.code == 8
    assert json.loads(dev.ok("stack", "export"))["deployment"]["pending_operations"][0]["type"] == "creating"
    assert "in progress" not in dev.ok("stack", "ls"), "the lock was given back"


class Somebody:
    """Stands for the user at the prompt, and for somebody else who is quicker."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def __call__(self, *_: object) -> None:
        assert self._shop.run("up", "--yes", "--skip-preview", "-c", "size=8").code == 0


def test_a_state_that_moved_after_the_preview_is_left_alone(
    deployed: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Deployment, "_agree", Somebody(deployed))
    monkeypatch.setattr(terminal, "connect", lambda *_, **__: interactive())

    ended = deployed.run("up", "-c", "size=9")

    assert ended.code == 1
    assert "was changed by somebody else" in ended.err
    assert deployed.world.names("update") == ["first"], "only the other's update was carried out"


def interactive() -> Terminal:
    return Terminal(Console(file=sys.stdout), Console(file=sys.stderr), interactive=True)


def test_traces_show_no_secret_configuration(dev: Shop) -> None:
    dev.ok("config", "set", "--secret", "token", "s3cr3t-token")
    dev.write(
        "__main__.py",
        "import pulumi\n"
        "token = pulumi.Config().require('token')\n"
        "try:\n    raise KeyError(token)\n"
        "except KeyError as error:\n    raise ValueError(token) from error\n",
    )

    ended = dev.run("preview", "--verbose")

    assert ended.code == 1
    assert "KeyError: '[secret]'" in ended.err
    assert "ValueError: [secret]" in ended.err
    assert "s3cr3t-token" not in ended.err + ended.out


def test_what_the_program_prints_shows_no_secret_configuration(dev: Shop) -> None:
    dev.ok("config", "set", "--secret", "token", "s3cr3t-token")
    dev.write(
        "__main__.py",
        "import pulumi, sys\n"
        "token = pulumi.Config().require('token')\n"
        "print('by', token)\n"
        "print('from', token, file=sys.stderr)\n"
        "raise ValueError(token)\n",
    )

    for flags in ((), ("--json",)):
        ended = dev.run("preview", *flags)
        assert "by [secret]" in ended.out
        assert "ValueError: [secret]" in ended.out
        assert "s3cr3t" not in ended.out + ended.err
