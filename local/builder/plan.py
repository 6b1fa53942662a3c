"""From instructions to steps: variables replaced, paths resolved, and a cache key for each.

Keys chain: each covers the base image, every instruction before it and the content of every file copied
before it. So they are all known before anything is run, and equal inputs lead to an equal last key. Reads
the context, writes nothing.
"""

import hashlib
import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from local.builder.dockerfile import Dockerfile, Instruction, Stage
from local.builder.errors import DockerfileError, StageError
from local.builder.files import content_hash
from local.builder.lexer import expand
from local.images import Image, ImageConfig

_SHELL = ("/bin/sh", "-c")
_NO_SOURCE = "failed to execute command: resolving src"


@dataclass(frozen=True)
class MakeFolder:
    """WORKDIR: the folder is made."""

    path: str


@dataclass(frozen=True)
class Copy:
    """COPY: `sources` are in the context, `target` is absolute in the image; a `/` at its end: a folder."""

    sources: tuple[Path, ...]
    target: str
    mode: int | None


@dataclass(frozen=True)
class CopyFrom:
    """COPY --from: `sources` are absolute in the image of an earlier stage, by its number from 0."""

    stage: int
    sources: tuple[str, ...]
    target: str
    mode: int | None


@dataclass(frozen=True)
class Run:
    """RUN: a command, its working directory in the image and its environment."""

    command: tuple[str, ...]
    workdir: str
    env: Mapping[str, str]


Action = MakeFolder | Copy | CopyFrom | Run


@dataclass(frozen=True)
class Step:
    """One instruction. Without an action it only changed the image's configuration."""

    instruction: Instruction
    action: Action | None
    key: str


@dataclass(frozen=True)
class Plan:
    """A stage that is ready to be carried out; `key` stands for everything that goes into it."""

    base: Image
    steps: tuple[Step, ...]
    config: ImageConfig
    key: str
    earlier: tuple["Plan", ...] = ()
    """Of the last stage: those before it, which have to be carried out first."""


@dataclass(frozen=True)
class _State:
    config: ImageConfig
    args: Mapping[str, str] = field(default_factory=dict)
    earlier: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Number and key of the stages that may be copied from, by their names and numbers."""
    own_cmd: bool = False
    """A CMD came in this file; one of the base image is dropped by an ENTRYPOINT."""

    @property
    def variables(self) -> dict[str, str]:
        return {**self.args, **self.config.env}

    def path(self, path: str) -> str:
        resolved = posixpath.normpath(posixpath.join(self.config.workdir, path)).replace("//", "/", 1)
        return resolved + "/" if path.endswith(("/", "/.")) or path == "." else resolved


def base_references(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> list[str]:
    """Return the images that each FROM names; raises DockerfileError."""
    known: dict[str, str] = {}
    for argument in dockerfile.global_args:
        ((name, default),) = argument.pairs
        known[name] = build_args.get(name, _expand(argument, default, known))
    return [_expand(stage.base, stage.base.words[0], known) for stage in dockerfile.stages]


def plan(
    dockerfile: Dockerfile,
    bases: Sequence[Image],
    context: Path,
    *,
    build_args: Mapping[str, str],
    labels: Mapping[str, str],
) -> Plan:
    """Plan all stages; raises DockerfileError, or StageError for a COPY source that is not in the context.

    `bases` are the stages' base images, in their order.
    """
    plans: list[Plan] = []
    known: dict[str, tuple[int, str]] = {}
    for number, (stage, base) in enumerate(zip(dockerfile.stages, bases, strict=True)):
        plans.append(_plan_stage(stage, base, context, build_args, known))
        named = dict.fromkeys((str(number), *stage.base.words[1:]), (number, plans[-1].key))
        known = {**known, **named}
    *earlier, last = plans
    config = replace(last.config, labels={**last.config.labels, **labels})
    key = _chain(last.key, *sorted(labels.items()))
    return replace(last, config=config, key=key, earlier=tuple(earlier))


def _plan_stage(
    stage: Stage,
    base: Image,
    context: Path,
    build_args: Mapping[str, str],
    earlier: Mapping[str, tuple[int, str]],
) -> Plan:
    state, steps = _State(base.config, earlier=earlier), []
    key = _chain(base.digest)
    for instruction in stage.steps:
        state, action = _HANDLERS[instruction.name](state, instruction, context, build_args)
        ingredients = (*_ingredients(action, state), *sorted(state.args.items()))
        key = _chain(key, instruction.name, instruction.text, *ingredients)
        steps.append(Step(instruction, action, key))
    return Plan(base, tuple(steps), state.config, key)


_Result = tuple[_State, Action | None]
_Handler = Callable[[_State, Instruction, Path, Mapping[str, str]], _Result]


def _env(state: _State, instruction: Instruction, _context: Path, _args: Mapping[str, str]) -> _Result:
    # All values of one ENV see the variables as they were before it.
    new = {name: _expand(instruction, value, state.variables) for name, value in instruction.pairs}
    return replace(state, config=replace(state.config, env={**state.config.env, **new})), None


def _label(state: _State, instruction: Instruction, _context: Path, _args: Mapping[str, str]) -> _Result:
    new = {name: _expand(instruction, value, state.variables) for name, value in instruction.pairs}
    return replace(state, config=replace(state.config, labels={**state.config.labels, **new})), None


def _arg(state: _State, instruction: Instruction, _context: Path, args: Mapping[str, str]) -> _Result:
    ((name, default),) = instruction.pairs
    if name not in args and instruction.unset:
        return state, None
    value = args[name] if name in args else _expand(instruction, default, state.variables)
    return replace(state, args={**state.args, name: value}), None


def _workdir(state: _State, instruction: Instruction, _context: Path, _args: Mapping[str, str]) -> _Result:
    path = state.path(_expand(instruction, instruction.words[0], state.variables)).rstrip("/") or "/"
    return replace(state, config=replace(state.config, workdir=path)), MakeFolder(path)


def _user(state: _State, instruction: Instruction, _context: Path, _args: Mapping[str, str]) -> _Result:
    user = _expand(instruction, instruction.words[0], state.variables)
    return replace(state, config=replace(state.config, user=user)), None


def _expose(state: _State, instruction: Instruction, _context: Path, _args: Mapping[str, str]) -> _Result:
    ports = [_expand(instruction, word, state.variables) for word in instruction.words]
    for port in ports:
        number, _, protocol = port.partition("/")
        if not (number.isascii() and number.isdigit() and protocol in ("", "tcp", "udp")):
            raise DockerfileError(instruction.line, f"EXPOSE {port}: expected such as 8080 or 8080/tcp")
    new = tuple(port if "/" in port else f"{port}/tcp" for port in ports)
    merged = tuple(dict.fromkeys((*state.config.exposed_ports, *new)))
    return replace(state, config=replace(state.config, exposed_ports=merged)), None


def _entrypoint(state: _State, instruction: Instruction, _context: Path, _args: Mapping[str, str]) -> _Result:
    cmd = state.config.cmd if state.own_cmd else ()
    return replace(state, config=replace(state.config, entrypoint=_command(instruction), cmd=cmd)), None


def _cmd(state: _State, instruction: Instruction, _context: Path, _args: Mapping[str, str]) -> _Result:
    return replace(state, config=replace(state.config, cmd=_command(instruction)), own_cmd=True), None


def _run(state: _State, instruction: Instruction, _context: Path, _args: Mapping[str, str]) -> _Result:
    return state, Run(_command(instruction), state.config.workdir, state.variables)


def _copy(state: _State, instruction: Instruction, context: Path, _args: Mapping[str, str]) -> _Result:
    *sources, target = (_expand(instruction, word, state.variables) for word in instruction.words)
    absolute = state.path(target)
    if len(sources) > 1:
        absolute = absolute.rstrip("/") + "/"
    mode = int(instruction.flags["chmod"], 8) if "chmod" in instruction.flags else None
    if "from" in instruction.flags:
        stage = _stage_of(instruction, state)
        return state, CopyFrom(stage, tuple(posixpath.join("/", each) for each in sources), absolute, mode)
    return state, Copy(tuple(_source(context, source) for source in sources), absolute, mode)


def _stage_of(instruction: Instruction, state: _State) -> int:
    name = instruction.flags["from"]
    if name not in state.earlier:
        raise DockerfileError(
            instruction.line,
            f"COPY --from={name}: no stage before this one has that name; only stages are known here",
        )
    return state.earlier[name][0]


_HANDLERS: dict[str, _Handler] = {
    "ENV": _env,
    "LABEL": _label,
    "ARG": _arg,
    "WORKDIR": _workdir,
    "USER": _user,
    "EXPOSE": _expose,
    "ENTRYPOINT": _entrypoint,
    "CMD": _cmd,
    "RUN": _run,
    "COPY": _copy,
}


def _command(instruction: Instruction) -> tuple[str, ...]:
    return instruction.exec if instruction.exec is not None else (*_SHELL, instruction.text)


def _source(context: Path, source: str) -> Path:
    """Return the source below the context: as in Docker, `..` and a leading `/` do not lead out of it."""
    relative = posixpath.normpath("/" + source).lstrip("/")
    path = context / relative
    real = path.resolve()
    if not real.is_relative_to(context.resolve()):
        raise StageError(f"{_NO_SOURCE}: {source!r} leads out of the build context")
    if not real.exists():
        raise StageError(
            f"{_NO_SOURCE}: failed to get fileinfo for {source}: lstat"
            f" {relative}:"
            " no such file or directory in the build context"
        )
    return real


def _expand(instruction: Instruction, word: str, variables: Mapping[str, str]) -> str:
    try:
        return expand(word, variables)
    except ValueError as error:
        raise DockerfileError(instruction.line, f"{instruction.name}: {error}") from None


def _ingredients(action: Action | None, state: _State) -> list[object]:
    if isinstance(action, Copy):
        return [action.target, action.mode, *(content_hash(source) for source in action.sources)]
    if isinstance(action, CopyFrom):
        return [action.target, action.mode, state.earlier[str(action.stage)][1], *action.sources]
    if isinstance(action, Run):
        return [action.command, action.workdir, sorted(action.env.items())]
    return []


def _chain(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, default=list).encode()).hexdigest()
