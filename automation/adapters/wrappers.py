"""The runtime wrappers as files: they are packed into images, never imported."""

from pathlib import Path

from automation.languages import LANGUAGES

_SUFFIXES = {".py", ".json", ".mod", ".go", ".js", ".mjs"}


def read_all(folder: Path) -> dict[str, dict[str, bytes]]:
    """Return the wrappers of all languages by name, from the runtimes folder. Raises FileNotFoundError."""
    return {name: read(folder / name / "wrapper") for name in LANGUAGES}


def read(folder: Path) -> dict[str, bytes]:
    """Return a wrapper's source files by path relative to its folder. Raises FileNotFoundError if none."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in _SUFFIXES and path.is_file()
    }
    if not files:
        raise FileNotFoundError(
            f"{folder} holds no runtime wrapper; set RUNTIMES_FOLDER to the runtimes folder"
        )
    return files
