; Critters and their moves.

; A record: number, place in the list, two types, health, attack, defense, speed, special, experience
; for beating it, how easily it is caught, two moves, its pictures from the front and from the back,
; its name.
CRITTER_DEX   EQU 1
CRITTER_TYPES EQU 2
CRITTER_STATS EQU 4
CRITTER_EXP   EQU 9
CRITTER_CATCH EQU 10
CRITTER_MOVES EQU 11
CRITTER_FRONT EQU 13
CRITTER_BACK  EQU 15
CRITTER_NAME  EQU 17
CRITTER_SIZE  EQU 28

Critters:
    db SPRIGLET, 1, GRASS, GRASS, 90, 60, 70, 50, 60, 64, 45, MOVE_TACKLE, MOVE_WHIP
    dw SprigletFront, SprigletBack
    db "SPRIGLET@@@"
    db CINDERUP, 4, FIRE, FIRE, 70, 60, 50, 70, 50, 62, 45, MOVE_SCRATCH, MOVE_EMBER
    dw CinderupFront, CinderupBack
    db "CINDERUP@@@"
    db CHIRPET, 16, FLYING, FLYING, 40, 45, 40, 55, 35, 50, 140, MOVE_TACKLE, MOVE_GUST
    dw ChirpetFront, ChirpetBack
    db "CHIRPET@@@@"
    db NIBBLIN, 19, NORMAL, NORMAL, 35, 50, 35, 65, 25, 50, 140, MOVE_TACKLE, MOVE_BITE
    dw NibblinFront, NibblinBack
    db "NIBBLIN@@@@"
    db WRIGGLY, 13, BUG, BUG, 40, 40, 35, 40, 20, 52, 140, MOVE_TACKLE, MOVE_STING
    dw WrigglyFront, WrigglyBack
    db "WRIGGLY@@@@"
    db PEBBLOR, 74, ROCK, ROCK, 40, 55, 75, 20, 30, 86, 90, MOVE_TACKLE, MOVE_ROCK
    dw PebblorFront, PebblorFront
    db "PEBBLOR@@@@"
    db DRAKELET, 147, DRAGON, DRAGON, 60, 60, 50, 50, 50, 100, 45, MOVE_BITE, MOVE_RAGE
    dw DrakeletFront, DrakeletFront
    db "DRAKELET@@@"

; A record: number, type, power, how many times in 256 it hits, how often it can be used, its name.
MOVE_KIND     EQU 1
MOVE_POWER    EQU 2
MOVE_ACCURACY EQU 3
MOVE_PP       EQU 4
MOVE_NAME     EQU 5
MOVE_SIZE     EQU 15

Moves:
    db MOVE_TACKLE, NORMAL, 35, 242, 35, "TACKLE@@@@"
    db MOVE_SCRATCH, NORMAL, 40, 255, 35, "SCRATCH@@@"
    db MOVE_WHIP, GRASS, 40, 255, 20, "LEAF WHIP@"
    db MOVE_GUST, FLYING, 40, 255, 35, "GUST@@@@@@"
    db MOVE_BITE, NORMAL, 45, 255, 25, "BITE@@@@@@"
    db MOVE_STING, BUG, 30, 255, 35, "STING@@@@@"
    db MOVE_EMBER, FIRE, 40, 255, 25, "EMBER@@@@@"
    db MOVE_ROCK, ROCK, 45, 230, 20, "ROCKFALL@@"
    db MOVE_RAGE, DRAGON, 45, 230, 20, "DRAKEFIRE@"

; Copies the record of move a to wMove.
FindMove:
    ld b, a
    ld hl, Moves
    ld de, MOVE_SIZE
.next:
    ld a, [hl]
    cp b
    jr z, .found
    add hl, de
    jr .next
.found:
    ld de, wMove
    ld bc, MOVE_SIZE
    jp CopyMemory

; Attacking type, type of the other, effect: 0 half, 2 double.
TypeChart:
    db GRASS, ROCK, 2
    db GRASS, FIRE, 0
    db GRASS, FLYING, 0
    db GRASS, BUG, 0
    db GRASS, GRASS, 0
    db GRASS, DRAGON, 0
    db FIRE, GRASS, 2
    db FIRE, BUG, 2
    db FIRE, ROCK, 0
    db FIRE, FIRE, 0
    db FIRE, DRAGON, 0
    db FLYING, BUG, 2
    db FLYING, GRASS, 2
    db FLYING, ROCK, 0
    db ROCK, FIRE, 2
    db ROCK, FLYING, 2
    db ROCK, BUG, 2
    db BUG, GRASS, 2
    db BUG, FIRE, 0
    db BUG, FLYING, 0
    db NORMAL, ROCK, 0
    db DRAGON, DRAGON, 2
    db $FF
