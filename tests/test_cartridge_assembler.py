"""The assembler: every instruction, expressions, data, and mistakes with their place."""

import pytest

from envs.pokemon.cartridge.assembler import AssemblyError, Program, assemble

REGISTERS = ("b", "c", "d", "e", "h", "l", "[hl]", "a")
CHARACTERS = {"A": 0x80, "B": 0x81, ";": 0x9D, ",": 0xF4, " ": 0x7F, "<END>": 0x57, "'s": 0xBD}


def build(source: str, **others: str) -> Program:
    return assemble({"main.asm": source, **others}, "main.asm", CHARACTERS)


def unprefixed(opcode: int) -> tuple[str, bytes]:
    """Text and operand bytes of an opcode, from the octal digits x y z of the decoder."""
    x, y, z = opcode >> 6, opcode >> 3 & 7, opcode & 7
    pair = ("bc", "de", "hl", "sp")[y >> 1]
    stacked = ("bc", "de", "hl", "af")[y >> 1]
    pointer = ("[bc]", "[de]", "[hl+]", "[hl-]")[y >> 1]
    condition = ("nz", "z", "nc", "c")[y & 3]
    arithmetic = ("add", "adc", "sub", "sbc", "and", "xor", "or", "cp")
    odd = y & 1
    jump, byte, word = b"\x05", b"\x42", b"\x34\x12"
    if x == 1:
        return ("halt" if opcode == 0x76 else f"ld {REGISTERS[y]}, {REGISTERS[z]}"), b""
    if x == 2:
        return f"{arithmetic[y]} a, {REGISTERS[z]}", b""
    if x == 0:
        special = ("nop", "ld [$1234], sp", "stop", "jr @+7")
        relative = f"jr {condition}, @ + 7"
        accumulator = ("rlca", "rrca", "rla", "rra", "daa", "cpl", "scf", "ccf")
        return {
            0: (special[y], (b"", word, b"\x00", jump)[y]) if y < 4 else (relative, jump),
            1: (f"add hl, {pair}", b"") if odd else (f"ld {pair}, $1234", word),
            2: (f"ld a, {pointer}" if odd else f"ld {pointer}, a", b""),
            3: (f"{'dec' if odd else 'inc'} {pair}", b""),
            4: (f"inc {REGISTERS[y]}", b""),
            5: (f"dec {REGISTERS[y]}", b""),
            6: (f"ld {REGISTERS[y]}, $42", byte),
            7: (accumulator[y], b""),
        }[z]
    high = {
        0xE0: ("ldh [$FF42], a", byte),
        0xE8: ("add sp, $42", byte),
        0xF0: ("ldh a, [$42]", byte),
        0xF8: ("ld hl, sp + $42", byte),
        0xC9: ("ret", b""),
        0xD9: ("reti", b""),
        0xE9: ("jp hl", b""),
        0xF9: ("ld sp, hl", b""),
        0xE2: ("ldh [c], a", b""),
        0xEA: ("ld [$1234], a", word),
        0xF2: ("ldh a, [c]", b""),
        0xFA: ("ld a, [$1234]", word),
        0xC3: ("jp $1234", word),
        0xF3: ("di", b""),
        0xFB: ("ei", b""),
        0xCD: ("call $1234", word),
    }
    missing = ("", b"")
    if opcode in high:
        return high[opcode]
    return {
        0: (f"ret {condition}", b"") if y < 4 else missing,
        1: (f"pop {stacked}", b""),
        2: (f"jp {condition}, $1234", word) if y < 4 else missing,
        3: missing,
        4: (f"call {condition}, $1234", word) if y < 4 else missing,
        5: missing if odd else (f"push {stacked}", b""),
        6: (f"{arithmetic[y]} a, $42", byte),
        7: (f"rst ${8 * y:02X}", b""),
    }[z]


def prefixed(opcode: int) -> str:
    x, y, register = opcode >> 6, opcode >> 3 & 7, REGISTERS[opcode & 7]
    rotations = ("rlc", "rrc", "rl", "rr", "sla", "sra", "swap", "srl")
    name = rotations[y] if x == 0 else f"{('bit', 'res', 'set')[x - 1]} {y},"
    return f"{name} {register}"


def test_every_instruction() -> None:
    absent = {0xCB, 0xD3, 0xDB, 0xDD, 0xE3, 0xE4, 0xEB, 0xEC, 0xED, 0xF4, 0xFC, 0xFD}
    seen = 0
    for opcode in range(256):
        text, operand = unprefixed(opcode)
        assert bool(text) == (opcode not in absent), f"{opcode:02X}"
        if text:
            assert build(text).code == bytes([opcode]) + operand, text
            seen += 1
        text = prefixed(opcode)
        assert build(text).code == bytes([0xCB, opcode]), text
    assert seen + 256 == 500


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("sub 7", "D607"),
        ("xor a", "AF"),
        ("LD A, [HLI]", "2A"),
        ("ld [$FF00 + c], a", "E2"),
        ("ld hl, sp - 3", "F8FD"),
        ("add sp, -128", "E880"),
        ("ld a, -1", "3EFF"),
        ("set 2 + 1, [hl]", "CBDE"),
        ("ld [hl], LOW($12F0 + 4)", "36F4"),
        ("org 257\ndb HIGH(@), LOW(@ + 5)", 257 * "00" + "0107"),
        ("db 2 * (3 + 4) - 1, %101, 1 << 4 | 1, ~0 & $F, 7 / 2", "0D05110F03"),
        ('db "AB;, A\'s<END>", 1 ; not text', "80819DF47F80BD5701"),
        ("dw $1234, End\nEnd: ds 3, 9", "34120400090909"),
        ("SIZE EQU 2\nds SIZE", "0000"),
        ("a1: jr .x\n.x:\nb1: .x: jr .x\njr a1.x", "180018FE18FC"),
    ],
)  # fmt: skip
def test_encodings(source: str, code: str) -> None:
    assert build(source).code.hex().upper() == code


def test_symbols_and_includes() -> None:
    program = build('N EQU 5\ninclude "more.asm"\nTail: nop', **{"more.asm": "org N\nHead: .a: di"})
    assert program.symbols == {"N": 5, "Head": 5, "Head.a": 5, "Tail": 6}
    assert program.code == bytes([0, 0, 0, 0, 0, 0xF3, 0x00])


@pytest.mark.parametrize(
    ("source", "place", "reason"),
    [
        ("nop\nld a, x", "main.asm:2", "unknown name 'x'"),
        ("ld b", "main.asm:1", "no instruction 'ld b'"),
        ("ld [bc], d", "main.asm:1", "no instruction 'ld [bc], d'"),
        ("bit 8, a", "main.asm:1", "no instruction 'bit 8, a'"),
        ("rst 1", "main.asm:1", "no instruction 'rst 1'"),
        ("ld a, 256", "main.asm:1", "256 does not fit"),
        ("ld a, -129", "main.asm:1", "-129 does not fit"),
        ("dw $10000", "main.asm:1", "65536 does not fit"),
        ("ldh [$FE00], a", "main.asm:1", "65024 does not fit"),
        ("jr Far\nds 128\nFar:", "main.asm:1", "too far: 128 bytes"),
        ("One:\nOne:", "main.asm:2", "'One' is defined twice"),
        (".x: nop", "main.asm:1", "no label above"),
        ("One: jr .x\nTwo: .x:", "main.asm:1", "unknown name '.x'"),
        ("org 4\norg 3", "main.asm:2", "goes back"),
        ('db "C"', "main.asm:1", "no character for 'C'"),
        ('db "A', "main.asm:1", "does not end"),
        ('dw "A"', "main.asm:1", "text belongs in db"),
        ("db 1,", "main.asm:1", "missing after the last comma"),
        ("db", "main.asm:1", "needs values"),
        ("db 1 2", "main.asm:1", "unexpected '2'"),
        ("db (1", "main.asm:1", "too early"),
        ("db 1 / 0", "main.asm:1", "division by zero"),
        ("db #", "main.asm:1", "unexpected '#'"),
        ("ds -1", "main.asm:1", "not negative"),
        ("ds Later\nLater:", "main.asm:1", "unknown name 'Later'"),
        ("hl: nop", "main.asm:1", "is a register"),
        ('\ninclude "no.asm"', "main.asm:2", "no source 'no.asm'"),
        ('include "main.asm"', "main.asm:1", "includes itself"),
        ('include "two.asm"', "two.asm:3", "no instruction 'oops'"),
    ],
)
def test_mistakes_are_explained(source: str, place: str, reason: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        build(source, **{"two.asm": "nop\n\noops"})
    assert str(caught.value).startswith(f"{place}: ")
    assert reason in str(caught.value)
