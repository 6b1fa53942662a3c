"""Coverage-guided search for messages that the codec or the parser did not foresee: `make fuzz`.

What it finds is printed, and written to a file `crash-...`; it becomes a test by moving into `corpus/`.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["automation", "service", "cloudevents"]):
    from tests.fuzz.messages import CORPUS, survive


def main():
    """Search until the time is over (-max_total_time) or something is found."""
    with tempfile.TemporaryDirectory() as found:
        keys = Path(found) / "keys"
        keys.write_text("whsec_" + "A" * 32)
        inputs = Path(found) / "inputs"
        inputs.mkdir()
        atheris.Setup([*sys.argv, str(inputs), str(CORPUS)], lambda message: survive(message, keys))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
