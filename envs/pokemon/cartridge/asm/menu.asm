; Menus: a box of lines and a cursor.

; Draws the cursor and lets it be moved. Lines begin at wTopMenuItemY, wTopMenuItemX, are wMenuStep
; rows apart and end with wMaxMenuItem. Returns a = the line, carry if B ended it, or START where
; wMenuKeys has it.
ChooseLine:
    ld a, CHAR_RIGHT
    call PlaceCursor
.wait:
    call WaitFrame
    ldh a, [hJoyPressed]
    ld b, a
    bit BUTTON_A, b
    jr nz, .chosen
    ld a, [wMenuKeys]
    and b
    jr nz, .cancelled
    bit BUTTON_DOWN, b
    jr nz, .down
    bit BUTTON_UP, b
    jr z, .wait
    ld a, [wCurrentMenuItem]
    dec a
    bit 7, a
    jr z, .move
    ld a, [wMaxMenuItem]
    jr .move
.down:
    ld a, [wMaxMenuItem]
    ld c, a
    ld a, [wCurrentMenuItem]
    inc a
    cp c
    jr c, .move
    jr z, .move
    xor a
.move:
    push af
    ld a, CHAR_SPACE
    call PlaceCursor
    pop af
    ld [wCurrentMenuItem], a
    jr ChooseLine
.cancelled:
    ld a, [wCurrentMenuItem]
    ld [wLastMenuItem], a
    scf
    ret
.chosen:
    ld a, [wCurrentMenuItem]
    ld [wLastMenuItem], a
    and a
    ret

; Puts the tile a where the cursor is.
PlaceCursor:
    push af
    ld a, [wMenuStep]
    ld e, a
    ld d, 0
    ld a, [wCurrentMenuItem]
    call Multiply
    ld a, [wTopMenuItemY]
    add l
    ld c, a
    ld a, [wTopMenuItemX]
    ld b, a
    call TileAt
    pop af
    ld [hl], a
    ret

; hl = the tile in column b of row c. Keeps bc.
TileAt:
    ld a, c
    ld de, SCREEN_WIDTH
    call Multiply
    ld a, l
    add b
    ld l, a
    ld a, h
    adc 0
    ld h, a
    ld de, wTileMap
    add hl, de
    ret

; Begins a menu with its first line at row c, column b, the lines e rows apart, a of them.
SetMenu:
    dec a
    ld [wMaxMenuItem], a
    ld a, c
    ld [wTopMenuItemY], a
    ld a, b
    ld [wTopMenuItemX], a
    ld a, e
    ld [wMenuStep], a
    ld a, PRESS_B
    ld [wMenuKeys], a
    xor a
    ld [wCurrentMenuItem], a
    ret

; Asks yes or no next to the message. Returns carry for no.
YesNo:
    call SaveScreen2
    ld a, BOX_YES_NO
    ld [wTextBoxID], a
    ld hl, wTileMap + 7 * SCREEN_WIDTH + 14
    ld b, 3
    ld c, 4
    call DrawBox
    ld hl, wTileMap + 8 * SCREEN_WIDTH + 16
    ld de, YesText
    call PlaceString
    ld hl, wTileMap + 10 * SCREEN_WIDTH + 16
    ld de, NoText
    call PlaceString
    ld b, 15
    ld c, 8
    ld e, 2
    ld a, 2
    call SetMenu
    call DrawSprites        ; without those under the box
    call ChooseLine
    jr c, .no
    and a
    jr nz, .no
    call .close
    and a
    ret
.no:
    call .close
    scf
    ret
.close:
    call RestoreScreen2
    jp DrawSprites

YesText:
    db "YES@"
NoText:
    db "NO@"
