; The screen, its colours and copies.

; Turns the screen off, between two pictures.
ScreenOff:
    ldh a, [rLCDC]
    bit 7, a
    ret z
    di                      ; the interrupt would take longer than the line waited for
.wait:
    ldh a, [rLY]
    cp 145
    jr nz, .wait
    xor a
    ldh [rLCDC], a
    ret

ScreenOn:
    ld a, LCD_ON
    ldh [rLCDC], a
    xor a
    ldh [rIF], a
    ei
    ret

; bc bytes from hl to de.
CopyMemory:
    ld a, [hl+]
    ld [de], a
    inc de
    dec bc
    ld a, b
    or c
    jr nz, CopyMemory
    ret

; bc zeros at hl.
ClearMemory:
    xor a
    ld [hl+], a
    dec bc
    ld a, b
    or c
    jr nz, ClearMemory
    ret

; bc bytes of drawings in black and white from hl to de, where each becomes two.
CopyLetters:
    ld a, [hl+]
    ld [de], a
    inc de
    ld [de], a
    inc de
    dec bc
    ld a, b
    or c
    jr nz, CopyLetters
    ret

LoadFont:
    ld hl, FontTiles
    ld de, VRAM_FONT
    ld bc, 1024
    call CopyLetters
    ld hl, ExtraTiles
    ; falls through
LoadExtra:
    ld de, VRAM_EXTRA
    ld bc, 256
    jp CopyLetters

; Fills the screen with spaces.
ClearScreen:
    ld hl, wTileMap
    ld bc, SCREEN_SIZE
.next:
    ld a, CHAR_SPACE
    ld [hl+], a
    dec bc
    ld a, b
    or c
    jr nz, .next
    ret

SaveScreen:
    ld hl, wTileMap
    ld de, wTileMapBackup
    ld bc, SCREEN_SIZE
    jr CopyMemory

RestoreScreen:
    ld hl, wTileMapBackup
    ld de, wTileMap
    ld bc, SCREEN_SIZE
    jr CopyMemory

SaveScreen2:
    ld hl, wTileMap
    ld de, wTileMapBackup2
    ld bc, SCREEN_SIZE
    jr CopyMemory

RestoreScreen2:
    ld hl, wTileMapBackup2
    ld de, wTileMap
    ld bc, SCREEN_SIZE
    jr CopyMemory

; Everything white.
Whiten:
    xor a
    ldh [rBGP], a
    ldh [rOBP0], a
    ret

; Waits until the whole of wTileMap is on the screen, then shows it.
ShowScreen:
    ld c, 3
    call WaitFrames
    ld a, COLOURS
    ldh [rBGP], a
    ld a, SPRITE_SHADE
    ldh [rOBP0], a
    ret

HideSprites:
    ld hl, wShadowOAM
    ld bc, 160
    jp ClearMemory
