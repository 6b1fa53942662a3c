"""YAML as Kubernetes' tools read it and as people read it: which texts are numbers, and how objects look."""

import re
from typing import Any, Final

Json = dict[str, Any]

_NUMBERS: Final = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0b[0-1_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    "tag:yaml.org,2002:float": re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$|[-+]?\.inf$|\.nan$",
        re.IGNORECASE,
    ),
}
"""What Kubernetes' tools take for numbers, which is more than PyYAML does: `1e3` without a dot."""

_NUMBERS_BEGIN: Final = list("-+0123456789.")
_NO_LIMIT: Final = 10_000
"""Columns; folded texts would make differences of lines that did not change."""


def dump(document: Json) -> str:
    """Return one object as YAML, in which every text stays one, however a tool reads numbers and dates.

    The members that say what it is come first, then all others by name; texts of several lines are blocks.
    """
    import yaml  # 20 ms, and only where YAML is written

    ordered = dict(sorted(_by_name(document).items(), key=lambda item: item[0] not in _IDENTITY))
    return str(yaml.dump(ordered, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=_NO_LIMIT))


_IDENTITY: Final = ("apiVersion", "kind", "metadata")


def _by_name(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _by_name(item) for key, item in sorted(value.items())}
    return [_by_name(item) for item in value] if isinstance(value, list) else value


def _dumper() -> Any:
    """Return a safe YAML dumper that quotes whatever some tool would not read as a text."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes no anchors: equal parts of an object are parts of their own."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    for tag, pattern in _NUMBERS.items():
        Dumper.add_implicit_resolver(tag, pattern, _NUMBERS_BEGIN)
    Dumper.add_representer(str, _text)
    return Dumper


def _text(dumper: Any, text: str) -> Any:
    visible = all(character.isprintable() or character == "\n" for character in text)
    style = None if text.isprintable() else "|" if visible else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def loader() -> Any:
    """Return a safe YAML loader without dates, base 60 and `=`, but with floats without a dot (`1e3`)."""
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML as Kubernetes' tools read it."""

    unwanted = tuple(f"tag:yaml.org,2002:{name}" for name in ("timestamp", "value", "int", "float"))
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in unwanted]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for tag, pattern in _NUMBERS.items():
        Loader.add_implicit_resolver(tag, pattern, _NUMBERS_BEGIN)
    Loader.add_constructor("tag:yaml.org,2002:int", _integer)
    return Loader


def _integer(_: Any, node: Any) -> int:
    """Return the value of an integer in Go's notation: `0o17` and `017` are octal."""
    text = str(node.value).replace("_", "")
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        text = text.replace("0", "0o", 1)
    return int(text, 0)
