; The title and the end.

; Shows the title for a while, or until A or START is pressed.
Title:
    call ScreenOff
    ld hl, TitleTiles
    ld de, VRAM_BLOCKS
    ld bc, TitleTiles.end - TitleTiles
    call CopyMemory
    ld a, SPRIGLET
    call FindCritter
    ld b, CRITTER_FRONT
    ld de, VRAM_BLOCKS + 16 * BACK_TILES
    call CopyPicture
    call ScreenOn
    ld hl, wTileMap + 8 * SCREEN_WIDTH + 7
    ld a, BACK_TILES
    call PlacePicture
    ld hl, wTileMap + 3 * SCREEN_WIDTH + 2
    ld b, 0
    ld c, 2
.row:
    push hl
    ld d, 16
.tile:
    ld [hl], b
    inc hl
    inc b
    dec d
    jr nz, .tile
    pop hl
    ld de, SCREEN_WIDTH
    add hl, de
    dec c
    jr nz, .row
    ld hl, wTileMap + 15 * SCREEN_WIDTH + 2
    ld de, TitleText
    call PlaceString
    call ShowScreen
    ld b, 60
.wait:
    call WaitFrame
    ldh a, [hJoyPressed]
    and PRESS_A | PRESS_START
    ret nz
    dec b
    jr nz, .wait
    ret

TitleText:
    db "a small adventure@"

; The last screen. Nothing happens after it.
Ending:
    call Whiten
    call HideSprites
    call ClearScreen
    ld a, $FF
    ld [wThings], a
    ld hl, wTileMap + 4 * SCREEN_WIDTH + 3
    ld b, 7
    ld c, 12
    call DrawBox
    ld hl, wTileMap + 6 * SCREEN_WIDTH + 6
    ld de, TheEndText
    call PlaceString
    ld hl, wTileMap + 9 * SCREEN_WIDTH + 5
    ld de, ThanksText
    call PlaceString
    ld de, EVENT_THE_END
    call SetEvent
    call ShowScreen
.forever:
    call WaitFrame
    jr .forever

TheEndText:
    db "THE  END@"
ThanksText:
    db "Well done!@"
