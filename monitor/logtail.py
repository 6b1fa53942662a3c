"""Log text made fit for an event: its end only, no control characters, no obvious secrets. Pure."""

import re

MAX_LINES = 100
MAX_BYTES = 8 * 1024
MASK = "***"

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_]|[ -/]+[0-~])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_SECRETS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|npm_|pypi-|xox[abprs]-)[\w-]{16,}"),
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
    re.compile(r"(?i)(?<=bearer )\S+|(?<=basic )[A-Za-z0-9+/=]{8,}"),
    re.compile(
        r"(?i)(?<=x-amz-signature=)[^&\s]+|(?<=x-amz-credential=)[^&\s]+|(?<=x-amz-security-token=)[^&\s]+"
    ),
)
_NAMED_SECRET = re.compile(
    r"(?i)((?:secret|token|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key)[\w.-]{0,40}"
    r"[\"']?[ \t]{0,8}[:=][ \t]{0,8})(\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&]+)"
)
"""Repetitions are bounded: a log is hostile text, and the time to search it must not grow with its square."""


def clean(text: str) -> str:
    """Return the text without terminal sequences, control characters and obvious secrets."""
    text = _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _CONTROL.sub("", text)
    for pattern in _SECRETS:
        text = pattern.sub(MASK, text)
    return _NAMED_SECRET.sub(rf"\g<1>{MASK}", text)


def tail(log: str, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> str:
    """Return the cleaned end of a log: at most so many lines, and bytes of UTF-8, whole characters."""
    lines = clean(log).rstrip("\n").split("\n")[-max_lines:]
    raw = "\n".join(lines).encode("utf-8", "replace")
    return raw[-max_bytes:].decode("utf-8", "ignore")
