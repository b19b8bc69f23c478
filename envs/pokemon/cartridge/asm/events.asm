; Events: what has happened, a bit each.

; hl = the byte of event de, a = its bit as a mask.
EventBit:
    ld a, e
    and 7
    ld b, a
    srl d
    rr e
    srl d
    rr e
    srl d
    rr e
    ld hl, wEventFlags
    add hl, de
    inc b
    xor a
    scf
.shift:
    rla
    dec b
    jr nz, .shift
    ret

SetEvent:
    call EventBit
    or [hl]
    ld [hl], a
    ret

FlipEvent:
    call EventBit
    xor [hl]
    ld [hl], a
    ret

; nz if event de has happened; NEVER has not. Keeps hl.
IsSet:
    ld a, d
    and e
    inc a
    ret z
    push hl
    call EventBit
    and [hl]
    pop hl
    ret
