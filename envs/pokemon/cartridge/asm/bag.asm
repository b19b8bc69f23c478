; The bag and the purse.

; Adds an item b to the bag; carry if the bag is full.
GiveItem:
    ld hl, wNumBagItems
    ld c, [hl]
    inc hl
    inc c
.find:
    dec c
    jr z, .new
    ld a, [hl+]
    cp b
    jr z, .more
    inc hl
    jr .find
.more:
    ld a, [hl]
    cp 99
    scf
    ret z
    inc [hl]
    and a
    ret
.new:
    ld a, [wNumBagItems]
    cp BAG_SIZE
    ccf
    ret c
    inc a
    ld [wNumBagItems], a
    ld [hl], b
    inc hl
    ld [hl], 1
    inc hl
    ld [hl], $FF
    and a
    ret

; Takes one of the item in place a of the bag away.
TakeItem:
    ld e, a
    ld d, 0
    ld hl, wBagItems
    add hl, de
    add hl, de
    inc hl
    dec [hl]
    ret nz
    dec hl
    ld d, h                 ; the ones behind move up
    ld e, l
    inc hl
    inc hl
.move:
    ld a, [hl+]
    ld [de], a
    inc de
    cp $FF
    jr z, .moved
    ld a, [hl+]
    ld [de], a
    inc de
    jr .move
.moved:
    ld hl, wNumBagItems
    dec [hl]
    ret

; Adds the 3 bytes of decimal digits at hl to the purse, at most 999999.
EarnMoney:
    inc hl
    inc hl
    ld de, wPlayerMoney + 2
    ld c, 3
    and a
.byte:
    ld a, [de]
    adc [hl]
    daa
    ld [de], a
    dec de
    dec hl
    dec c
    jr nz, .byte
    ret nc
    ld a, $99
    ld [wPlayerMoney], a
    ld [wPlayerMoney + 1], a
    ld [wPlayerMoney + 2], a
    ret

; Takes the 3 bytes of decimal digits at hl from the purse; carry and nothing, if it holds less.
SpendMoney:
    push hl
    ld de, wPlayerMoney
    ld c, 3
.compare:
    ld a, [de]
    cp [hl]
    jr c, .poor
    jr nz, .enough
    inc de
    inc hl
    dec c
    jr nz, .compare
.enough:
    pop hl
    inc hl
    inc hl
    ld de, wPlayerMoney + 2
    ld c, 3
    and a
.byte:
    ld a, [de]
    sbc [hl]
    daa
    ld [de], a
    dec de
    dec hl
    dec c
    jr nz, .byte
    and a
    ret
.poor:
    pop hl
    ret

; Halves the purse.
HalveMoney:
    ld hl, wPlayerMoney
    ld c, 3
    and a
.byte:
    ld a, [hl]
    rra                     ; the digit above was odd: 5 more here
    push af
    ld b, a
    and $08
    jr z, .low
    ld a, b
    sub 3                   ; half of 10 sixteenths is 5, not 8
    ld b, a
.low:
    bit 7, b
    jr z, .high
    ld a, b
    sub $30
    ld b, a
.high:
    ld [hl], b
    inc hl
    pop af
    dec c
    jr nz, .byte
    ret

; Writes the 3 bytes of decimal digits at de to hl as seven tiles: a sign and no leading zeros.
PlaceMoney:
    ld [hl], CHAR_YEN
    inc hl
    ld c, 6                 ; digits to come
    ld b, 0                 ; whether one was written
.next:
    ld a, [de]
    bit 0, c
    jr nz, .low
    swap a
    jr .digit
.low:
    inc de
.digit:
    and $0F
    jr nz, .write
    ld a, b
    and a
    jr nz, .zero
    ld a, c
    dec a
    jr z, .zero
    ld [hl], CHAR_SPACE
    jr .placed
.zero:
    xor a
.write:
    ld b, 1
    add CHAR_ZERO
    ld [hl], a
.placed:
    inc hl
    dec c
    jr nz, .next
    ret

; Writes the 3 bytes of decimal digits at hl to wNumberText, as an amount without spaces.
PrizeToText:
    ld d, h
    ld e, l
    ld hl, wNumberText
    ld [hl], CHAR_YEN
    inc hl
    ld b, 3
.skip:                      ; bytes of zeros
    ld a, [de]
    and a
    jr nz, .first
    inc de
    dec b
    jr nz, .skip
.first:
    ld a, [de]
    and $F0
    jr z, .low
.next:
    ld a, [de]
    swap a
    and $0F
    add CHAR_ZERO
    ld [hl+], a
.low:
    ld a, [de]
    inc de
    and $0F
    add CHAR_ZERO
    ld [hl+], a
    dec b
    jr nz, .next
    ld [hl], CHAR_END
    ret
