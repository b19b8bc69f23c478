"""A two-pass assembler for the Game Boy: source text to machine code and symbols.

A line is `label: instruction ; comment`, each part optional.

    Name:               a label; `.name:` is local to the label above it, elsewhere `Name.name`
    NAME EQU value      a constant, from names defined above
    org address         continues there; zeros fill the gap
    db 1, "text", ...   bytes; text is translated by the character map
    dw value, ...       words, low byte first
    ds count, value     the same byte `count` times (default 0)
    include "file"      another source

The first pass finds all addresses, the second all bytes. Numbers are written as in
`envs.pokemon.cartridge.expressions`, instructions as in `envs.pokemon.cartridge.opcodes`.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from envs.pokemon.cartridge.expressions import evaluate
from envs.pokemon.cartridge.opcodes import COUNTED, INSTRUCTIONS, SYNONYMS, WIDTHS, Instruction

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_LABEL = re.compile(rf"(\.?{_NAME}):")
_CONSTANT = re.compile(rf"({_NAME})\s+EQU\s+(.+)", re.IGNORECASE)
_REGISTERS = {"a", "b", "c", "d", "e", "h", "l", "af", "bc", "de", "hl", "sp", "nz", "z", "nc"}
_POINTERS = {"[bc]", "[de]", "[hl]", "[hl+]", "[hl-]", "[c]"}
_MAX_INCLUDES = 16


class AssemblyError(ValueError):
    """A mistake in the source; the message begins with its file and line."""


class Program(NamedTuple):
    """The result of the assembler."""

    code: bytes  # from address 0 on
    symbols: dict[str, int]  # every label and constant; a local label as `Name.local`


class _Line(NamedTuple):
    """A line of source with an address; `emit` gives its bytes in the second pass."""

    place: str  # file:line
    scope: str  # the label of local labels
    address: int
    emit: Callable[[Callable[[str], int]], bytes]


def assemble(sources: Mapping[str, str], main: str, characters: Mapping[str, int]) -> Program:
    """Assembles `main` and its includes.

    Args:
        sources: text of every file by its name.
        main: name of the file to begin with.
        characters: code of each piece of text, such as 'A' or '<DONE>'; longer pieces match first.

    Raises:
        AssemblyError: the source has a mistake; the message says where and why.
    """
    return _Assembler(sources, characters).run(main)


class _Assembler:
    """Both passes over one program."""

    def __init__(self, sources: Mapping[str, str], characters: Mapping[str, int]):
        self.sources = sources
        self.characters = sorted(characters.items(), key=lambda item: -len(item[0]))
        self.symbols: dict[str, int] = {}
        self.lines: list[_Line] = []
        self.address = 0
        self.scope = ""

    def run(self, main: str) -> Program:
        self.read(main, depth=0)
        code = bytearray()
        for line in self.lines:
            code += bytes(line.address - len(code))
            try:
                code += line.emit(self.lookup(line.scope, line.address))
            except ValueError as error:
                raise AssemblyError(f"{line.place}: {error}") from None
        return Program(bytes(code), self.symbols)

    def read(self, name: str, depth: int) -> None:
        """The first pass over one file."""
        if name not in self.sources:
            raise ValueError(f"there is no source {name!r}")
        if depth > _MAX_INCLUDES:
            raise ValueError(f"{name!r} includes itself")
        for number, text in enumerate(self.sources[name].splitlines(), 1):
            place = f"{name}:{number}"
            try:
                self.statement(_strip(text), place, depth)
            except AssemblyError:
                raise
            except ValueError as error:
                raise AssemblyError(f"{place}: {error}") from None

    def statement(self, text: str, place: str, depth: int) -> None:
        """Defines the labels at the start of a line and places the rest."""
        while label := _LABEL.match(text):
            self.define_label(label[1])
            text = text[label.end() :].strip()
        if not text:
            return
        if constant := _CONSTANT.fullmatch(text):
            self.define(constant[1], evaluate(constant[2], self.lookup(self.scope, self.address)))
            return
        word, _, rest = re.sub(r"\s", " ", text, count=1).partition(" ")
        word, rest = word.lower(), rest.strip()
        if word == "include":
            self.read(rest.strip('"'), depth + 1)
        elif word == "org":
            self.move(evaluate(rest, self.lookup(self.scope, self.address)))
        elif word in ("db", "dw", "ds"):
            self.data(word, split(rest), place)
        else:
            self.instruction(word, split(rest), place)

    def define_label(self, name: str) -> None:
        if name.startswith("."):
            if not self.scope:
                raise ValueError(f"no label above the local {name!r}")
            self.define(self.scope + name, self.address)
        else:
            self.define(name, self.address)
            self.scope = name

    def define(self, name: str, value: int) -> None:
        if name in self.symbols:
            raise ValueError(f"{name!r} is defined twice")
        if name.lower() in _REGISTERS:
            raise ValueError(f"{name!r} is a register")
        self.symbols[name] = value

    def lookup(self, scope: str, address: int) -> Callable[[str], int]:
        """A function from name to value at an address of the program."""

        def value(name: str) -> int:
            if name == "@":
                return address
            full = scope + name if name.startswith(".") else name
            if full not in self.symbols:
                raise ValueError(f"unknown name {name!r}")
            return self.symbols[full]

        return value

    def move(self, address: int) -> None:
        if address < self.address:
            raise ValueError(f"org ${address:04X} goes back: ${self.address:04X} is reached")
        self.address = address

    def place(self, size: int, place: str, emit: Callable[[Callable[[str], int]], bytes]) -> None:
        """Reserves `size` bytes here for `emit` in the second pass."""
        self.lines.append(_Line(place, self.scope, self.address, emit))
        self.address += size

    def data(self, word: str, values: list[str], place: str) -> None:
        if not values:
            raise ValueError(f"{word} needs values")
        if word == "ds":
            self.fill(values, place)
            return
        kind = "n8" if word == "db" else "n16"
        for value in values:
            if value.startswith('"'):
                if word != "db":
                    raise ValueError("text belongs in db")
                text = self.translate(value)
                self.place(len(text), place, lambda _, text=text: text)
            else:
                self.place(WIDTHS[kind], place, self.number(kind, value))

    def fill(self, values: list[str], place: str) -> None:
        count = evaluate(values[0], self.lookup(self.scope, self.address))
        if len(values) > 2 or count < 0:
            raise ValueError("ds takes a count that is not negative, and at most one value")
        value = values[1] if len(values) == 2 else "0"
        emit = self.number("n8", value)
        self.place(count, place, lambda lookup: emit(lookup) * count)

    def translate(self, quoted: str) -> bytes:
        """Codes of a text in quotation marks."""
        if len(quoted) < 2 or not quoted.endswith('"'):
            raise ValueError(f"the text {quoted} does not end")
        rest, codes = quoted[1:-1], list[int]()
        while rest:
            found = next((item for item in self.characters if rest.startswith(item[0])), None)
            if found is None:
                raise ValueError(f"no character for {rest[0]!r} in {quoted}")
            codes.append(found[1])
            rest = rest[len(found[0]) :]
        return bytes(codes)

    def instruction(self, word: str, operands: list[str], place: str) -> None:
        if word in COUNTED and operands:
            count = evaluate(operands[0], self.lookup(self.scope, self.address))
            operands = [str(count), *operands[1:]]
        shapes, numbers = list[str](), list[str]()
        for position, operand in enumerate(operands):
            shape, number = _shape(operand, literal=word in COUNTED and position == 0)
            shapes.append(shape)
            numbers += number
        form = " ".join([word, ",".join(shapes)]).strip()
        if form not in INSTRUCTIONS:
            written = " ".join([word, ", ".join(operands)]).strip()
            raise ValueError(f"there is no instruction {written!r}")
        self.encode(INSTRUCTIONS[form], numbers, place)

    def encode(self, instruction: Instruction, numbers: list[str], place: str) -> None:
        opcode, kind = instruction
        if not kind:
            self.place(len(opcode), place, lambda _: opcode)
            return
        end = self.address + len(opcode) + WIDTHS[kind]
        emit = self.number(kind, numbers[0], end)
        self.place(end - self.address, place, lambda lookup: opcode + emit(lookup))

    def number(self, kind: str, text: str, end: int = 0) -> Callable[[Callable[[str], int]], bytes]:
        """Returns a function to the bytes of a number; `end` is the address after a jump."""

        def emit(lookup: Callable[[str], int]) -> bytes:
            return _encode(kind, evaluate(text, lookup), end)

        return emit


def _encode(kind: str, value: int, end: int) -> bytes:
    if kind == "e8":
        distance = value - end
        if not -128 <= distance <= 127:
            raise ValueError(f"the jump is too far: {distance} bytes, jr reaches -128 to 127")
        return bytes([distance & 0xFF])
    if kind == "h8" and 0xFF00 <= value <= 0xFFFF:
        value &= 0xFF
    low, high = {
        "n8": (-128, 0xFF), "n16": (-0x8000, 0xFFFF), "s8": (-128, 127), "h8": (0, 0xFF)
    }[kind]  # fmt: skip
    if not low <= value <= high:
        raise ValueError(f"{value} does not fit: {low} to {high}")
    width = WIDTHS[kind]
    return (value % (1 << 8 * width)).to_bytes(width, "little")


def _strip(text: str) -> str:
    """A line without its comment; a semicolon in quotation marks does not begin one."""
    quoted = False
    for i, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            return text[:i].strip()
    return text.strip()


def split(text: str) -> list[str]:
    """Cuts at commas outside of quotation marks and brackets."""
    parts: list[str] = []
    depth, quoted, start = 0, False, 0
    for i, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "([":
            depth += 1
        elif not quoted and character in ")]":
            depth -= 1
        elif not quoted and depth == 0 and character == ",":
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    if parts and not last:
        raise ValueError("a value is missing after the last comma")
    return [*parts, last] if last else []


def _shape(operand: str, literal: bool) -> tuple[str, list[str]]:
    """The form of an operand in `INSTRUCTIONS`, and its numbers, at most one."""
    plain = "".join(operand.lower().split())
    plain = SYNONYMS.get(plain, plain)
    if literal or plain in _REGISTERS or plain in _POINTERS:
        return plain, []
    if plain.startswith("[") and plain.endswith("]"):
        return "[n]", [operand.strip()[1:-1]]
    if re.match(r"sp[+-]", plain):
        return "sp+n", [operand.strip()[2:]]
    return "n", [operand]
