"""`python -m monitor`: watch the build, tell the broker, end.

Exit status 0 when the broker took the event, or there was nothing to tell because the build was called off;
so the Job's fate is the build's. 1 when the settings are wrong, the event could not be delivered before the
pod's end, or this process was told to end while the build still ran.
"""

import logging
import os
import sys

from monitor import broker, logs, scan
from monitor.events import message
from monitor.kubernetes import PodReader
from monitor.scan import Scanner
from monitor.settings import InvalidSettings, Settings, settings_from
from monitor.stop import Stop
from monitor.verdict import CalledOff, Verdict
from monitor.watcher import Watcher

_log = logging.getLogger("monitor")


def main() -> int:
    """Watch one build to its end; return the exit status."""
    stop = Stop()
    stop.install()
    try:
        settings = settings_from(os.environ)
    except InvalidSettings as error:
        logs.configure(None)
        _log.critical("the settings are wrong: %s", error)
        return 1
    logs.configure(settings.build)
    return _run(settings, stop)


def _run(settings: Settings, stop: Stop) -> int:
    reader = PodReader(
        settings.api_url,
        namespace=settings.pod_namespace,
        name=settings.pod_name,
        token_file=settings.token_file,
        ca_file=settings.ca_file,
    )
    _log.info("watching", extra={"pod": settings.pod_name, "container": settings.rules.container})
    scanner = Scanner(settings.scan, reader, stop) if settings.scan else None
    ending = Watcher(reader, settings.rules, stop).watch()
    succeeded = isinstance(ending.result, Verdict) and ending.result.diagnosis is None
    if scanner and not succeeded:
        scanner.end()
    if ending.result is None:
        _log.error("told to end while the build was running; nothing is known of its end")
        return 1
    if isinstance(ending.result, CalledOff):
        _log.info("nothing to tell", extra={"why": ending.result.why})
        return 0
    pod_uid = ending.pod_uid or f"{settings.pod_namespace}/{settings.pod_name}"
    image = scan.by_digest(settings.build.image_uri, ending.result.image_digest)
    scanned = scanner.scan(image) if scanner and succeeded else None
    event = message(
        settings.build,
        ending.result,
        pod_uid=pod_uid,
        log=ending.log,
        cache_hits=ending.cache_hits,
        scan=scanned,
    )
    diagnosis = ending.result.diagnosis
    _log.info("the build has ended", extra={"reason": diagnosis.reason if diagnosis else "success"})
    return 0 if broker.deliver(settings.broker_url, event, stop) else 1


if __name__ == "__main__":
    sys.exit(main())
