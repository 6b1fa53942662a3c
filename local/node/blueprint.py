"""Turns one container of a pod spec into a command to start: arguments, environment, folders."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local.apiserver.kinds import Kind
from local.images import Image
from local.node.addresses import PodAddress
from local.node.environment import expand, variables
from local.node.host import Host
from local.node.launch import Command
from local.node.objects import Json
from local.node.paths import PathMap

_TERMINATION_LOG = "/dev/termination-log"
_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on


@dataclass
class Sandbox:
    """What the containers of one pod share."""

    host: Host
    pod: Json
    """The pod as it is now, with its address in the status."""
    address: PodAddress
    folder: Path

    def lookup(self, kind: Kind, name: str) -> Json | None:
        """Return an object of the pod's namespace, None if there is none."""
        return self.host.find(kind, self.pod["metadata"]["namespace"], name)

    def volume(self, name: str) -> Path:
        """Return the folder of a volume."""
        return self.folder / "volumes" / name

    def container_folder(self, name: str) -> Path:
        """Return the folder of a container: its home, its logs and its termination message."""
        return self.folder / "containers" / name

    def log(self, container: str, start: int) -> Path:
        """Return the log file of the container's n-th start, counted from 0."""
        return self.container_folder(container) / f"{start}.log"


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """A container that is ready to start."""

    command: Command
    image: Image
    termination_log: Path


def draw(container: Json, sandbox: Sandbox) -> Blueprint:
    """Return how to start a container, and make its own folders. Raises ImageError or ConfigError."""
    image = sandbox.host.images.resolve(container["image"])
    folder = sandbox.container_folder(container["name"])
    (folder / "home").mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    termination_log = folder / "termination-log"
    termination_log.write_bytes(b"")
    message_path = container.get("terminationMessagePath") or _TERMINATION_LOG
    paths = PathMap({message_path: termination_log} | _mounts(container, sandbox), image.rootfs)
    spec = variables(sandbox.pod, container, sandbox.lookup)
    env = _environment(sandbox, image, paths, spec, folder)
    cwd = paths.locate(container.get("workingDir") or image.config.workdir)
    argv = [expand(part, env) for part in _arguments(container, image, paths)]
    command = Command(argv=argv, env=env, cwd=cwd if cwd is not None and cwd.is_dir() else folder / "home")
    return Blueprint(command=command, image=image, termination_log=termination_log)


def _mounts(container: Json, sandbox: Sandbox) -> dict[str, Path]:
    mounts = {}
    for mount in container.get("volumeMounts", ()):
        real = sandbox.volume(mount["name"]) / mount.get("subPath", "")
        mounts[str(mount["mountPath"])] = real
    return mounts


def _arguments(container: Json, image: Image, paths: PathMap) -> list[str]:
    """Return the command line by the rules of entrypoint and cmd, with real paths."""
    args = [paths.translate(part) for part in container.get("args") or ()]
    if container.get("command"):
        return [*(paths.translate(part) for part in container["command"]), *args]
    own = [paths.translate_image(part) for part in image.config.cmd]
    return [*(paths.translate_image(part) for part in image.config.entrypoint), *(args or own)]


def _environment(
    sandbox: Sandbox, image: Image, paths: PathMap, spec: Mapping[str, str], folder: Path
) -> dict[str, str]:
    """Return the whole environment: the sandbox's, then the image's, then the spec's."""
    host, ip = sandbox.host, sandbox.address.ip
    api = urlsplit(host.api_url)
    env = {
        "PATH": host.search_path,
        "HOME": str(folder / "home"),
        "TMPDIR": str(paths.locate("/tmp") or folder / "tmp"),  # noqa: S108 - a path inside the container
        "HOSTNAME": sandbox.pod["metadata"]["name"],
        "KUBERNETES_SERVICE_HOST": api.hostname or "",
        "KUBERNETES_SERVICE_PORT": str(api.port or ""),
        "KUBERNETES_API_URL": host.api_url,
        "LANG": "C.UTF-8",
    }
    own = {name: paths.translate_image(value) for name, value in image.config.env.items()}
    if "PATH" in own:
        own["PATH"] += f":{host.search_path}"
    env |= own | {name: paths.translate(value) for name, value in spec.items()}
    return env | _listening(env, ip, sandbox.address.ports)


def _listening(env: Mapping[str, str], ip: str, ports: Mapping[int, int]) -> dict[str, str]:
    """Return HOST, the pod's address unless the spec names another one, and PORT where it is mapped."""
    result = {"HOST": ip if env.get("HOST", "") in _WILDCARDS else env["HOST"]}
    wanted = env.get("PORT") or next((str(port) for port in ports), "")
    if wanted.isdigit() and int(wanted) in ports:
        result["PORT"] = str(ports[int(wanted)])
    return result
