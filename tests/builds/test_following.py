"""A reader's way through a log: while the build runs, over its end, and back after a break."""

from dataclasses import replace

import pytest

from automation.adapters.memory import MemoryLogs, MemoryObjects, MemoryStream
from automation.builds.archive import Archive
from automation.builds.entry import Entry
from automation.builds.following import MAX_FAILURES, Following
from automation.builds.ports import LiveLog
from automation.errors import DependencyUnavailable

RUNNING = Entry(
    build_id="b1",
    job_name="kaniko-build-x",
    third_party_id="tp1",
    parser_id="p1",
    status="running",
    image_uri="registry.test/x:1",
    content_hash="c",
    correlation_id="k",
    requested_at="2026-01-31T12:00:00+00:00",
)
FAILED = replace(RUNNING, status="failed", reason="oom")
LOG = b"one\ntwo\nthree\n"


class Breaking(MemoryStream):
    """Ends with an error."""

    def read(self):
        piece = super().read()
        if piece:
            return piece
        raise DependencyUnavailable("the connection broke")


class Scripted(MemoryLogs):
    """Opens one log after the other."""

    def __init__(self, *logs):
        super().__init__()
        self.script = list(logs)
        self.opened = []

    def open(self, job_name, *, follow):
        log = self.script.pop(0) if self.script else None
        self.opened.append(log)
        return log


@pytest.fixture
def archive():
    archive = Archive(MemoryObjects())
    yield archive
    archive.close()


def follow(archive, live, looks, after=0):
    """Read to the end; return the lines and the outcome."""
    states = iter(looks)
    last = [None]

    def look():
        last[0] = next(states, last[0])
        return last[0]

    following = Following(RUNNING, archive, live, look, after=after, sleep=lambda seconds: None)
    lines = []
    while True:
        piece = following.read()
        lines += [(line.number, line.text) for line in piece.lines]
        if piece.ended:
            return lines, piece.ended.status


def numbered(log=LOG):
    return list(enumerate(log.decode().splitlines(), 1))


def test_a_kept_log_is_read_to_its_end(archive):
    archive.put_log(FAILED, LOG)

    assert follow(archive, Scripted(), [FAILED]) == (numbered(), "failed")


@pytest.mark.parametrize("after", [0, 1, 3, 9])
def test_a_reader_goes_on_behind_the_last_line_that_it_got(archive, after):
    archive.put_log(FAILED, LOG)

    assert follow(archive, Scripted(), [FAILED], after=after)[0] == numbered()[after:]


def test_a_running_build_is_read_as_it_speaks_and_then_its_outcome_is_told(archive):
    live = Scripted(
        None,
        LiveLog(MemoryStream([b"one\ntw", b"o\n"]), ended=False),
        LiveLog(MemoryStream([LOG]), ended=True),
    )

    assert follow(archive, live, [RUNNING] * 6 + [FAILED]) == (numbered(), "failed")
    assert len(live.opened) == 3


def test_what_a_deleted_pod_could_not_say_any_more_comes_from_the_kept_log(archive):
    archive.put_log(FAILED, LOG)
    live = Scripted(LiveLog(Breaking([b"one\nhalf of tw"]), ended=False))

    assert follow(archive, live, [RUNNING, FAILED]) == (numbered(), "failed")


def test_a_connection_that_breaks_loses_and_repeats_nothing(archive):
    live = Scripted(
        LiveLog(Breaking([b"one\ntwo\nthr"]), ended=False), LiveLog(MemoryStream([LOG]), ended=True)
    )

    assert follow(archive, live, [RUNNING, RUNNING, FAILED]) == (numbered(), "failed")


def test_a_reader_is_sent_away_when_nothing_can_be_read_for_long(archive):
    live = Scripted(*[LiveLog(Breaking([]), ended=False)] * MAX_FAILURES)

    with pytest.raises(DependencyUnavailable, match="the connection broke"):
        follow(archive, live, [RUNNING])


def test_a_build_without_a_log_ends_with_its_outcome(archive):
    assert follow(archive, Scripted(), [FAILED]) == ([], "failed")


def test_closing_ends_the_stream_that_is_read(archive):
    stream = MemoryStream([b"one\n", b"two\n"])
    live = Scripted(LiveLog(stream, ended=False))
    following = Following(RUNNING, archive, live, lambda: RUNNING, sleep=lambda seconds: None)
    following.read()
    assert [line.text for line in following.read().lines] == ["one"]

    following.close()

    assert stream.closed
    assert following.read().lines == ()
