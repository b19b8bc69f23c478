; Numbers: products, quotients, chance, and numbers as text.

; hl = a * de
Multiply:
    ld hl, 0
.next:
    srl a
    jr nc, .even
    add hl, de
.even:
    sla e
    rl d
    and a
    jr nz, .next
    ret

; hl = hl / de, bc = the rest; de must not be 0.
Divide:
    ld bc, 0
    ld a, 16
.next:
    push af
    add hl, hl
    rl c
    rl b
    ld a, c
    sub e
    ld a, b
    sbc d
    jr c, .less
    ld a, c
    sub e
    ld c, a
    ld a, b
    sbc d
    ld b, a
    inc l
.less:
    pop af
    dec a
    jr nz, .next
    ret

; a = the next random byte: x = 261 x + 13849, its high byte. Keeps the other registers.
Random:
    push hl
    push de
    ld hl, wRandom
    ld e, [hl]
    inc hl
    ld d, [hl]
    ld h, d
    ld l, e
    add hl, hl
    add hl, hl
    add hl, de
    ld a, h
    add e
    ld h, a
    ld de, 13849
    add hl, de
    ld a, l
    ld [wRandom], a
    ld a, h
    ld [wRandom + 1], a
    pop de
    pop hl
    ret

; Writes hl as decimal digits and an end to wNumberText.
NumberToText:
    ld c, 0
    push bc                 ; how many digits are on the stack
.digit:
    ld de, 10
    call Divide
    ld a, c
    pop bc
    push af
    inc c
    push bc
    ld a, h
    or l
    jr nz, .digit
    pop bc
    ld hl, wNumberText
.write:
    pop af
    add CHAR_ZERO
    ld [hl+], a
    dec c
    jr nz, .write
    ld [hl], CHAR_END
    ret

; Writes hl to de, right-aligned in b tiles.
PlaceNumber:
    push bc
    push de
    call NumberToText
    pop hl                  ; where it goes
    pop bc
    ld de, wNumberText
.length:
    ld a, [de]
    cp CHAR_END
    jr z, .pad
    inc de
    dec b
    jr .length
.pad:
    ld a, b
    and a
    jr z, .copy
    bit 7, a
    jr nz, .copy
    ld [hl], CHAR_SPACE
    inc hl
    dec b
    jr .pad
.copy:
    ld de, wNumberText
    jp PlaceString
