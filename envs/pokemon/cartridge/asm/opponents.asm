; Who fights against the player, and how a battle begins.

; A record: class, name, prize in decimal digits, how many, then critter and level of each.
RouteBoyTeam:
    db TRAINER_BOY, "TIM@@@@@@@@@@", $00, $01, $00, 1
    db NIBBLIN, 4
PupilTeam:
    db TRAINER_PUPIL, "JO@@@@@@@@@@@", $00, $01, $50, 1
    db PEBBLOR, 5
FlintTeam:
    db TRAINER_FLINT, "FLINT@@@@@@@@", $00, $05, $00, 2
    db PEBBLOR, 6, PEBBLOR, 8
IrisTeam:
    db TRAINER_IRIS, "IRIS@@@@@@@@@", $00, $20, $00, 2
    db CHIRPET, 9, DRAKELET, 10

TRAINER_NAME_SIZE EQU 13

; Something in the grass of this room.
WildBattle:
    call Random
    and 3
    add a
    ld e, a
    ld d, 0
    ld hl, wRoomWild
    ld a, [hl+]
    ld h, [hl]
    ld l, a
    add hl, de
    ld b, [hl]
    inc hl
    ld c, [hl]
    ld a, b
    ld [wCurOpponent], a
    ld hl, wEnemyMons + (PARTY_SIZE - 1) * MON_SIZE
    call MakeCritter
    ld a, PARTY_SIZE - 1
    ld [wEnemyNumber], a
    ld a, BATTLE_WILD
    ld [wIsInBattle], a
    jp Battle

; The opponent whose record is at hl. Returns carry if the player lost.
TrainerBattle:
    ld a, [hl+]
    ld [wTrainerClass], a
    add FIRST_TRAINER
    ld [wCurOpponent], a
    ld de, wTrainerName
    ld bc, TRAINER_NAME_SIZE
    call CopyMemory
    ld de, wPrize
    ld bc, 3
    call CopyMemory
    ld a, [hl+]
    ld [wEnemyPartyCount], a
    ld de, 0
.member:
    push de
    ld b, [hl]
    inc hl
    ld c, [hl]
    inc hl
    push hl
    ld hl, wEnemyPartySpecies
    add hl, de
    ld [hl], b
    inc hl
    ld [hl], $FF
    ld a, e
    ld de, MON_SIZE
    call Multiply
    ld de, wEnemyMons
    add hl, de
    call MakeCritter
    pop hl
    pop de
    inc e
    ld a, [wEnemyPartyCount]
    cp e
    jr nz, .member
    xor a
    ld [wEnemyNumber], a
    ld a, BATTLE_TRAINER
    ld [wIsInBattle], a
    jp Battle
