; Levels: experience is the cube of the level, as health and strength grow with it.

; hl = the experience that level a takes: a cubed.
ExperienceFor:
    ld c, a
    ld e, a
    ld d, 0
    call Multiply
    ld d, h
    ld e, l
    ld a, c
    jp Multiply

; Sets health and strength of the record at hl, whose critter was looked up last, by its level.
SetStats:
    push hl
    ld de, MON_LEVEL
    add hl, de
    ld b, [hl]              ; level
    inc hl
    ld c, CRITTER_STATS
    push hl
    call .stat
    ld a, l
    add b
    add 5                   ; health: level + 10 more, the others 5
    ld d, a
    pop hl
    inc hl                  ; the high bytes are 0
    ld [hl], d
    inc hl
    ld a, 4
.next:
    push af
    inc c
    push hl
    call .stat
    ld a, l
    pop hl
    inc hl
    ld [hl+], a
    pop af
    dec a
    jr nz, .next
    pop hl
    ret
.stat:                      ; hl = stat c at level b: 5 + a fiftieth of their product
    call CritterByte
    ld e, a
    ld d, 0
    ld a, b
    call Multiply
    push bc
    ld de, 50
    call Divide
    pop bc
    ld de, 5
    add hl, de
    ret

; Adds wGained to the experience of party member wPlayerMonNumber and raises its level, with texts.
GainExperience:
    ld a, [wPlayerMonNumber]
    call PartyMember
    push hl
    ld de, MON_LEVEL
    add hl, de
    ld a, [hl]
    pop hl
    cp MAX_LEVEL
    ret nc
    ld de, MON_EXP + 2
    add hl, de
    ld a, [wGained + 1]
    add [hl]
    ld [hl-], a
    ld a, [wGained]
    adc [hl]
    ld [hl], a
.level:
    ld a, [wPlayerMonNumber]
    call PartyMember
    push hl
    ld de, MON_EXP + 1
    add hl, de
    ld b, [hl]
    inc hl
    ld c, [hl]
    pop hl
    ld de, MON_LEVEL
    add hl, de
    ld a, [hl]
    cp MAX_LEVEL
    ret nc
    inc a
    push hl
    push bc
    call ExperienceFor
    pop bc
    ld a, c
    sub l
    ld a, b
    sbc h
    pop hl
    ret c                   ; not enough yet
    inc [hl]
    call RaiseStats
    jr .level

; A new level: strength grows, and health by as much as its maximum.
RaiseStats:
    ld a, [wPlayerMonNumber]
    call PartyMember
    push hl
    ld a, [hl]
    call FindCritter
    ld de, MON_MAX_HP + 1
    add hl, de
    ld b, [hl]              ; the maximum before
    pop hl
    push hl
    push bc
    call SetStats
    pop bc
    ld de, MON_MAX_HP + 1
    add hl, de
    ld a, [hl]
    sub b
    pop hl
    inc hl
    inc hl
    add [hl]
    ld [hl], a
    call ToBattle           ; the one that fights is a copy
    call DrawPlayerState
    ld a, [wBattleLevel]
    ld l, a
    ld h, 0
    call NumberToText
    ld hl, GrewText
    jp PrintText
