"""YAML as Pulumi reads and writes it: the rules of YAML 1.2 for scalars, go-yaml's layout, comments kept.

Pure: texts in, texts out.
"""

import re
from typing import Any, Final, TypeGuard

import yaml

from engine.cli.errors import misused

_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOL: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT: Final = re.compile(r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.nan"
)


class _Loader(yaml.SafeLoader):
    """Knows no dates, no sexagesimal numbers and no `yes`: those stay texts, as in go-yaml."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way to say it


def _integer(_: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    text = node.value.replace("_", "")
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits.startswith("0") and digits.isdigit()
    try:
        return int(text, 8 if octal else 0)
    except ValueError:  # 08 is no octal number; go-yaml then takes it for a real one
        return float(text)


def _real(_: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(node.value.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


for _tag, _pattern, _first in (
    ("null", _NULL, ["~", "n", "N", ""]),
    ("bool", _BOOL, list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+0123456789.")),
):
    _whole = re.compile(f"(?:{_pattern.pattern})$")
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _whole, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _real)


class _Dumper(yaml.SafeDumper):
    """Indents the items of lists, and quotes with double quotes where quotes are needed."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _is_ambiguous(dumper: yaml.SafeDumper, value: str) -> bool:
    """Say whether a text without quotes would be something else, to YAML 1.1 or to 1.2."""
    old = dumper.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    return old != "tag:yaml.org,2002:str" or any(
        pattern.fullmatch(value) for pattern in (_NULL, _BOOL, _INT, _FLOAT)
    )


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None
    if "\n" in value:
        style = "|"
    elif _is_ambiguous(dumper, value):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)


def load(text: str, where: str) -> Any:
    """Return what a document says, None for an empty one; an error names `where` it was."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise misused(f"{where} is no valid YAML: {error}") from error


def dump(value: Any) -> str:
    """Return a document in go-yaml's layout, the keys in the order given."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf")))


def edited(text: str, new: dict[str, Any]) -> str:
    """Return the document changed to say `new`; what stays is left as it was written, with its comments.

    New keys come last. Where the document is not laid out in blocks, it is written anew.
    """
    node = yaml.compose(text, _Loader)
    if not _is_block(node):
        return dump(new)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for start, end, replacement in sorted(_edits(node, new), key=lambda edit: edit[:2], reverse=True):
        lines[start:end] = replacement
    result = "".join(lines)
    # The layouts that YAML allows are without number; one that the line arithmetic misreads is written anew.
    return result if _says(result, new) else dump(new)


def _says(text: str, value: dict[str, Any]) -> bool:
    try:
        return bool(yaml.load(text, _Loader) == value)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError):
        return False


_Edit = tuple[int, int, list[str]]


def _edits(node: yaml.MappingNode, new: dict[str, Any]) -> list[_Edit]:
    edits: list[_Edit] = []
    written = set()
    indent = node.start_mark.column
    for key, value in node.value:
        written.add(key.value)
        edits += _entry_edits(key, value, new, indent)
    added = {key: value for key, value in new.items() if key not in written}
    if added:
        after = _last_line(node) + 1
        edits.append((after, after, _indented(added, indent)))
    return edits


def _entry_edits(key: yaml.Node, value: yaml.Node, new: dict[str, Any], indent: int) -> list[_Edit]:
    start, end = key.start_mark.line, _last_line(value) + 1
    if key.value not in new:
        return [(start, end, [])]
    wanted = new[key.value]
    if _says(yaml.serialize(value, Dumper=yaml.SafeDumper), wanted):
        return []
    if _is_block(value) and isinstance(wanted, dict) and wanted:
        return _edits(value, wanted)
    return [(start, end, _indented({key.value: wanted}, indent))]


def _indented(value: dict[str, Any], indent: int) -> list[str]:
    return [" " * indent + line if line.strip() else line for line in dump(value).splitlines(keepends=True)]


def _is_block(node: yaml.Node | None) -> TypeGuard[yaml.MappingNode]:
    return isinstance(node, yaml.MappingNode) and not node.flow_style and bool(node.value)


def _last_line(node: yaml.Node) -> int:
    """Return the last line that belongs to the node, without the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    end = node.end_mark
    return end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line
