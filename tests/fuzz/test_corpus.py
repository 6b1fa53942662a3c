"""Messages that fuzzers began with or found: each is read, or refused as documented."""

import pytest

from tests.fuzz.messages import CORPUS, read, survive

MESSAGES = sorted(CORPUS.iterdir())


@pytest.mark.parametrize("message", MESSAGES, ids=lambda path: path.name)
def test_nothing_that_was_found_surprises_the_readers_again(message, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("whsec_" + "A" * 32)

    survive(message.read_bytes(), keys)


@pytest.mark.parametrize("name", ["binary", "structured", "batch"])
def test_fuzzers_begin_with_events_of_every_mode(name):
    assert read((CORPUS / name).read_bytes())
