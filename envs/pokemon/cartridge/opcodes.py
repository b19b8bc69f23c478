"""The 500 instructions of the Game Boy's processor (SM83), as its manual prints them."""

from typing import NamedTuple


class Instruction(NamedTuple):
    """How one form of an instruction is encoded."""

    opcode: bytes  # one byte, or two after the prefix CB, or 10 00 for stop
    operand: str  # kind of the operand after it, one of `WIDTHS`, or ""


# Kind of a numeric operand -> its bytes.
WIDTHS = {
    "n8": 1,  # a byte, signed or not
    "n16": 2,  # a word, low byte first
    "e8": 1,  # a jump, relative to the next instruction
    "s8": 1,  # a signed offset to sp
    "h8": 1,  # the low byte of an address from $FF00 to $FFFF
}

# Eight a line, from $00 on; "-" is no instruction.
_MAIN = """
nop | ld bc,n16 | ld [bc],a | inc bc | inc b | dec b | ld b,n8 | rlca
ld [n16],sp | add hl,bc | ld a,[bc] | dec bc | inc c | dec c | ld c,n8 | rrca
stop | ld de,n16 | ld [de],a | inc de | inc d | dec d | ld d,n8 | rla
jr e8 | add hl,de | ld a,[de] | dec de | inc e | dec e | ld e,n8 | rra
jr nz,e8 | ld hl,n16 | ld [hl+],a | inc hl | inc h | dec h | ld h,n8 | daa
jr z,e8 | add hl,hl | ld a,[hl+] | dec hl | inc l | dec l | ld l,n8 | cpl
jr nc,e8 | ld sp,n16 | ld [hl-],a | inc sp | inc [hl] | dec [hl] | ld [hl],n8 | scf
jr c,e8 | add hl,sp | ld a,[hl-] | dec sp | inc a | dec a | ld a,n8 | ccf
ld b,b | ld b,c | ld b,d | ld b,e | ld b,h | ld b,l | ld b,[hl] | ld b,a
ld c,b | ld c,c | ld c,d | ld c,e | ld c,h | ld c,l | ld c,[hl] | ld c,a
ld d,b | ld d,c | ld d,d | ld d,e | ld d,h | ld d,l | ld d,[hl] | ld d,a
ld e,b | ld e,c | ld e,d | ld e,e | ld e,h | ld e,l | ld e,[hl] | ld e,a
ld h,b | ld h,c | ld h,d | ld h,e | ld h,h | ld h,l | ld h,[hl] | ld h,a
ld l,b | ld l,c | ld l,d | ld l,e | ld l,h | ld l,l | ld l,[hl] | ld l,a
ld [hl],b | ld [hl],c | ld [hl],d | ld [hl],e | ld [hl],h | ld [hl],l | halt | ld [hl],a
ld a,b | ld a,c | ld a,d | ld a,e | ld a,h | ld a,l | ld a,[hl] | ld a,a
add a,b | add a,c | add a,d | add a,e | add a,h | add a,l | add a,[hl] | add a,a
adc a,b | adc a,c | adc a,d | adc a,e | adc a,h | adc a,l | adc a,[hl] | adc a,a
sub a,b | sub a,c | sub a,d | sub a,e | sub a,h | sub a,l | sub a,[hl] | sub a,a
sbc a,b | sbc a,c | sbc a,d | sbc a,e | sbc a,h | sbc a,l | sbc a,[hl] | sbc a,a
and a,b | and a,c | and a,d | and a,e | and a,h | and a,l | and a,[hl] | and a,a
xor a,b | xor a,c | xor a,d | xor a,e | xor a,h | xor a,l | xor a,[hl] | xor a,a
or a,b | or a,c | or a,d | or a,e | or a,h | or a,l | or a,[hl] | or a,a
cp a,b | cp a,c | cp a,d | cp a,e | cp a,h | cp a,l | cp a,[hl] | cp a,a
ret nz | pop bc | jp nz,n16 | jp n16 | call nz,n16 | push bc | add a,n8 | rst 0
ret z | ret | jp z,n16 | - | call z,n16 | call n16 | adc a,n8 | rst 8
ret nc | pop de | jp nc,n16 | - | call nc,n16 | push de | sub a,n8 | rst 16
ret c | reti | jp c,n16 | - | call c,n16 | - | sbc a,n8 | rst 24
ldh [h8],a | pop hl | ldh [c],a | - | - | push hl | and a,n8 | rst 32
add sp,s8 | jp hl | ld [n16],a | - | - | - | xor a,n8 | rst 40
ldh a,[h8] | pop af | ldh a,[c] | di | - | push af | or a,n8 | rst 48
ld hl,sp+s8 | ld sp,hl | ld a,[n16] | ei | - | - | cp a,n8 | rst 56
"""

# After the prefix $CB: each of these for the eight registers, then bit, res, set 0-7 likewise.
_ROTATIONS = ("rlc", "rrc", "rl", "rr", "sla", "sra", "swap", "srl")
_REGISTERS = ("b", "c", "d", "e", "h", "l", "[hl]", "a")

# Other spellings of an operand.
SYNONYMS = {"[hli]": "[hl+]", "[hld]": "[hl-]", "[$ff00+c]": "[c]"}

# Instructions whose first operand is part of the opcode, not a byte after it.
COUNTED = ("bit", "res", "set", "rst")

_ARITHMETIC = ("add", "adc", "sub", "sbc", "and", "xor", "or", "cp")


def _table() -> dict[str, Instruction]:
    """Form of an instruction -> its encoding; a number in the form is written n ('ld a,n')."""
    found: dict[str, Instruction] = {}
    forms = [form.strip() for line in _MAIN.strip().splitlines() for form in line.split("|")]
    for opcode, form in enumerate(forms):
        if form in ("-", "stop"):
            continue
        operand = next((kind for kind in WIDTHS if kind in form), "")
        _add(found, form, Instruction(bytes([opcode]), operand))
    for form in ("[c],a", "a,[c]"):
        found[f"ld {form}"] = found[f"ldh {form}"]
    found["stop"] = Instruction(b"\x10\x00", "")
    for row, name in enumerate(_ROTATIONS):
        for column, register in enumerate(_REGISTERS):
            found[f"{name} {register}"] = Instruction(bytes([0xCB, 8 * row + column]), "")
    for block, name in enumerate(("bit", "res", "set"), 1):
        for bit in range(8):
            for column, register in enumerate(_REGISTERS):
                opcode = 64 * block + 8 * bit + column
                found[f"{name} {bit},{register}"] = Instruction(bytes([0xCB, opcode]), "")
    return found


def _add(found: dict[str, Instruction], form: str, instruction: Instruction) -> None:
    """Stores a form, and for arithmetic also the form without the accumulator."""
    form = form.replace(instruction.operand, "n") if instruction.operand else form
    found[form] = instruction
    name, _, operands = form.partition(" ")
    if name in _ARITHMETIC and operands.startswith("a,"):
        found[f"{name} {operands[2:]}"] = instruction


INSTRUCTIONS = _table()
