; Texts: letter by letter into a box, by way of wTileMap.

LINE_1 EQU wTileMap + 14 * SCREEN_WIDTH + 1
LINE_2 EQU wTileMap + 16 * SCREEN_WIDTH + 1
ARROW  EQU wTileMap + 16 * SCREEN_WIDTH + 18

; Copies the string at de to hl, up to its end.
PlaceString:
    ld a, [de]
    cp CHAR_END
    ret z
    ld [hl+], a
    inc de
    jr PlaceString

; Draws a frame at hl around b rows of c tiles, and empties it.
DrawBox:
    push hl
    ld a, CHAR_NW
    ld [hl+], a
    ld a, CHAR_HLINE
    call .fill
    ld [hl], CHAR_NE
    pop hl
.row:
    ld de, SCREEN_WIDTH
    add hl, de
    push hl
    ld a, CHAR_VLINE
    ld [hl+], a
    ld a, CHAR_SPACE
    call .fill
    ld [hl], CHAR_VLINE
    pop hl
    dec b
    jr nz, .row
    ld de, SCREEN_WIDTH
    add hl, de
    ld a, CHAR_SW
    ld [hl+], a
    ld a, CHAR_HLINE
    call .fill
    ld [hl], CHAR_SE
    ret
.fill:                      ; c tiles of a; keeps c
    ld d, c
.next:
    ld [hl+], a
    dec d
    jr nz, .next
    ret

; The box at the bottom, empty.
DrawMessageBox:
    ld a, BOX_MESSAGE
    ld [wTextBoxID], a
    ld hl, wTileMap + 12 * SCREEN_WIDTH
    ld b, 4
    ld c, 18
    jr DrawBox

; Prints the text at hl in a new message box. Returns at its end, <DONE> or <PROMPT>.
PrintText:
    push hl
    call DrawMessageBox
    pop de
    ld hl, LINE_1
PrintOn:
    ld a, [de]
    inc de
    cp CHAR_DONE
    ret z
    cp CHAR_PROMPT
    jp z, WaitArrow
    cp CHAR_LINE
    jr z, .line
    cp CHAR_PARA
    jr z, .paragraph
    cp CHAR_CONT
    jr z, .continue
    cp CHAR_RAM
    jr z, .memory
    call PrintLetter
    jr PrintOn
.line:
    ld hl, LINE_2
    jr PrintOn
.paragraph:
    push de
    call WaitArrow
    call DrawMessageBox
    pop de
    ld hl, LINE_1
    jr PrintOn
.continue:
    push de
    call WaitArrow
    call ScrollText
    call ScrollText
    pop de
    ld hl, LINE_2
    jr PrintOn
.memory:
    ld a, [de]
    inc de
    ld c, a
    ld a, [de]
    inc de
    ld b, a
.string:
    ld a, [bc]
    inc bc
    cp CHAR_END
    jr z, PrintOn
    call PrintLetter
    jr .string

; Puts the letter a at hl and waits as long as a letter takes. Keeps bc and de.
PrintLetter:
    ld [hl+], a
    push bc
    ld a, [wOptions]
    and 7
    jr z, .end
    ld c, a
.wait:
    call WaitFrame
    ldh a, [hJoyHeld]
    and PRESS_A | PRESS_B
    jr nz, .end
    dec c
    jr nz, .wait
.end:
    pop bc
    ret

; Moves the lines of the message box up by one row.
ScrollText:
    ld hl, wTileMap + 14 * SCREEN_WIDTH
    ld de, wTileMap + 13 * SCREEN_WIDTH
    ld bc, 3 * SCREEN_WIDTH
    call CopyMemory
    ld hl, LINE_2
    ld c, 18
    ld a, CHAR_SPACE
.clear:
    ld [hl+], a
    dec c
    jr nz, .clear
    ld c, 4
    jp WaitFrames

; Shows that the text waits, until A or B is pressed.
WaitArrow:
    ld a, CHAR_DOWN
    ld [ARROW], a
    call WaitPress
    ld a, CHAR_SPACE
    ld [ARROW], a
    ret

; Waits until A or B is pressed.
WaitPress:
    call WaitFrame
    ldh a, [hJoyPressed]
    and PRESS_A | PRESS_B
    jr z, WaitPress
    ret

; Shows the screen through the window, where people talk. What was there stays in the background.
OpenDialogue:
    ld hl, wFontLoaded
    set 0, [hl]
    call SaveScreen
    call DrawMessageBox
    call DrawSprites        ; without those under the box
    ; falls through
ShowWindow:
    ld a, HIGH(VRAM_WINDOW)
    ldh [hTransferTo], a
    xor a
    ldh [hTransferPart], a
    ld c, 4
    call WaitFrames
    xor a
    ldh [hWY], a
    ret

; Back to the room.
CloseDialogue:
    call RestoreScreen
    ld a, HIGH(VRAM_BACKGROUND)
    ldh [hTransferTo], a
    ld a, $90
    ldh [hWY], a
    ld hl, wFontLoaded
    res 0, [hl]
    jp DrawSprites

; A whole conversation: the text at hl, then a button.
Talk:
    push hl
    call OpenDialogue
    pop hl
    call PrintText
    call WaitPress
    jr CloseDialogue

; The same without the window and without wFontLoaded: the box is part of the background.
Read:
    push hl
    call SaveScreen
    call DrawMessageBox
    call DrawSprites
    pop hl
    call PrintText
    call WaitPress
    call RestoreScreen
    jp DrawSprites
