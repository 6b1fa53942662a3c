"""What a specification may ask of this environment: its images, its storage, its source of metrics. Pure."""

from urllib.parse import urlsplit

from automation.errors import InvalidEvent
from automation.events import FunctionDeploy
from automation.settings import AutomationSettings


def admit(event: FunctionDeploy, settings: AutomationSettings) -> None:
    """Raise InvalidEvent, with every problem, for what this environment does not have or does not allow."""
    problems = [*_image(event.image, settings), *_endpoint(event.source_endpoint, settings)]
    if problems:
        raise InvalidEvent(problems[0], details=tuple(problems))


def _image(image: str, settings: AutomationSettings) -> list[str]:
    """A prefix ends where a part of the reference ends, or `registry.example` would allow its namesakes."""
    allowed = (settings.registry, *settings.image_sources)
    ends = ("/", ":", "@")
    if not image or any(
        image.startswith(tuple(f"{prefix.rstrip('/')}{end}" for end in ends)) for prefix in allowed
    ):
        return []
    return [f"spec.source.image: {image!r} is not allowed; allowed: images of {', '.join(allowed)}"]


def _endpoint(endpoint: str, settings: AutomationSettings) -> list[str]:
    ours = settings.s3_endpoint
    if not endpoint or _host(endpoint) == _host(ours):
        return []
    return [
        f"spec.source.minio.endpoint: {endpoint!r} is not this platform's storage, "
        f"{ours or 'S3 of its region'}; leave endpoint out, and put the code there"
    ]


def _host(url: str) -> str:
    return urlsplit(url if "//" in url else f"//{url}").netloc.lower()
