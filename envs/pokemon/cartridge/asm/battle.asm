; Battles, round by round.

NO_MOVE    EQU $FF
GOES_ON    EQU $FF

; From wCurOpponent and wEnemyMons on to the end. Returns carry if the player lost.
Battle:
    ld a, GOES_ON
    ld [wResult], a
    call FirstAble
    ld [wPlayerMonNumber], a
    call EnterTransition
    call ToBattle
    call EnemyToBattle
    call DrawBattle
    ld hl, WildAppearsText
    ld a, [wIsInBattle]
    cp BATTLE_WILD
    jr z, .appears
    ld hl, TrainerWantsText
.appears:
    call PrintText
    ld hl, GoText
    call PrintText
    call DrawPlayerSide
.round:
    call ChooseAction
    call GoesOn
    call z, Round
    call GoesOn
    jr z, .round
    ld a, [wResult]
    cp RESULT_LOST
    jp z, Blackout
    xor a
    ld [wIsInBattle], a
    call Whiten
    call LoadRoomTiles
    call ShowRoom
    and a
    ret

; z while the battle continues.
GoesOn:
    ld a, [wResult]
    cp GOES_ON
    ret

; One move for each side; the faster one first.
Round:
    call EnemyChooses
    ld a, [wChosenMove]
    cp NO_MOVE
    jr z, EnemyActs
    ld a, [wEnemySpeed + 1]
    ld b, a
    ld a, [wBattleSpeed + 1]
    cp b
    jr c, .second
    call PlayerActs
    ret z
    jr EnemyActs
.second:
    call EnemyActs
    ret z
    ; falls through

; The player's critter moves. Returns z if a critter fainted.
PlayerActs:
    call PlayerMove
    ld hl, wEnemyHP
    ld a, [hl+]
    or [hl]
    ret nz
    call EnemyFaints
    xor a
    ret

EnemyActs:
    call EnemyMove
    ld hl, wBattleHP
    ld a, [hl+]
    or [hl]
    ret nz
    call PlayerFaints
    xor a
    ret

PlayerFaints:
    call ClearPlayerSide
    ld hl, FaintedText
    call PrintText
    call FirstAble
    jr c, .lost
    ld [wPlayerMonNumber], a
    jp SendOut
.lost:
    ld a, RESULT_LOST
    ld [wResult], a
    ret

; Brings party member wPlayerMonNumber out.
SendOut:
    call ToBattle
    call ClearPlayerSide
    ld hl, GoText
    call PrintText
    jp DrawPlayerSide

EnemyFaints:
    call ClearEnemySide
    ld hl, EnemyFaintedText
    call PrintText
    call Reward
    ld a, [wIsInBattle]
    cp BATTLE_WILD
    jr z, .won
    ld a, [wEnemyNumber]
    inc a
    ld [wEnemyNumber], a
    ld b, a
    ld a, [wEnemyPartyCount]
    cp b
    jr z, .trainer
    call EnemyToBattle
    ld hl, NextText
    call PrintText
    jp DrawEnemySide
.trainer:
    ld hl, wPrize
    call EarnMoney
    ld hl, wPrize
    call PrizeToText
    ld hl, BeatTrainerText
    call PrintText
.won:
    xor a
    ld [wResult], a
    ret

; Experience for the one that fights: half its worth times its level; for trainers' 3/4.
Reward:
    ld a, [wEnemyMon]
    call FindCritter
    ld c, CRITTER_EXP
    call CritterByte
    ld e, a
    ld d, 0
    ld a, [wEnemyLevel]
    call Multiply
    srl h
    rr l
    ld a, [wIsInBattle]
    cp BATTLE_WILD
    jr z, .enough
    ld d, h
    ld e, l
    srl d
    rr e
    add hl, de
.enough:
    ld a, h
    ld [wGained], a
    ld a, l
    ld [wGained + 1], a
    call NumberToText
    ld hl, GainedText
    call PrintText
    jp GainExperience

; After a defeat: half of the money, and a place to rest.
Blackout:
    ld a, BATTLE_LOST
    ld [wIsInBattle], a
    ld hl, BlackoutText
    call PrintText
    call WaitPress
    call HalveMoney
    call HealParty
    xor a
    ld [wIsInBattle], a
    ld [wFacing], a
    call Whiten
    call LoadRoomTiles
    ld a, [wLastBlackoutMap]
    ld b, 4
    ld c, 4
    call EnterMap
    scf
    ret

; Copies party member wPlayerMonNumber to the fight.
ToBattle:
    ld a, [wPlayerMonNumber]
    call PartyMember
    ld de, wBattleMon
    call CopyFighter
    ld a, [wBattleMon]
    call FindCritter
    call CritterName
    ld h, d
    ld l, e
    ld de, wBattleNick
    ld bc, NAME_SIZE
    jp CopyMemory

; The same for the opponent's wEnemyNumber.
EnemyToBattle:
    ld a, [wEnemyNumber]
    ld de, MON_SIZE
    call Multiply
    ld de, wEnemyMons
    add hl, de
    ld de, wEnemyMon
    call CopyFighter
    ld a, [wEnemyMon]
    call FindCritter
    call SeeCritter
    call CritterName
    ld h, d
    ld l, e
    ld de, wEnemyNick
    ld bc, NAME_SIZE
    jp CopyMemory

; Copies what counts in a fight from the record at hl to de: 12 bytes, two of inheritance, level and
; strength, the remaining moves.
CopyFighter:
    push hl
    ld bc, 12
    call CopyMemory
    pop hl
    push hl
    ld bc, 27
    add hl, bc
    ld bc, 2
    call CopyMemory
    pop hl
    push hl
    ld bc, MON_LEVEL
    add hl, bc
    ld bc, 11
    call CopyMemory
    pop hl
    ld bc, MON_PP
    add hl, bc
    ld bc, 4
    jp CopyMemory

; Copies health and the remaining moves back to the party.
FromBattle:
    ld a, [wPlayerMonNumber]
    call PartyMember
    push hl
    inc hl
    ld a, [wBattleHP]
    ld [hl+], a
    ld a, [wBattleHP + 1]
    ld [hl], a
    pop hl
    ld de, MON_PP
    add hl, de
    ld d, h
    ld e, l
    ld hl, wBattlePP
    ld bc, 4
    jp CopyMemory
