; Sprites: the player and the things of the room, four small ones each.

FACE_LEFT EQU 8
FACE_RIGHT EQU 12
MIRRORED EQU $20

; Puts the player's picture where wYCoord and wXCoord are.
PlacePlayer:
    ld a, [wYCoord]
    swap a
    sub 4                   ; feet stand inside of the cell
    ld [wPlayerPixelY], a
    ld a, [wXCoord]
    swap a
    ld [wPlayerPixelX], a
    ret

; Draws everybody, standing.
DrawSprites:
    ld c, 0
; Draws everybody; the player's foot is in front if bit 0 of c is set, the other one if bit 1 is too.
DrawSpritesWalking:
    ld hl, wShadowOAM
    push bc
    call DrawPlayer
    ld de, wThings
.thing:
    ld a, [de]
    cp $FF
    jr z, .clear
    call DrawThing
    jr .thing
.clear:
    ld a, l
    cp LOW(wShadowOAM + 160)
    jr z, .end
    ld [hl], 0
    inc hl
    jr .clear
.end:
    pop bc
    ret

DrawPlayer:
    ld a, [wFacing]
    srl a                   ; two pictures for each direction
    ld d, 0
    cp FACE_RIGHT / 2
    jr nz, .picture
    ld d, MIRRORED
    ld a, FACE_LEFT / 2
.picture:
    bit 0, c
    jr z, .stands
    or 1
    cp 5
    jr z, .stands
    bit 1, c
    jr z, .stands
    ld d, MIRRORED
.stands:
    add a
    add a
    ld e, a                 ; the first of four tiles
    ld a, [wYCoord]
    ld b, a
    ld a, [wXCoord]
    ld c, a
    call IsCovered
    ret nz
    ld a, [wPlayerPixelY]
    ld b, a
    ld a, [wPlayerPixelX]
    ld c, a
    jr DrawPicture

; Draws the thing at de and moves on to the next.
DrawThing:
    ld a, [de]
    inc de
    ld b, a
    ld a, [de]
    inc de
    ld c, a
    ld a, [de]
    inc de
    inc de
    inc de
    cp NO_PICTURE
    ret z
    push de
    add a
    add a
    ld e, a
    ld d, 0
    call IsCovered
    jr nz, .end
    ld a, b
    swap a
    sub 4
    ld b, a
    ld a, c
    swap a
    ld c, a
    call DrawPicture
.end:
    pop de
    ret

; nz if text covers the cell at row b, column c. Keeps all but a.
IsCovered:
    push hl
    push de
    push bc
    sla c
    sla b
    inc b
    ld a, b
    ld b, c
    ld c, a
    call TileAt
    pop bc
    pop de
    ld a, [hl]
    pop hl
    cp FIRST_TEXT_TILE
    jr c, .free
    or 1
    ret
.free:
    xor a
    ret

; Four small sprites at hl: the picture's tiles from e on, at pixel row b, column c, mirrored by d.
DrawPicture:
    ld a, b
    add 16
    ld b, a
    ld a, c
    add 8
    ld c, a
    call .pair
    ld a, b
    add 8
    ld b, a
    inc e
    inc e
.pair:
    bit 5, d
    jr nz, .mirrored
    call .one
    inc e
    ld a, 8
    call .right
    dec e
    ret
.mirrored:
    inc e
    call .one
    dec e
    ld a, 8
.right:                     ; one more, a pixels to the right
    add c
    ld c, a
    call .one
    ld a, c
    sub 8
    ld c, a
    ret
.one:
    ld a, b
    ld [hl+], a
    ld a, c
    ld [hl+], a
    ld a, e
    ld [hl+], a
    ld a, d
    ld [hl+], a
    ret
