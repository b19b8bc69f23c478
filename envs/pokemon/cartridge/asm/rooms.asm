; Rooms: one screen of 10 by 9 cells for each map.

; The player's first place, before the note.
GoHome:
    ld a, 4 * UP
    ld [wFacing], a
    ld a, MAP_HOME
    ld b, 3
    ld c, 4
    ; falls through

; Enters the map a at row b, column c.
EnterMap:
    push af
    ld a, [wCurMap]
    ld [wLastMap], a
    pop af
    ld [wCurMap], a
    ld a, b
    ld [wYCoord], a
    ld a, c
    ld [wXCoord], a
    call Whiten
    call FindRoom
    ; falls through

; Draws the room where the player is.
ShowRoom:
    call DrawRoom
    call PlaceThings
    call PlacePlayer
    call DrawSprites
    jp ShowScreen

; Tiles of rooms, after those of battles.
LoadRoomTiles:
    call ScreenOff
    ld hl, BlockTiles
    ld de, VRAM_BLOCKS
    ld bc, BlockTiles.end - BlockTiles
    call CopyMemory
    ld hl, ExtraTiles
    call LoadExtra
    jp ScreenOn

; Copies the record of wCurMap to wRoom.
FindRoom:
    ld hl, RoomTable
    ld a, [wCurMap]
    ld b, a
.next:
    ld a, [hl+]
    cp b
    jr z, .found
    inc hl
    inc hl
    jr .next
.found:
    ld a, [hl+]
    ld h, [hl]
    ld l, a
    ld de, wRoom
    ld bc, 11
    call CopyMemory
    ld a, [wRoomRate]
    ld [wGrassRate], a
    ld a, 5
    ld [wMapHeight], a
    ld [wMapWidth], a
    ret

; The cells of the room, as tiles.
DrawRoom:
    ld hl, wRoomCells
    ld a, [hl+]
    ld d, [hl]
    ld e, a
    ld hl, wTileMap
    ld b, ROOM_HEIGHT
.row:
    ld c, ROOM_WIDTH
.cell:
    push bc
    ld a, [de]
    inc de
    push de
    push hl
    call BlockTilesOf
    pop hl
    ld a, [de]
    inc de
    ld [hl+], a
    ld a, [de]
    inc de
    ld [hl-], a
    ld bc, SCREEN_WIDTH
    push hl
    add hl, bc
    ld a, [de]
    inc de
    ld [hl+], a
    ld a, [de]
    ld [hl], a
    pop hl
    inc hl
    inc hl
    pop de
    pop bc
    dec c
    jr nz, .cell
    push bc
    ld bc, SCREEN_WIDTH
    add hl, bc
    pop bc
    dec b
    jr nz, .row
    ret

; de = the four tiles of block a.
BlockTilesOf:
    ld l, a
    ld h, 0
    add hl, hl
    add hl, hl
    ld de, BlockParts
    add hl, de
    ld d, h
    ld e, l
    ret

; a = the kind of the block at row b, column c, e = its lower left tile.
BlockAt:
    push hl
    ld a, b
    add a
    ld l, a
    add a
    add a
    add l                   ; 10 cells a row
    add c
    ld e, a
    ld d, 0
    ld hl, wRoomCells
    ld a, [hl+]
    ld h, [hl]
    ld l, a
    add hl, de
    ld a, [hl]
    push af
    call BlockTilesOf
    inc de
    inc de
    ld a, [de]
    ld e, a
    pop af
    push de
    ld e, a
    ld d, 0
    ld hl, BlockKinds
    add hl, de
    pop de
    ld a, [hl]
    pop hl
    ret

; Copies the people and things that are here by now to wThings.
PlaceThings:
    ld hl, wRoomThings
    ld a, [hl+]
    ld h, [hl]
    ld l, a
    ld de, wThings
.next:
    ld a, [hl]
    cp $FF
    jr z, .end
    push hl
    ld bc, 5
    add hl, bc
    push de
    call .isHere
    pop de
    pop hl
    ld bc, 9
    jr c, .skip
    push hl
    ld bc, 5
    call CopyMemory
    pop hl
    ld bc, 9
.skip:
    add hl, bc
    jr .next
.end:
    ld [de], a
    ret
.isHere:                    ; carry unless the first event at hl is not set and the second is
    ld a, [hl+]
    ld e, a
    ld a, [hl+]
    ld d, a
    call IsSet
    scf
    ret nz
    ld a, [hl+]
    ld e, a
    ld d, [hl]
    ld a, e
    and d
    inc a
    ret z                   ; there is no condition; carry is clear after and
    call IsSet
    scf
    ret z
    and a
    ret
