r"""The word syntax of Dockerfiles: quotes, escapes and variables. Pure.

'single'      nothing is special inside
"double"      variables, and \ before `"`, `$` and `\`
\x            the character x
$V ${V} ${V:-word} ${V:+word}
"""

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::([-+])(.*))?", re.DOTALL)


def split_words(text: str) -> list[str]:
    """Split at white space outside of quotes.

    The words keep their quotes. Raises ValueError: unclosed quote.
    """
    words: list[str] = []
    word, quote, position = "", "", 0
    while position < len(text):
        character = text[position]
        if character == "\\" and quote != "'" and position + 1 < len(text):
            word += text[position : position + 2]
            position += 2
            continue
        if not quote and character.isspace():
            words += [word] if word else []
            word = ""
        else:
            word += character
            quote = _quote_after(quote, character)
        position += 1
    if quote:
        raise ValueError(f"a {quote} is not closed")
    return words + ([word] if word else [])


def expand(word: str, variables: Mapping[str, str]) -> str:
    """Return the word without its quotes and escapes, variables replaced (unset ones are empty).

    Raises ValueError for an unclosed quote or brace, or an unknown ${…} form.
    """
    result, quote, position = [], "", 0
    while position < len(word):
        character = word[position]
        if character == "$" and quote != "'":
            value, position = _variable(word, position + 1, variables)
            result.append(value)
            continue
        if character == "\\" and quote != "'" and position + 1 < len(word):
            following = word[position + 1]
            result.append(following if not quote or following in '"$\\' else character + following)
            position += 2
            continue
        after = _quote_after(quote, character)
        if after == quote:
            result.append(character)
        quote = after
        position += 1
    if quote:
        raise ValueError(f"a {quote} is not closed")
    return "".join(result)


def _quote_after(quote: str, character: str) -> str:
    if quote:
        return "" if character == quote else quote
    return character if character in "'\"" else ""


def _variable(word: str, position: int, variables: Mapping[str, str]) -> tuple[str, int]:
    """Return the value of the variable after a `$`, and where the word goes on."""
    if word.startswith("{", position):
        end = _closing_brace(word, position)
        return _braced(word[position + 1 : end], variables), end + 1
    match = _NAME.match(word, position)
    if match is None:
        return "$", position
    return variables.get(match[0], ""), match.end()


def _closing_brace(word: str, position: int) -> int:
    depth = 0
    for index in range(position, len(word)):
        depth += {"{": 1, "}": -1}.get(word[index], 0)
        if depth == 0:
            return index
    raise ValueError("a ${ is not closed")


def _braced(text: str, variables: Mapping[str, str]) -> str:
    match = _BRACED.fullmatch(text)
    if match is None:
        raise ValueError(
            f"${{{text}}} is no supported modifier; supported are ${{V}}, ${{V:-word}} and ${{V:+word}}"
        )
    value, modifier = variables.get(match[1], ""), match[2]
    if modifier == "-":
        return value or expand(match[3], variables)
    if modifier == "+":
        return expand(match[3], variables) if value else ""
    return value
