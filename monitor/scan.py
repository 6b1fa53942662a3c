"""The scan of what was built: has the scanner begin, waits for it, reads what it left.

The scanner is another container of the pod, see components/manifests/scan.py. Whatever happens to it, the
build's own end is told: a scan that failed says so, and the environment decides what follows.
"""

import contextlib
import logging
import time
from typing import Any

from monitor import trivy
from monitor.kubernetes import ApiUnavailable, PodGone, PodReader
from monitor.logtail import clean
from monitor.settings import ScanSettings
from monitor.stop import Stop

MAX_REPORT_BYTES = 10 * 1024 * 1024
"""A bigger report is not read: as objects it takes several times as much, of 128 MiB in all."""
MAX_MESSAGE_CHARACTERS = 500
PAUSE_SECONDS = 0.5
LOOK_SECONDS = 5.0
"""How often the pod is looked at, for a scanner that ended without a word."""
START_SECONDS = 60.0
"""How much longer than a scan may take the scanner is waited for: its image, and its two runs."""

_log = logging.getLogger("monitor.scan")


class Scanner:
    """The scanner, as the monitor has to do with it."""

    def __init__(self, settings: ScanSettings, reader: PodReader, stop: Stop) -> None:
        self._settings = settings
        self._folder = settings.folder
        self._reader = reader
        self._stop = stop

    def scan(self, image: str) -> dict[str, Any]:
        """Have an image scanned; return what `build.complete` says of it."""
        try:
            self._write("image", image)
            _log.info("the image is being scanned", extra={"image": image})
            problem = self._wait() or self._complaint()
            return failed(problem) if problem else trivy.summary(self._report())
        except OSError as error:
            return failed(f"the scanner's folder cannot be used: {error}")
        except trivy.UnreadableReport as error:
            return failed(str(error))

    def end(self) -> None:
        """Have the scanner end if it still waits for an image."""
        with contextlib.suppress(OSError):
            self._write("end", "")

    def _wait(self) -> str:
        """Return when the scanner is done, with the reason why it is not if it never will be."""
        limit = self._settings.timeout.total_seconds() + START_SECONDS
        now = time.monotonic()
        deadline, look = now + limit, now + LOOK_SECONDS
        while not (self._folder / "status").exists():
            now = time.monotonic()
            if now >= deadline:
                return f"no result within {limit:g} s"
            if now >= look:
                if died := self._died():
                    return died
                look = now + LOOK_SECONDS
            if self._stop.wait(PAUSE_SECONDS):
                return "the build's time was over before its scan was"
        return ""

    def _died(self) -> str:
        """Return how the scanner's container ended, if it did, and left no result."""
        try:
            statuses = self._reader.pod().get("status", {}).get("containerStatuses") or ()
        except (ApiUnavailable, PodGone) as error:
            _log.warning("the pod cannot be read", extra={"error": str(error), "pause_s": LOOK_SECONDS})
            return ""
        for one in statuses:
            ended = (one.get("state") or {}).get("terminated")
            if one.get("name") == self._settings.container and ended and not self._done():
                return f"the scanner ended with {ended.get('exitCode')} ({ended.get('reason', 'no reason')})"
        return ""

    def _done(self) -> bool:
        return (self._folder / "status").exists()

    def _complaint(self) -> str:
        code = (self._folder / "status").read_text().strip()
        if code == "0":
            return ""
        with contextlib.suppress(OSError):
            with (self._folder / "error").open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - 4096))
                said = clean(file.read().decode("utf-8", "replace")).strip().rpartition("\n")[2]
            return f"the scanner ended with {code}: {said}"
        return f"the scanner ended with {code}"

    def _report(self) -> bytes:
        with (self._folder / "report.json").open("rb") as file:
            report = file.read(MAX_REPORT_BYTES + 1)
        if len(report) > MAX_REPORT_BYTES:
            raise trivy.UnreadableReport(
                f"the scanner's report is bigger than {MAX_REPORT_BYTES} bytes; use a smaller base image"
            )
        return report

    def _write(self, name: str, text: str) -> None:
        """Write a file that is there whole or not at all."""
        part = self._folder / f".{name}"
        part.write_text(text)
        part.rename(self._folder / name)


def failed(message: str) -> dict[str, Any]:
    """Return what is said of an image that could not be scanned."""
    text = " ".join(message.split())[:MAX_MESSAGE_CHARACTERS]
    _log.warning("the image is not scanned", extra={"error": text})
    return {"scanner": "trivy", "status": "failed", "message": text}


def by_digest(image: str, digest: str | None) -> str:
    """Return what is to be scanned: the image that was pushed, and no later one of the same tag."""
    if not digest:
        return image
    name = image.partition("@")[0]
    repository, colon, tag = name.rpartition(":")
    return f"{repository if colon and '/' not in tag else name}@{digest}"
