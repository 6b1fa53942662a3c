"""How a function is to be run, read from a specification: scale, resources, variables, rollout.

Pure. `function_spec` reads the rest; every problem is noted, and a field that is not known is one.
"""

import re
from itertools import pairwise
from typing import Any, Final

from automation import event_fields as syntax
from automation.configuration import AT_ONCE, Configuration, RolloutPolicy, SecretVariable
from automation.event_fields import Fields, Syntax, shown, spellings

RESERVED: Final = frozenset(
    {"BROKER_URL", "FUNCTION_NAME", "FUNCTION_NAMESPACE", "HANDLER", "K_CONFIGURATION", "K_REVISION"}
    | {"K_SERVICE", "PARSER_ID", "PORT", "THIRD_PARTY_ID", "TIMEOUT_SECONDS"}
)
"""Variables that are the platform's to say."""

SECRET_PREFIX: Final = "function-"  # noqa: S105 - of a name
"""How Secrets for functions are called, so that no event can reach for one of the platform's own."""

MAX_VARIABLES: Final = 100
MAX_ENV_BYTES: Final = 64 * 1024
"""The state holds variables in every remembered revision."""

_VARIABLE: Final = Syntax(
    "a name of letters, digits and '_' that does not begin with a digit",
    lambda text: re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,252}", text) is not None,
)
_SECRET: Final = Syntax(
    f"the name of a Secret that begins with {SECRET_PREFIX}, as those for functions do",
    lambda text: text.startswith(SECRET_PREFIX) and syntax.OBJECT_NAME.accepts(text),
)
_SECRET_KEY: Final = Syntax(
    "1 to 253 letters, digits, '.', '-' and '_'",
    lambda text: re.fullmatch(r"[A-Za-z0-9._-]{1,253}", text) is not None,
)
_CPU: Final = Syntax(
    "a quantity of cpu such as 250m or 1.5",
    lambda text: (
        re.fullmatch(r"[1-9][0-9]{0,6}m|[0-9]{1,3}(\.[0-9]{1,3})?", text) is not None
        and float(text.rstrip("m")) > 0
    ),
)
_MEMORY: Final = Syntax(
    "a quantity of memory such as 256Mi or 1Gi",
    lambda text: re.fullmatch(r"[1-9][0-9]{0,12}(Ki|Mi|Gi|k|M|G)?", text) is not None,
)


def section(fields: Fields, name: str) -> Fields:
    """Return an object's fields; what is no object is a problem."""
    value = fields.value(name)
    if value is not None and not isinstance(value, dict):
        fields.note(name, f"{shown(value)} is not allowed; allowed: an object")
    return Fields(value if isinstance(value, dict) else {}, fields.problems)


def only(fields: Fields, where: str, *names: str) -> None:
    """Note every field that is not one of these."""
    known = {spelling for name in names for spelling in spellings(name)}
    for name in fields.names - known:
        allowed = ", ".join(spellings(each)[-1] for each in names)
        fields.note(f"{where}.{name[:64]}", f"is not known; allowed: {allowed}")


def configuration(spec: Fields) -> Configuration:
    """Return what the sections of a specification say; what they leave out is the environment's AT_ONCE."""
    env, secrets = _env(spec)
    timeout = spec.integer("timeout_seconds", minimum=1, maximum=300)
    return Configuration(
        **_scaling(section(spec, "scaling")),
        **_resources(section(spec, "resources")),
        timeout_seconds=timeout,
        env=env,
        secrets=secrets,
        rollout=_rollout(section(spec, "rollout")) if spec.has("rollout") else None,
    )


def _scaling(scaling: Fields) -> dict[str, Any]:
    only(
        scaling,
        "spec.scaling",
        *("min_replicas", "min_scale", "max_replicas", "max_scale", "target_concurrency", "target"),
        *("container_concurrency", "scale_down_delay_seconds"),
    )
    found = {
        "min_scale": scaling.integer("min_replicas", "min_scale", minimum=0, maximum=100),
        "max_scale": scaling.integer("max_replicas", "max_scale", minimum=1, maximum=1000),
        "target_concurrency": scaling.integer("target_concurrency", "target", minimum=1, maximum=10_000),
        "container_concurrency": scaling.integer("container_concurrency", minimum=0, maximum=1000),
        "scale_down_delay_seconds": scaling.integer("scale_down_delay_seconds", minimum=0, maximum=3600),
    }
    least, most = found["min_scale"], found["max_scale"]
    if least is not None and least > (10 if most is None else most):
        scaling.note(
            "spec.scaling.minReplicas", f"{least} is more than maxReplicas {10 if most is None else most}"
        )
    return found


def _resources(resources: Fields) -> dict[str, Any]:
    only(resources, "spec.resources", "requests", "limits")
    found = {}
    for name, suffix in (("requests", "request"), ("limits", "limit")):
        block = section(resources, name)
        only(block, f"spec.resources.{name}", "cpu", "memory")
        found[f"cpu_{suffix}"] = block.text("cpu", syntax=_CPU) or ""
        found[f"memory_{suffix}"] = block.text("memory", syntax=_MEMORY) or ""
    for what, size in (("cpu", cores), ("memory", octets)):
        least, most = found[f"{what}_request"], found[f"{what}_limit"]
        if least and most and size(least) > size(most):
            resources.note(f"spec.resources.requests.{what}", f"{least} is more than the limit {most}")
    return found


def cores(quantity: str) -> float:
    """Return cpu in cores."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def octets(quantity: str) -> int:
    """Return memory in bytes."""
    number = re.match(r"[0-9]+", quantity)
    assert number is not None
    factors = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}
    return int(number[0]) * factors[quantity[number.end() :]]


def _env(spec: Fields) -> tuple[tuple[tuple[str, str], ...], tuple[SecretVariable, ...]]:
    """Return plain variables, and those that Secrets hold: an object, or a list as containers have it."""
    value = spec.value("env")
    entries = (
        [{"name": name, "value": text} for name, text in value.items()] if isinstance(value, dict) else value
    )
    if entries is not None and not isinstance(entries, list):
        spec.note(
            "spec.env", f"{shown(value)} is not allowed; allowed: a list of objects with name and value"
        )
    plain: dict[str, str] = {}
    secrets: dict[str, SecretVariable] = {}
    for entry in entries if isinstance(entries, list) else ():
        fields = Fields(entry if isinstance(entry, dict) else {}, spec.problems)
        only(fields, "spec.env", "name", "value", "value_from")
        name = fields.required("name", syntax=_VARIABLE)
        if name in RESERVED:
            fields.note("spec.env", f"{name} is the platform's own; choose another name")
        if name in plain or name in secrets:
            fields.note("spec.env", f"{name} is there twice; send it once")
        if fields.has("value_from"):
            secrets[name] = _secret(fields, name)
        else:
            plain[name] = _text(fields, name)
    if len(plain) + len(secrets) > MAX_VARIABLES or sum(map(len, plain.values())) > MAX_ENV_BYTES:
        spec.note("spec.env", f"too much; at most {MAX_VARIABLES} variables and {MAX_ENV_BYTES} bytes")
    return tuple(sorted(plain.items())), tuple(secrets[name] for name in sorted(secrets))


def _text(fields: Fields, name: str) -> str:
    value = fields.value("value")
    if value is None:
        return ""
    if not isinstance(value, str) or "\x00" in value:
        fields.note(f"spec.env.{name}", f"{shown(value)} is not allowed; allowed: text without NUL")
        return ""
    return value.encode("utf-8", "replace").decode()


def _secret(fields: Fields, name: str) -> SecretVariable:
    """Read `valueFrom.secretKeyRef`, the one kind of reference that there is."""
    reference = section(fields, "value_from")
    only(reference, f"spec.env.{name}.valueFrom", "secret_key_ref")
    key = section(reference, "secret_key_ref")
    only(key, f"spec.env.{name}.valueFrom.secretKeyRef", "name", "key")
    if fields.has("value"):
        fields.note(f"spec.env.{name}", "value and valueFrom are both there; send one of them")
    return SecretVariable(
        name=name,
        secret=key.required("name", syntax=_SECRET),
        key=key.required("key", syntax=_SECRET_KEY),
    )


def _rollout(rollout: Fields) -> RolloutPolicy:
    only(rollout, "spec.rollout", "steps", "percent", "pause_seconds", "ready_within_seconds")
    percent, steps = rollout.integer("percent", minimum=1, maximum=99), _steps(rollout)
    if rollout.has("percent") and rollout.has("steps"):
        rollout.note("spec.rollout", "percent and steps are both there; send one of them")
    pause = rollout.integer("pause_seconds", minimum=0, maximum=86_400)
    ready = rollout.integer("ready_within_seconds", minimum=10, maximum=3600)
    return RolloutPolicy(
        steps=steps if percent is None else (percent,),
        pause_seconds=pause or 0,
        ready_within_seconds=AT_ONCE.ready_within_seconds if ready is None else ready,
    )


def _steps(rollout: Fields) -> tuple[int, ...]:
    value = rollout.value("steps")
    steps = value if isinstance(value, list) else []
    numbers = [step for step in steps if isinstance(step, int) and not isinstance(step, bool)]
    allowed = f"{shown(value)} is not allowed; allowed: percents from 1 to 99, rising"
    shares = [step for step in numbers if 1 <= step <= 99]
    if value not in (None, steps) or len(shares) < len(steps):
        rollout.note("spec.rollout.steps", allowed)
    elif any(low >= high for low, high in pairwise(shares)):
        rollout.note("spec.rollout.steps", f"{allowed}; these do not rise")
    return tuple(shares)
