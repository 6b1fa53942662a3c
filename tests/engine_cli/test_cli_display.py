"""The display's pure core: events in, lines out."""

import itertools
from typing import Any

from engine import urns
from engine.cli.display import diff, report, tree
from engine.cli.display.board import Board
from engine.cli.display.tree import Choices
from engine.differences import reason
from engine.specials import SECRET, SIGNATURE, UNKNOWN_TEXT

SECRETED = {SIGNATURE: SECRET, "ciphertext": "[secret]"}
STACK = urns.make("dev", "shop", "", urns.STACK_TYPE, "shop-dev")


def urn(name: str, type_: str = "fake:index:Thing", parent: str = STACK) -> str:
    return urns.make("dev", "shop", parent, type_, name)


class Story:
    """A board and a clock, told what happens."""

    def __init__(self, *, preview: bool = False, planned: frozenset[tuple[str, str]] | None = None) -> None:
        self.board = Board("shop", "dev", preview=preview, planned=planned)
        self.now = 0.0
        self._sequence = itertools.count()

    def begin(self, name: str, op: str, **metadata: Any) -> "Story":
        return self._tell("resourcePreEvent", {"metadata": self._metadata(name, op, metadata)})

    def end(self, name: str, op: str, **metadata: Any) -> "Story":
        return self._tell("resOutputsEvent", {"metadata": self._metadata(name, op, metadata)})

    def fail(self, name: str, op: str, **metadata: Any) -> "Story":
        return self._tell("resOpFailedEvent", {"metadata": self._metadata(name, op, metadata)})

    def do(self, name: str, op: str, **metadata: Any) -> "Story":
        return self.begin(name, op, **metadata).end(name, op, **metadata)

    def say(self, text: str, severity: str = "info", *, name: str = "", ephemeral: bool = False) -> "Story":
        body = {"message": text, "severity": severity, "ephemeral": ephemeral}
        return self._tell("diagnosticEvent", {**body, **({"urn": urn(name)} if name else {})})

    def finish(self, **changes: int) -> "Story":
        body = {"resourceChanges": changes, "durationSeconds": 61, "result": "succeeded"}
        return self._tell("summaryEvent", body)

    def wait(self, seconds: float) -> "Story":
        self.now += seconds
        return self

    def tree(self, height: int | None = None, **choices: bool) -> list[str]:
        lines = tree.lines(self.board, self.now, Choices(**choices), height=height)
        return [line.plain.rstrip() for line in lines]

    def _metadata(self, name: str, op: str, more: dict[str, Any]) -> dict[str, Any]:
        named = STACK if name == "stack" else more.pop("urn", urn(name))
        state = {"urn": named, "type": urns.parse(named).type, "custom": True}
        state["parent"] = more.pop("parent", "" if name == "stack" else STACK)
        old = more.pop("old", None if op == "create" else {})
        new = more.pop("new", None if op.startswith("delete") else {})
        return {
            "op": op,
            "urn": named,
            "type": state["type"],
            "old": None if old is None else {**state, **old},
            "new": None if new is None else {**state, **new},
            "keys": [],
            "diffs": [],
            "detailedDiff": None,
            **more,
        }

    def _tell(self, kind: str, body: dict[str, Any]) -> "Story":
        self.board.apply({"sequence": next(self._sequence), kind: body}, self.now)
        return self


def test_a_running_operation_is_a_tree_with_times() -> None:
    story = Story().begin("stack", "same").do("group", "create").wait(3.4)
    story.begin("inner", "create", urn=urn("inner", parent=urn("group")), parent=urn("group")).wait(2.2)

    assert story.tree() == [
        "     Type                    Name      Status           Info",
        "     pulumi:pulumi:Stack     shop-dev  running",
        " +   └─ fake:index:Thing     group     created (0.00s)",
        " +      └─ fake:index:Thing  inner     creating (2s)",
    ]


def test_what_does_not_change_is_shown_only_when_asked_for_or_above_something_shown() -> None:
    story = Story().do("group", "same").do("other", "same")
    story.do("inner", "update", urn=urn("inner", parent=urn("group")), parent=urn("group"))

    assert [line.split()[-2:-1] for line in story.tree()[2:]] != []
    assert not any("other" in line for line in story.tree())
    assert any("group" in line for line in story.tree())
    assert any("other" in line for line in story.tree(show_sames=True))


def test_default_providers_are_never_shown() -> None:
    provider = urns.make("dev", "shop", "", "pulumi:providers:fake", "default_1_0_0")
    story = Story().do("default", "create", urn=provider)

    assert not any("default" in line for line in story.tree(show_sames=True))


def test_a_replacement_is_one_row_that_says_why() -> None:
    story = Story(preview=True)
    why: dict[str, Any] = {
        "old": {"inputs": {"name": "a", "size": 1}},
        "new": {"inputs": {"name": "b", "size": 2}},
        "keys": ["name"],
        "diffs": ["name", "size"],
    }
    for op in ("create-replacement", "replace"):
        story.do("thing", op, **why)
    story.do("thing", "delete-replaced").finish(replace=1)

    line = story.tree()[-1]
    assert " +- " in line
    assert "replace" in line
    assert "[diff: ~name,size]; name cannot be changed in place" in line


def test_a_failure_stands_out_and_is_explained_at_the_end() -> None:
    story = (
        Story().begin("thing", "create").say("no room\nat all", "error", name="thing").fail("thing", "create")
    )
    story.finish()

    assert "**creating failed**" in story.tree()[-1]
    assert [line.plain for line in report.ending(story.board, Choices(), outputs=True)][:4] == [
        "Diagnostics:",
        "  fake:index:Thing (thing):",
        "    error: no room",
        "    at all",
    ]
    assert "    1 errored" in [line.plain for line in report.summary(story.board)]


def test_while_a_step_runs_its_last_message_stands_beside_it() -> None:
    story = Story().begin("thing", "create").say("waiting for pods", name="thing", ephemeral=True)

    assert story.tree()[-1].endswith("waiting for pods")
    story.end("thing", "create").finish(create=1)
    assert "waiting" not in story.tree()[-1]
    assert report.diagnostics(story.board, Choices()) == []


def test_what_a_refresh_reads_is_shown_only_while_it_is_read() -> None:
    story = Story().begin("thing", "refresh").begin("other", "refresh")
    assert [line.split()[-1] for line in story.tree()[2:]] == ["(0s)", "(0s)"]

    story.end("thing", "update", old={"inputs": {"a": 1}}, new={"inputs": {"a": 2}}).finish(update=1)

    assert len(story.tree()) == 3
    assert "updated (0.00s)  [diff: ~a]" in story.tree()[-1]
    assert not any("refresh" in line.plain for line in report.differences(story.board, Choices()))


def test_a_program_cannot_draw_over_the_display() -> None:
    story = Story().say("\x1b[2J\x1b[31mred\x1b[0m\x07 alert\x1b]0;title\x07\r")

    assert [line.plain for line in report.diagnostics(story.board, Choices())][2] == "    red alert"


def test_what_was_cut_off_is_called_interrupted() -> None:
    story = Story().begin("thing", "create").finish()

    assert "creating (interrupted)" in story.tree()[-1]


def test_a_screen_too_small_shows_what_is_at_work() -> None:
    story = Story()
    for number in range(40):
        story.do(f"thing-{number}", "create")
    story.begin("slow", "create")

    shown = story.tree(height=10)

    assert len(shown) <= 10
    assert any("slow" in line for line in shown)
    assert shown[-1].strip() == "… and 34 more"


def test_a_step_that_was_not_previewed_is_told() -> None:
    previewed = Story(preview=True).do("thing", "create").do("other", "update").board.plan()
    story = Story(planned=previewed).begin("thing", "create").begin("other", "replace")

    assert "this step was not in the preview: replace" in story.tree()[-1]
    assert sum("not in the preview" in line for line in story.tree()) == 1


def test_the_summary_counts_in_pulumis_words() -> None:
    lines = [line.plain for line in report.summary(Story().finish(create=2, update=1, same=3, read=4).board)]

    assert lines == [
        "Resources:",
        "    + 2 created",
        "    ~ 1 updated",
        "    3 changes. 3 unchanged",
        "",
        "Duration: 1m1s",
        "",
    ]


def test_a_preview_says_what_it_would_do() -> None:
    lines = [line.plain for line in report.summary(Story(preview=True).finish(delete=1).board)]

    assert lines == ["Resources:", "    - 1 to delete", ""]


def test_outputs_show_what_changes_and_hide_secrets() -> None:
    story = Story().begin("stack", "same")
    old = {"outputs": {"a": 1, "gone": "x", "password": SECRETED, "kept": True}}
    new = {"outputs": {"a": 2, "fresh": [1], "password": SECRETED, "kept": True}}
    story.end("stack", "same", old=old, new=new)

    assert [line.plain for line in report.output_lines(story.board)] == [
        "Outputs:",
        "  ~ a       : 1 => 2",
        "  + fresh   : [1]",
        '  - gone    : "x"',
        "    kept    : true",
        "    password: [secret]",
        "",
    ]


def differences(**metadata: Any) -> list[str]:
    story = Story().do("thing", metadata.pop("op", "update"), **metadata)
    return [line.plain for line in report.differences(story.board, Choices())]


def test_the_diff_shows_paths_with_old_and_new_values() -> None:
    lines = differences(
        old={"id": "t-1", "inputs": {"a": {"b": [1, 2]}, "same": 1, "gone": "x"}},
        new={"inputs": {"a": {"b": [1, 3]}, "same": 1, "fresh": UNKNOWN_TEXT}},
    )

    assert lines == [
        "    ~ fake:index:Thing: (update)",
        "        [id=t-1]",
        f"        [urn={urn('thing')}]",
        "      ~ a.b[1]: 2 => 3",
        '      - gone: "x"',
        "      + fresh: [unknown]",
    ]


def test_the_diff_of_a_provider_is_taken_at_its_word() -> None:
    lines = differences(
        op="replace",
        old={"inputs": {"n": 1}, "outputs": {"n": 1, "status": "old"}},
        new={"inputs": {"n": 2, "status": "new"}},
        keys=["n"],
        detailedDiff={
            "n": {"diffKind": "update-replace", "inputDiff": True},
            "status": {"diffKind": "update", "inputDiff": False},
        },
    )

    assert lines[2:] == [
        "        [replaced because n cannot be changed in place]",
        "      ~ n: 1 => 2  (replaces)",
        '      ~ status: "old" => "new"',
    ]


def test_a_changed_secret_is_named_and_never_shown() -> None:
    lines = differences(
        old={"inputs": {"token": SECRETED}}, new={"inputs": {"token": SECRETED}}, diffs=["token"]
    )

    assert lines[-1] == "      ~ token: [secret] => [secret]"


def test_long_texts_show_the_lines_that_differ() -> None:
    lines = differences(old={"inputs": {"t": "a\nb\nc\n"}}, new={"inputs": {"t": "a\nB\nc\n"}})

    assert [line.strip() for line in lines[-5:]] == ["@@ -1,3 +1,3 @@", "a", "-b", "+B", "c"]


def test_the_reasons_of_replacements_are_told_in_words() -> None:
    for key, text in (
        ("replaceWith", "a resource that its replaceWith names is replaced"),
        ("deletedWith", "the resource that its deletedWith names is replaced"),
        ("replacementTrigger", "its replacementTrigger changed"),
        ("provider", "its provider is replaced"),
        ("id", "it was asked for, by --replace or a taint"),
    ):
        assert reason({"keys": [key]}) == text
    assert reason({"keys": ["name"], "diffs": ["name.first"]}) == "name cannot be changed in place"
    assert reason({"keys": []}) == ""


def test_properties_of_a_new_resource_are_listed() -> None:
    lines = differences(
        op="create", new={"inputs": {"name": "x", "n": {"a": [True, None]}, "__defaults": []}}
    )

    assert lines[2:] == ['        name: "x"', "        n   : {a: [true, null]}"]


def test_assets_and_references_have_short_forms() -> None:
    asset = {SIGNATURE: "c44067f5952c0a294b673a41bacd8c17", "hash": "0123456789", "text": "<contents elided>"}

    assert diff.shown({"a": asset}) == "{a: asset(0123456)}"
