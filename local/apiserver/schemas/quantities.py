"""Kubernetes quantities: parsing, comparing by value, and the canonical form that the server stores."""

import functools
import re
from decimal import Decimal, localcontext

SYNTAX = re.compile(r"(?P<number>[+-]?(\d+\.?\d*|\.\d+))(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$")
BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Decimal | None:
    """Return the value of a quantity such as `500m` or `2Gi`; None where it is none."""
    match = SYNTAX.match(text)
    if match is None:
        return None
    suffix = match["suffix"] or ""
    with localcontext(prec=60):
        number = Decimal(match["number"])
        if suffix in BINARY:
            return number * Decimal(BINARY[suffix])
        if suffix in DECIMAL:
            return number.scaleb(DECIMAL[suffix])
        return number.scaleb(int(suffix[1:]))


@functools.lru_cache(maxsize=4096)
def canonical(value: str | int | float) -> str | None:
    """Return the form that the server stores (`1024Mi` as `1Gi`, `1000m` as `1`); None for no quantity."""
    text = str(value)
    number = parse(text)
    if number is None:
        return None
    match = SYNTAX.match(text)
    suffix = (match["suffix"] or "") if match else ""
    if suffix in BINARY and abs(number) >= 1024 and number == number.to_integral_value():
        return _binary(int(number))
    if suffix[:1] in ("e", "E") and suffix not in DECIMAL:
        return _scaled(number, {f"e{power}" if power else "": power for power in DECIMAL.values()})
    return _scaled(number, DECIMAL)


def _binary(number: int) -> str:
    suffix = ""
    for name, unit in BINARY.items():
        if number % unit == 0:
            suffix = name
    return f"{number // BINARY[suffix]}{suffix}" if suffix else str(number)


def _scaled(number: Decimal, suffixes: dict[str, int]) -> str:
    """Return the number with the largest suffix that leaves it whole; finer than nano is rounded up."""
    if not number:
        return "0"
    for name, power in sorted(suffixes.items(), key=lambda item: -item[1]):
        scaled = number.scaleb(-power)
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{name}"
    return f"{int(number.scaleb(9).to_integral_value(rounding='ROUND_UP'))}n"
