"""The build itself: context, Dockerfile, steps, image. What Kaniko's executor does, without a registry."""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.builder import dockerfile as dockerfiles
from local.builder.arguments import Options
from local.builder.cache import Cache
from local.builder.context import open_context
from local.builder.errors import BuildError, StageError
from local.builder.files import difference, inside, merge, snapshot, transfer
from local.builder.log import Log
from local.builder.plan import Copy, CopyFrom, MakeFolder, Plan, Run, Step, base_references, plan
from local.builder.processes import passed_through, run
from local.images import Image, ImageError, ImageStore, Reference, digest_of

_MAX_DOCKERFILE_BYTES = 1 << 20
ENVIRONMENT_FILE = "environment.json"
"""In the cache folder: what `register_builder_images` saw of the user's package settings."""


@dataclass(frozen=True)
class Settings:
    """Where the machine keeps things: from the environment of the builder's process."""

    image_store: Path
    cache: Path
    environ: Mapping[str, str]

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Read LOCAL_IMAGE_STORE and LOCAL_BUILD_CACHE; raises BuildError naming what is missing."""
        missing = [name for name in ("LOCAL_IMAGE_STORE", "LOCAL_BUILD_CACHE") if not environ.get(name)]
        if missing:
            raise BuildError(
                f"error building image: {', '.join(missing)} not set; expected the path of a folder"
            )
        return cls(Path(environ["LOCAL_IMAGE_STORE"]), Path(environ["LOCAL_BUILD_CACHE"]), environ)

    def command_environment(self) -> dict[str, str]:
        """Return what RUN gets besides the image's own variables."""
        saved: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError):
            saved = json.loads((self.cache / ENVIRONMENT_FILE).read_bytes())
        # HOME of this process may be a sandbox's; the saved one has the user's pip.conf.
        home = {"HOME": saved["HOME"]} if "HOME" in saved else {}
        return {**saved, **passed_through(self.environ), **home}


def build(options: Options, settings: Settings, log: Log) -> str:
    """Build, tag and write the digest files; return the digest. Raises BuildError."""
    store = ImageStore(settings.image_store)
    cache = Cache(settings.cache, ttl_seconds=options.cache_ttl_seconds)
    for argument in options.ignored:
        log.warn(f"Ignoring the argument {argument!r}: it belongs to no flag")
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache.work) as folder:
        planned = _prepare(options, settings, store, Path(folder), log)
        with cache.exclusive("image", planned.key) if options.cache else contextlib.nullcontext():
            digest = _known_image(planned, options, store, cache)
            if digest is None:
                digest = _Stage(planned, options, settings, cache, Path(folder), log).build(store)
            else:
                _log_known(planned, log)
        _publish(digest, options, store, log)
    cache.prune()
    return digest


def _prepare(options: Options, settings: Settings, store: ImageStore, work: Path, log: Log) -> Plan:
    context = open_context(options.context, options.context_sub_path, work, settings.environ)
    log.debug(f"The build context is in {context}")
    parsed = dockerfiles.parse(_read_dockerfile(context, options.dockerfile))
    if (context / ".dockerignore").exists():
        log.warn("The local builder does not apply .dockerignore")
    references = base_references(parsed, options.build_args)
    bases = [_retrieved(store, reference, log) for reference in references]
    planned = plan(parsed, bases, context, build_args=options.build_args, labels=options.labels)
    log.info("Built cross stage deps: map[]")
    log.info("Executing 0 build triggers")
    log.info(f"Building stage '{references[0]}' [idx: '0', base-idx: '-1']")
    return planned


def _retrieved(store: ImageStore, reference: str, log: Log) -> Image:
    log.info(f"Retrieving image manifest {reference}")
    base = _base_image(store, reference)
    log.info(f"Retrieving image {reference} from the local image store")
    return base


def _read_dockerfile(context: Path, path: str) -> str:
    file = context / path
    try:
        if file.stat().st_size > _MAX_DOCKERFILE_BYTES:
            raise BuildError(f"error building image: the Dockerfile has over {_MAX_DOCKERFILE_BYTES} bytes")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(
            "error resolving dockerfile path: please provide a valid path to a Dockerfile within the"
            " build context"
            f" with --dockerfile ({path}: {error})"
        ) from error


def _base_image(store: ImageStore, reference: str) -> Image:
    try:
        return store.resolve(reference)
    except ImageError as error:
        known = ", ".join(name for summary in store.list() for name in summary.references[:1]) or "none"
        raise BuildError(
            f"error building image: unable to retrieve image {reference}: MANIFEST_UNKNOWN: {error}; the"
            " local"
            f" store has: {known}"
        ) from error


def _known_image(planned: Plan, options: Options, store: ImageStore, cache: Cache) -> str | None:
    """Return the digest of the image that equal inputs led to, if it is still there."""
    digest = cache.result(planned.key) if options.cache else None
    with contextlib.suppress(ImageError):
        return store.resolve(digest).digest if digest else None
    return None


def _log_known(planned: Plan, log: Log) -> None:
    for step in planned.steps:
        if isinstance(step.action, Run):
            log.info(f"Using caching version of cmd: {step.instruction}")
    log.info("Skipping unpacking as no commands require it.")
    for step in planned.steps:
        log.info(str(step.instruction))


def _publish(digest: str, options: Options, store: ImageStore, log: Log) -> None:
    references = [_destination(text) for text in options.destinations]
    for text, reference in zip(options.destinations, references, strict=True):
        if options.push:
            log.info(f"Pushing image to {text}")
            store.tag(reference.tagged, digest)
            log.info(f"Pushed {reference.repository}@{digest}")
    if not options.push:
        log.info("Skipping push to container registry due to --no-push flag")
    by_name = "".join(f"{reference.repository}@{digest}\n" for reference in references)
    by_tag = "".join(f"{reference.tagged}@{digest}\n" for reference in references)
    _write(options.digest_file, digest)
    _write(options.image_name_digest_file, by_name)
    _write(options.image_name_tag_digest_file, by_tag)


def _destination(text: str) -> Reference:
    try:
        reference = Reference.parse(text)
    except ImageError as error:
        raise BuildError(f"error pushing image: getting tag for destination: {error}") from error
    if reference.tag is None:
        raise BuildError(
            f"error pushing image: getting tag for destination: {text!r} names a digest, not a tag"
        )
    return reference


def _write(path: str, content: str) -> None:
    if not path:
        return
    try:
        Path(path).write_text(content)
    except OSError as error:
        raise BuildError(
            f"error pushing image: writing digest to file failed: {path}: {error.strerror}"
        ) from error


class _Stage:
    """One stage of a build, carried out in a folder of its own."""

    def __init__(
        self, planned: Plan, options: Options, settings: Settings, cache: Cache, work: Path, log: Log
    ) -> None:
        self._plan = planned
        self._earlier = [
            _Stage(stage, options, settings, cache, work / f"stage-{number}", log)
            for number, stage in enumerate(planned.earlier)
        ]
        self._push = options.push
        self._cache = cache if options.cache else None
        self._environment = settings.command_environment()
        self._work = work
        self._log = log
        self._oldest_layer = time.time()
        self._rootfs = work / "rootfs"

    def build(self, store: ImageStore) -> str:
        """Carry the stages out and add the image to the store; return its digest. Raises BuildError."""
        for number, stage in enumerate(self._earlier):
            stage._earlier = self._earlier[:number]
            stage._carry_out_all()
        self._carry_out_all()
        self._oldest_layer = min(stage._oldest_layer for stage in (self, *self._earlier))
        return self._stored(store)

    def _carry_out_all(self) -> None:
        self._rootfs.mkdir(mode=0o755, parents=True)
        self._log.info("Unpacking rootfs as the image's own files are needed.")
        merge(self._plan.base.rootfs, self._rootfs, share=False)
        runs_left = sum(isinstance(step.action, Run) for step in self._plan.steps)
        for step in self._plan.steps:
            runs_left -= isinstance(step.action, Run)
            # A later command could write into files in place: only then must they not be shared.
            self._carry_out(step, share=runs_left == 0)

    def _stored(self, store: ImageStore) -> str:
        try:
            if not self._push:
                return digest_of(self._rootfs, self._plan.config)
            digest = store.add(self._rootfs, self._plan.config)
        except ImageError as error:
            raise StageError(f"failed to take snapshot: {error}") from error
        if self._cache is not None:
            self._cache.add_result(self._plan.key, digest, self._oldest_layer)
        return digest

    def _carry_out(self, step: Step, *, share: bool) -> None:
        self._log.info(str(step.instruction))
        try:
            match step.action:
                case MakeFolder(path):
                    self._log.info(f"Changed working directory to {path}")
                    inside(self._rootfs, path).mkdir(parents=True, exist_ok=True)
                case Copy():
                    self._copy(step.action.sources, step.action.target, step.action.mode)
                case CopyFrom(number, sources, target, mode):
                    rootfs = self._earlier[number]._rootfs
                    self._copy([inside(rootfs, source) for source in sources], target, mode)
                case Run():
                    self._run(step, step.action, share=share)
                case None:
                    self._log.debug("No files changed in this command, skipping snapshotting.")
        except (OSError, ValueError) as error:
            raise StageError(f"failed to execute command: {step.instruction.name}: {error}") from error

    def _copy(self, sources: Iterable[Path], path: str, mode: int | None) -> None:
        target = inside(self._rootfs, path)
        for source in sources:
            if source.is_dir():
                merge(source, target, share=False)
                _set_mode(source, target, mode)
                continue
            is_folder = path.endswith("/") or target.is_dir()
            file = inside(self._rootfs, f"{path}/{source.name}") if is_folder else target
            file.parent.mkdir(parents=True, exist_ok=True)
            transfer(source, file, share=False)
            _set_mode(source, file, mode)
        self._log.info("Taking snapshot of files...")

    def _run(self, step: Step, action: Run, *, share: bool) -> None:
        if self._cache is None:
            self._execute(action)
            return
        with self._cache.exclusive("layer", step.key):
            self._log.info(f"Checking for cached layer {step.key}...")
            layer = self._cache.layer(step.key)
            if layer is not None:
                self._log.info(f"Using caching version of cmd: {step.instruction}")
                self._log.info("Found cached layer, extracting to filesystem")
                layer.apply(self._rootfs, share=share)
                self._oldest_layer = min(self._oldest_layer, layer.created)
                return
            self._log.info(f"No cached layer found for cmd {step.instruction}")
            before = snapshot(self._rootfs)
            self._execute(action)
            self._log.info("Taking snapshot of full filesystem...")
            change = difference(before, snapshot(self._rootfs))
            self._log.info(f"Pushing layer {step.key} to cache now")
            self._cache.add_layer(step.key, self._rootfs, change, share=share)

    def _execute(self, action: Run) -> None:
        self._log.info(f"Cmd: {action.command[0]}")
        self._log.info(f"Args: [{' '.join(action.command[1:])}]")
        self._log.info(f"Running: [{' '.join(action.command)}]")
        folder = inside(self._rootfs, action.workdir)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = self._work / "tmp"
        temporary.mkdir(exist_ok=True)
        env = {"TMPDIR": str(temporary), "PATH": os.defpath, **self._environment, **action.env}
        run(action.command, cwd=folder, env=env)


def _set_mode(source: Path, target: Path, mode: int | None) -> None:
    """Give the mode to what was copied from `source`; what was at the target before is not touched."""
    if mode is None:
        return
    for entry in (source, *(source.rglob("*") if source.is_dir() else ())):
        if not entry.is_symlink():
            (target / entry.relative_to(source)).chmod(mode)
