"""Evaluates the assembler's expressions: `Table + 2 * (COUNT - 1)`, `HIGH(Font)`, `$FF & ~1`."""

import re
from collections.abc import Callable

_TOKEN = re.compile(
    r"\s*(?:(?P<hex>\$[0-9A-Fa-f]+)|(?P<binary>%[01]+)|(?P<decimal>\d+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)?|\.[A-Za-z_][A-Za-z0-9_]*|@)"
    r"|(?P<operator><<|>>|[-+*/&|^~()]))"
)

# Operators from loosest to tightest binding; those of one row from left to right.
_PRECEDENCE = [("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"), ("*", "/")]

_BINARY: dict[str, Callable[[int, int], int]] = {
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
}

_UNARY: dict[str, Callable[[int], int]] = {"-": lambda a: -a, "+": lambda a: a, "~": lambda a: ~a}

_FUNCTIONS: dict[str, Callable[[int], int]] = {
    "HIGH": lambda a: a >> 8 & 0xFF,
    "LOW": lambda a: a & 0xFF,
}


def evaluate(text: str, lookup: Callable[[str], int]) -> int:
    """The value of an expression; `lookup` gives the value of a name and of `@`, the address.

    Raises:
        ValueError: the text is not an expression, or `lookup` does not know a name in it.
    """
    reader = _Reader(text, lookup)
    value = reader.binary(0)
    if reader.rest:
        raise ValueError(f"unexpected {reader.rest[0][1]!r} in {text.strip()!r}")
    return value


class _Reader:
    """Recursive descent through one expression; `rest` holds the unread tokens."""

    def __init__(self, text: str, lookup: Callable[[str], int]):
        self.text = text.strip()
        self.lookup = lookup
        self.rest = _tokens(self.text)

    def binary(self, level: int) -> int:
        if level == len(_PRECEDENCE):
            return self.unary()
        left = self.binary(level + 1)
        while self.rest and self.rest[0][1] in _PRECEDENCE[level]:
            operator = self.take()[1]
            right = self.binary(level + 1)
            if operator == "/" and right == 0:
                raise ValueError(f"division by zero in {self.text!r}")
            if operator in ("<<", ">>") and not 0 <= right <= 32:
                raise ValueError(f"shift by {right} in {self.text!r}")
            left = _BINARY[operator](left, right)
        return left

    def unary(self) -> int:
        kind, word = self.take()
        if kind == "operator" and word in _UNARY:
            return _UNARY[word](self.unary())
        if word == "(":
            value = self.binary(0)
            self.expect(")")
            return value
        if kind == "hex":
            return int(word[1:], 16)
        if kind == "binary":
            return int(word[1:], 2)
        if kind == "decimal":
            return int(word)
        if kind == "name":
            return self.named(word)
        raise ValueError(f"unexpected {word!r} in {self.text!r}")

    def named(self, name: str) -> int:
        if name.upper() in _FUNCTIONS and self.rest and self.rest[0][1] == "(":
            self.take()
            value = self.binary(0)
            self.expect(")")
            return _FUNCTIONS[name.upper()](value)
        return self.lookup(name)

    def take(self) -> tuple[str, str]:
        if not self.rest:
            raise ValueError(
                f"{self.text!r} ends too early" if self.text else "a number is missing"
            )
        return self.rest.pop(0)

    def expect(self, word: str) -> None:
        if self.take()[1] != word:
            raise ValueError(f"missing {word!r} in {self.text!r}")


def _tokens(text: str) -> list[tuple[str, str]]:
    """Kind and text of every token."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"unexpected {text[at:].strip()[0]!r} in {text!r}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found
