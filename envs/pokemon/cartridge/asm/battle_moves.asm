; Moves: who uses what, and what it does.

; The opponent picks one of its moves by chance.
EnemyChooses:
    call Random
    and 1
    ld e, a
    ld d, 0
    ld hl, wEnemyMoves
    add hl, de
    ld a, [hl]
    ld [wEnemyChoice], a
    ret

; The player's critter uses wChosenMove.
PlayerMove:
    ld a, [wChosenMove]
    ld e, a
    ld d, 0
    ld hl, wBattlePP
    add hl, de
    dec [hl]
    call FromBattle
    ld a, [wChosenMove]
    ld e, a
    ld d, 0
    ld hl, wBattleMoves
    add hl, de
    ld a, [hl]
    call FindMove
    ld hl, UsedText
    call PrintText
    call Hits
    jr nc, .missed
    ld a, [wBattleLevel]
    ld b, a
    ld a, [wBattleAttack + 1]
    ld c, a
    ld a, [wEnemyDefense + 1]
    ld d, a
    ld a, [wEnemyTypes]
    ld e, a
    call FindDamage
    call BlinkEnemy
    ld hl, wEnemyHP
    call TakeHealth
    call DrawEnemyState
    jr TellEffect
.missed:
    ld hl, MissedText
    jp PrintText

; The opponent's uses wEnemyChoice.
EnemyMove:
    ld a, [wEnemyChoice]
    call FindMove
    ld hl, EnemyUsedText
    call PrintText
    call Hits
    jr nc, .missed
    ld a, [wEnemyLevel]
    ld b, a
    ld a, [wEnemyAttack + 1]
    ld c, a
    ld a, [wBattleDefense + 1]
    ld d, a
    ld a, [wBattleTypes]
    ld e, a
    call FindDamage
    call BlinkPlayer
    ld hl, wBattleHP
    call TakeHealth
    call FromBattle
    call DrawPlayerState
    jr TellEffect
.missed:
    ld hl, MissedText
    jp PrintText

; Carry if the move hits.
Hits:
    call Random
    ld b, a
    ld a, [wMove + MOVE_ACCURACY]
    cp 255
    scf
    ret z
    ld c, a
    ld a, b
    cp c
    ret

TellEffect:
    ld a, [wEffect]
    cp 1
    ret z
    ld hl, WeakText
    jp c, PrintText
    ld hl, StrongText
    jp PrintText

; wDamage = 2 or 3 + (2 level / 5 + 2) power attack / (32 defense), doubled or halved by the types.
; Level b, attack c, defense d, type of the target e.
FindDamage:
    push de
    push bc
    ld l, b
    ld h, 0
    add hl, hl
    ld de, 5
    call Divide
    inc l
    inc l
    ld d, h
    ld e, l
    ld a, [wMove + MOVE_POWER]
    call Multiply
    ld d, h
    ld e, l
    pop bc
    ld a, c
    call Multiply
    pop de
    push de
    push hl
    ld e, d
    ld d, 0
    ld a, 32
    call Multiply
    ld d, h
    ld e, l
    pop hl
    call Divide
    inc hl
    inc hl
    call Random
    and 1
    ld c, a
    ld b, 0
    add hl, bc
    pop de
    call FindEffect
    cp 1
    jr z, .plain
    jr c, .weak
    add hl, hl
    jr .plain
.weak:
    srl h
    rr l
.plain:
    ld a, h
    ld [wDamage], a
    ld a, l
    ld [wDamage + 1], a
    ret

; a = wEffect = what a move of the type in wMove does to the type e. Keeps hl.
FindEffect:
    push hl
    ld hl, TypeChart
    ld a, [wMove + MOVE_KIND]
    ld d, a
.next:
    ld a, [hl+]
    cp $FF
    ld b, 1
    jr z, .found
    ld c, a
    ld a, [hl+]
    ld b, [hl]
    inc hl
    cp e
    jr nz, .next
    ld a, c
    cp d
    jr nz, .next
.found:
    pop hl
    ld a, b
    ld [wEffect], a
    ret

; Takes wDamage from the health at hl, down to 0.
TakeHealth:
    inc hl
    ld a, [wDamage + 1]
    ld c, a
    ld a, [wDamage]
    ld b, a
    ld a, [hl]
    sub c
    ld [hl-], a
    ld a, [hl]
    sbc b
    ld [hl], a
    ret nc
    xor a
    ld [hl+], a
    ld [hl], a
    ret
