"""Writes `protobuf.json`, the field numbers of the types in `builtin.json`, from the API's Go modules.

Run by a developer after `extract`, with the folders of the modules k8s.io/api and k8s.io/apimachinery:

    python -m local.apiserver.schemas.extract_protobuf FOLDER...

For each type the file maps numbers to field names; `*type` is a struct whose fields count as the outer one's,
and a `?` behind a name marks an optional pointer, whose zero value means something.
"""

import json
import re
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("builtin.json")
TARGET = Path(__file__).with_name("protobuf.json")
PACKAGE = re.compile(r"^package k8s\.io\.(?:api|apimachinery\.pkg\.apis)\.(.+);$", re.MULTILINE)
MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^\s+(?:optional |repeated )?(map<.+>|[\w.]+) (\w+) = (\d+);", re.MULTILINE)
GO_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
GO_POINTER = re.compile(r'^\s+\w+\s+\*\S+\s+`json:"(\w+)', re.MULTILINE)


def main(folders: list[str]) -> None:
    """Read every generated.proto below the folders, with the types.go beside it, and write the file anew."""
    types: dict[str, dict[str, str]] = json.loads(SOURCE.read_text())["types"]
    result: dict[str, dict[str, str]] = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("generated.proto")):
            package = PACKAGE.search(path.read_text())
            if package:
                read(path, package[1], types, result)
    TARGET.write_text(json.dumps(dict(sorted(result.items())), indent=1) + "\n")
    sys.stdout.write(f"{TARGET}: {len(result)} types, missing {sorted(set(types) - set(result))}\n")


def read(
    path: Path, package: str, types: dict[str, dict[str, str]], result: dict[str, dict[str, str]]
) -> None:
    """Add the messages of one file."""
    go = path.with_name("types.go")
    pointers = {name: set(GO_POINTER.findall(body)) for name, body in GO_STRUCT.findall(go.read_text())}
    messages = dict(MESSAGE.findall(path.read_text()))
    wanted = [name for name in messages if f"{package}.{name}" in types]
    while wanted:
        name = wanted.pop()
        fields = result[f"{package}.{name}"] = {}
        # An inlined struct is no type of the server's description; its own names are all there is.
        known = {field.lower(): field for field in types.get(f"{package}.{name}", ())}
        for type_, written, number in FIELD.findall(messages[name]):
            field = known.get(written.lower(), written)
            if known and field.lower() not in known:
                inlined = f"{package}.{type_}" if "." not in type_ else type_.removeprefix("k8s.io.api.")
                fields[number] = f"*{inlined}"
                wanted += [type_] if type_ in messages and inlined not in result else []
            else:
                fields[number] = field + ("?" if field in pointers.get(name, ()) else "")


if __name__ == "__main__":
    main(sys.argv[1:])
