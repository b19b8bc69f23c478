; Walking: one cell in 16 frames, doors, and what stands in the way.

Overworld:
    call WaitFrame
    ldh a, [hJoyPressed]
    ld b, a
    bit BUTTON_START, b
    jr nz, .menu
    bit BUTTON_A, b
    jr nz, .look
    ldh a, [hJoyHeld]
    and $F0
    jr z, .stand
    call Step
    jr Overworld
.stand:
    xor a
    ld [wMovingDirection], a
    jr Overworld
.menu:
    call StartMenu
    jr Overworld
.look:
    call LookAhead
    jr Overworld

; Turns towards the button held in a and walks if the way is free.
Step:
    ld d, DOWN
    ld e, 4
    bit BUTTON_DOWN, a
    jr nz, .turn
    ld d, UP
    ld e, 8
    bit BUTTON_UP, a
    jr nz, .turn
    ld d, LEFT
    ld e, 2
    bit BUTTON_LEFT, a
    jr nz, .turn
    ld d, RIGHT
    ld e, 1
.turn:
    ld a, e
    ld [wDirection], a
    ld [wLastDirection], a
    ld a, d
    add a
    add a
    ld [wFacing], a
    call DrawSprites
    call FindTarget
    jr c, .blocked
    call IsFree
    jr nz, .blocked
    ld a, [wDirection]
    ld [wMovingDirection], a
    call Walk
    jp Arrive
.blocked:
    xor a
    ld [wMovingDirection], a
    ret

; b, c = row and column of the cell ahead, also in wTargetY and wTargetX; carry if it is outside.
FindTarget:
    ld a, [wFacing]
    srl a
    ld e, a
    ld d, 0
    ld hl, Ways
    add hl, de
    ld a, [wYCoord]
    add [hl]
    ld b, a
    inc hl
    ld a, [wXCoord]
    add [hl]
    ld c, a
    ld a, b
    ld [wTargetY], a
    ld a, c
    ld [wTargetX], a
    ld a, b
    cp ROOM_HEIGHT
    ccf
    ret c
    ld a, c
    cp ROOM_WIDTH
    ccf
    ret c
    call BlockAt
    ld a, e
    ld [wTileInFront], a
    and a
    ret

Ways:                       ; rows and columns, by direction
    db 1, 0, -1, 0, 0, -1, 0, 1

; z if the cell b, c can be walked on and is empty.
IsFree:
    call BlockAt
    cp KIND_SOLID
    jr nc, .no
    call ThingAt
    jr nc, .no
    xor a
    ret
.no:
    or 1
    ret

; hl = the script of the thing at row b, column c; carry if there is none.
ThingAt:
    ld hl, wThings
.next:
    ld a, [hl+]
    cp $FF
    scf
    ret z
    cp b
    jr nz, .skip
    ld a, [hl]
    cp c
    jr nz, .skip
    inc hl
    inc hl
    ld a, [hl+]
    ld h, [hl]
    ld l, a
    and a
    ret
.skip:
    ld de, 4
    add hl, de
    jr .next

; 16 frames, a pixel each.
Walk:
    ld hl, wSteps
    inc [hl]
    ld a, 16
.frame:
    ld [wWalkCounter], a
    call .move
    call .draw
    call WaitFrame
    ld a, [wWalkCounter]
    dec a
    jr nz, .frame
    ld [wWalkCounter], a
    ld a, [wTargetY]
    ld [wYCoord], a
    ld a, [wTargetX]
    ld [wXCoord], a
    call PlacePlayer
    jp DrawSprites
.move:
    ld a, [wFacing]
    srl a
    ld e, a
    ld d, 0
    ld hl, Ways
    add hl, de
    ld a, [wPlayerPixelY]
    add [hl]
    ld [wPlayerPixelY], a
    inc hl
    ld a, [wPlayerPixelX]
    add [hl]
    ld [wPlayerPixelX], a
    ret
.draw:
    ld a, [wWalkCounter]
    sub 4
    cp 8
    ld a, [wSteps]
    ld c, 0
    jr nc, .drawn           ; both feet on the ground at the beginning and at the end
    and 1
    add a
    or 1
    ld c, a
.drawn:
    jp DrawSpritesWalking

; Whatever happens on the cell that was just reached.
Arrive:
    ld a, [wYCoord]
    ld b, a
    ld a, [wXCoord]
    ld c, a
    ld hl, wRoomWarps
    ld a, [hl+]
    ld h, [hl]
    ld l, a
.warp:
    ld a, [hl+]
    cp $FF
    jr z, .noWarp
    ld d, a
    ld a, [hl+]
    cp c
    jr nz, .nextWarp
    ld a, d
    cp b
    jr nz, .nextWarp
    ld a, [hl+]
    ld d, a
    ld a, [hl+]
    ld b, a
    ld c, [hl]
    ld a, d
    jp EnterMap
.nextWarp:
    inc hl
    inc hl
    inc hl
    jr .warp
.noWarp:
    ld hl, wRoomTriggers
    ld a, [hl+]
    ld h, [hl]
    ld l, a
.trigger:
    ld a, [hl+]
    cp $FF
    jr z, .noTrigger
    ld d, a
    ld a, [hl+]
    cp c
    jr nz, .nextTrigger
    ld a, d
    cp b
    jr nz, .nextTrigger
    ld a, [hl+]
    ld h, [hl]
    ld l, a
    jp hl
.nextTrigger:
    inc hl
    inc hl
    jr .trigger
.noTrigger:
    call BlockAt
    cp KIND_TALL
    ret nz
    call Random
    ld b, a
    ld a, [wGrassRate]
    cp b
    ret c
    ret z
    jp WildBattle

; Talks to, reads or takes the thing ahead, also across a counter.
LookAhead:
    call FindTarget
    ret c
    call ThingAt
    jr nc, .run
    ld a, [wTargetY]
    ld b, a
    ld a, [wTargetX]
    ld c, a
    call BlockAt
    cp KIND_COUNTER
    ret nz
    ld a, [wFacing]
    srl a
    ld e, a
    ld d, 0
    ld hl, Ways
    add hl, de
    ld a, b
    add [hl]
    ld b, a
    inc hl
    ld a, c
    add [hl]
    ld c, a
    call ThingAt
    ret c
.run:
    jp hl
