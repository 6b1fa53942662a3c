import io

import pytest
from rich.console import Console

from local.progress import LiveRenderer, Phase, PlainRenderer, Timeline, duration, phase_table, renderer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def text_of(renderable) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(renderable)
    return out.getvalue()


def test_a_phase_takes_the_time_between_its_begin_and_its_end(clock):
    timeline = Timeline("hello", clock)
    timeline.begin(Phase.BUILD)
    clock.now = 2.5
    assert timeline.elapsed == 2.5
    timeline.end("sha256:1")

    assert timeline.seconds == {Phase.BUILD: 2.5}
    assert timeline.notes == {Phase.BUILD: "sha256:1"}
    assert timeline.elapsed == 0


def test_a_phase_that_was_not_begun_cannot_end():
    with pytest.raises(RuntimeError, match="no phase of hello"):
        Timeline("hello").end()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0004, "0 ms"), (0.25, "250 ms"), (1.0, "1.00 s"), (75.5, "75.50 s")]
)
def test_a_duration_reads_in_milliseconds_below_a_second(seconds, text):
    assert duration(seconds) == text


def test_the_table_has_a_column_for_each_phase_that_somebody_reached(clock):
    first, second = Timeline("a", clock), Timeline("b", clock)
    for timeline, phases in ((first, [Phase.UPLOAD, Phase.BUILD]), (second, [Phase.UPLOAD])):
        for phase in phases:
            timeline.begin(phase)
            clock.now += 1
            timeline.end()

    lines = text_of(phase_table([first, second])).splitlines()
    assert [line.split() for line in lines[1:4]] == [
        ["function", "upload", "build"],
        [first.name, "1.00", "s", "1.00", "s"],
        [second.name, "1.00", "s", "-"],
    ]
    assert [line.strip() for line in lines[4:]] == ["upload: code into the bucket", "build: Job to image"]


def test_plain_output_prints_each_phase_and_a_failure_once(clock):
    out = io.StringIO()
    show = PlainRenderer(Console(file=out, width=200))
    timeline = Timeline("hello", clock)
    timeline.begin(Phase.UPLOAD)
    timeline.end("2 files")
    timeline.begin(Phase.BUILD)
    timeline.fail("[oom] the build failed")
    show.update(timeline)
    show.update(timeline)

    lines = [line.split() for line in out.getvalue().splitlines()]
    assert lines == [
        ["hello", "upload", "0", "ms", "2", "files"],
        ["hello", "failed:", "[oom]", "the", "build", "failed"],
    ]


def test_a_terminal_gets_the_live_table_and_a_pipe_plain_lines():
    assert isinstance(renderer(Console(force_terminal=True, file=io.StringIO())), LiveRenderer)
    assert isinstance(renderer(Console(file=io.StringIO())), PlainRenderer)


def test_the_live_table_ends_with_the_last_state_on_the_screen(clock):
    out = io.StringIO()
    timeline = Timeline("hello", clock)
    with LiveRenderer(Console(file=out, force_terminal=True, width=120)) as show:
        timeline.begin(Phase.UPLOAD)
        show.update(timeline)
        timeline.end()
    assert "ok" in out.getvalue().splitlines()[-2]
