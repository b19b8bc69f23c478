; The party: up to six critters, in records of 44 bytes.

; hl = the record of party member a.
PartyMember:
    ld de, MON_SIZE
    call Multiply
    ld de, wPartyMons
    add hl, de
    ret

; Adds a critter b of level c to the party; carry if it is full.
GiveCritter:
    ld a, [wPartyCount]
    cp PARTY_SIZE
    ccf
    ret c
    push bc
    call PartyMember
    pop bc
    call MakeCritter
    ld hl, wPartyCount
    ld e, [hl]
    inc [hl]
    ld d, 0
    ld hl, wPartySpecies
    add hl, de
    ld [hl], b
    inc hl
    ld [hl], $FF
    ld a, b
    call FindCritter
    ld hl, wPokedexOwned
    call MarkInDex
    ; falls through

; Notes that the critter looked up last was seen.
SeeCritter:
    ld hl, wPokedexSeen
    ; falls through

; Sets the bit of the critter looked up last in the list at hl.
MarkInDex:
    push bc
    push hl
    ld c, CRITTER_DEX
    call CritterByte
    dec a
    ld c, a
    and 7
    ld b, a
    srl c
    srl c
    srl c
    pop hl
    ld a, c
    add l
    ld l, a
    ld a, h
    adc 0
    ld h, a
    inc b
    xor a
    scf
.shift:
    rla
    dec b
    jr nz, .shift
    or [hl]
    ld [hl], a
    pop bc
    and a
    ret

; Writes a whole record at hl: a critter b of level c in good health. Keeps b and c.
MakeCritter:
    push bc
    push hl
    ld bc, MON_SIZE
    call ClearMemory
    pop hl
    pop bc
    ld [hl], b
    push bc
    push hl
    ld a, b
    call FindCritter
    ld de, MON_TYPE
    add hl, de
    ld d, h
    ld e, l
    ld b, CRITTER_TYPES
    ld c, 2
    call CopyCritter
    inc de                  ; past the catch rate
    ld b, CRITTER_MOVES
    ld c, 2
    call CopyCritter
    pop hl
    pop bc
    push bc
    push hl
    ld de, MON_LEVEL
    add hl, de
    ld [hl], c
    ld a, c
    call ExperienceFor
    ld d, h
    ld e, l
    pop hl
    push hl
    ld bc, MON_EXP + 1
    add hl, bc
    ld [hl], d
    inc hl
    ld [hl], e
    pop hl
    push hl
    call SetStats
    pop hl
    push hl
    call Heal
    pop hl
    pop bc
    ret

; Copies c bytes from place b of the critter looked up last to de.
CopyCritter:
    ld a, [wCritter]
    add b
    ld l, a
    ld a, [wCritter + 1]
    adc 0
    ld h, a
.next:
    ld a, [hl+]
    ld [de], a
    inc de
    dec c
    jr nz, .next
    ret

; a = byte c of the critter looked up last. Keeps bc.
CritterByte:
    ld a, [wCritter]
    add c
    ld l, a
    ld a, [wCritter + 1]
    adc 0
    ld h, a
    ld a, [hl]
    ret

; Looks up the critter a: wCritter = its record in critters.asm. Keeps bc, de, hl.
FindCritter:
    push bc
    push de
    push hl
    ld b, a
    ld hl, Critters
    ld de, CRITTER_SIZE
.next:
    ld a, [hl]
    cp b
    jr z, .found
    add hl, de
    jr .next
.found:
    ld a, l
    ld [wCritter], a
    ld a, h
    ld [wCritter + 1], a
    pop hl
    pop de
    pop bc
    ret

; Full health and power for the record at hl.
Heal:
    push hl
    ld de, MON_MAX_HP
    add hl, de
    ld d, [hl]
    inc hl
    ld e, [hl]
    pop hl
    push hl
    inc hl
    ld [hl], d
    inc hl
    ld [hl], e
    pop hl
    push hl
    ld de, MON_MOVES
    add hl, de
    ld d, h
    ld e, l
    pop hl
    ld bc, MON_PP
    add hl, bc
    ld b, 4
.move:
    ld a, [de]
    inc de
    and a
    jr z, .none
    push hl
    push de
    push bc
    call FindMove
    ld a, [wMove + MOVE_PP]
    pop bc
    pop de
    pop hl
.none:
    ld [hl+], a
    dec b
    jr nz, .move
    ret

HealParty:
    ld a, [wPartyCount]
.next:
    dec a
    bit 7, a
    ret nz
    push af
    call PartyMember
    call Heal
    pop af
    jr .next

; a = the first party member that can fight; carry if none can.
FirstAble:
    ld c, 0
.next:
    ld a, [wPartyCount]
    cp c
    scf
    ret z
    ld a, c
    push bc
    call PartyMember
    pop bc
    inc hl
    ld a, [hl+]
    or [hl]
    ld a, c
    ret nz
    inc c
    jr .next

; Gives the record at hl 20 more health; carry if it was full or out.
DrinkPotion:
    push hl
    ld bc, MON_MAX_HP
    add hl, bc
    ld d, [hl]
    inc hl
    ld e, [hl]              ; de = most
    pop hl
    inc hl
    ld b, [hl]
    inc hl
    ld c, [hl]              ; bc = now
    ld a, b
    or c
    scf
    ret z
    ld a, d
    cp b
    jr nz, .hurt
    ld a, e
    cp c
    scf
    ret z
.hurt:
    push hl
    ld hl, 20
    add hl, bc
    ld b, h
    ld c, l
    pop hl
    ld a, e                 ; most - new
    sub c
    ld a, d
    sbc b
    jr nc, .fits
    ld b, d
    ld c, e
.fits:
    ld [hl], c
    dec hl
    ld [hl], b
    and a
    ret
