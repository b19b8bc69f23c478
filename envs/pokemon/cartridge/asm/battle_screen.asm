; What a battle looks like.

FRONT_TILES EQU 0
BACK_TILES  EQU 32
PICTURE_SIZE EQU 5        ; tiles, both ways
FRONT_PLACE EQU wTileMap + 1 * SCREEN_WIDTH + 13
BACK_PLACE  EQU wTileMap + 7 * SCREEN_WIDTH + 2
FLASHES     EQU 3

; The screen flashes.
EnterTransition:
    ld b, FLASHES
.next:
    ld a, $FF
    ldh [rBGP], a
    ld c, 4
    call WaitFrames
    ld a, COLOURS
    ldh [rBGP], a
    ld c, 4
    call WaitFrames
    dec b
    jr nz, .next
    jp Whiten

; Everything but the player's critter.
DrawBattle:
    call HideSprites
    call ClearScreen
    call ScreenOff
    ld hl, BattleTiles
    call LoadExtra
    call ScreenOn
    call LoadEnemyPicture
    call DrawEnemyState
    call DrawMessageBox
    jp ShowScreen

; A new critter of the opponent.
DrawEnemySide:
    call Whiten
    call LoadEnemyPicture
    call DrawEnemyState
    jp ShowScreen

; A new critter of the player.
DrawPlayerSide:
    call Whiten
    call ScreenOff
    ld a, [wBattleMon]
    call FindCritter
    ld b, CRITTER_BACK
    ld de, VRAM_BLOCKS + 16 * BACK_TILES
    call CopyPicture
    call ScreenOn
    ld hl, BACK_PLACE
    ld a, BACK_TILES
    call PlacePicture
    call DrawPlayerState
    jp ShowScreen

LoadEnemyPicture:
    call ScreenOff
    ld a, [wEnemyMon]
    call FindCritter
    ld b, CRITTER_FRONT
    ld de, VRAM_BLOCKS + 16 * FRONT_TILES
    call CopyPicture
    call ScreenOn
    ld hl, FRONT_PLACE
    ld a, FRONT_TILES
    ; falls through

; A picture of five by five tiles at hl, from tile a on.
PlacePicture:
    ld b, PICTURE_SIZE
.row:
    ld c, PICTURE_SIZE
.tile:
    ld [hl+], a
    inc a
    dec c
    jr nz, .tile
    ld de, SCREEN_WIDTH - PICTURE_SIZE
    add hl, de
    dec b
    jr nz, .row
    ret

; Copies the picture b (front or back) of the critter looked up last to de.
CopyPicture:
    ld a, [wCritter]
    add b
    ld l, a
    ld a, [wCritter + 1]
    adc 0
    ld h, a
    ld a, [hl+]
    ld h, [hl]
    ld l, a
    ld bc, 16 * PICTURE_SIZE * PICTURE_SIZE
    jp CopyMemory

; Clears c columns of b rows at hl.
ClearArea:
    push bc
    ld a, CHAR_SPACE
.tile:
    ld [hl+], a
    dec c
    jr nz, .tile
    pop bc
    ld a, SCREEN_WIDTH
    sub c
    ld e, a
    ld d, 0
    add hl, de
    dec b
    jr nz, ClearArea
    ret

ClearPlayerSide:
    ld hl, BACK_PLACE
    ld b, 5
    ld c, 17
    jr ClearArea

ClearEnemySide:
    ld hl, wTileMap
    ld b, 6
    ld c, SCREEN_WIDTH
    jr ClearArea

; The critter that was hit blinks twice.
BlinkEnemy:
    ld hl, FRONT_PLACE
    ld a, FRONT_TILES
    jr Blink
BlinkPlayer:
    ld hl, BACK_PLACE
    ld a, BACK_TILES
Blink:
    push af
    push hl
    ld b, PICTURE_SIZE
    ld c, PICTURE_SIZE
    call ClearArea
    ld c, 4
    call WaitFrames
    pop hl
    pop af
    call PlacePicture
    ld c, 4
    jp WaitFrames

; Name, level and health of the opponent's.
DrawEnemyState:
    ld hl, wTileMap + 1
    ld de, wEnemyNick
    call PlaceString
    ld hl, wTileMap + SCREEN_WIDTH + 4
    ld a, [wEnemyLevel]
    call PlaceLevel
    ld de, wEnemyHP
    ld bc, wEnemyMaxHP
    ld hl, wTileMap + 2 * SCREEN_WIDTH + 2
    jr PlaceBar

; And of the player's.
DrawPlayerState:
    ld hl, wTileMap + 7 * SCREEN_WIDTH + 10
    ld de, wBattleNick
    call PlaceString
    ld hl, wTileMap + 8 * SCREEN_WIDTH + 14
    ld a, [wBattleLevel]
    call PlaceLevel
    ld hl, wTileMap + 10 * SCREEN_WIDTH + 11
    ld de, wBattleHP
    call ShowMember.health
    ld [hl], CHAR_SLASH
    inc hl
    ld de, wBattleMaxHP
    call ShowMember.health
    ld de, wBattleHP
    ld bc, wBattleMaxHP
    ld hl, wTileMap + 9 * SCREEN_WIDTH + 10
    ; falls through

; A bar of 48 pixels at hl for the health at de of at most that at bc.
PlaceBar:
    ld [hl], CHAR_HP
    inc hl
    ld [hl], CHAR_BAR
    inc hl
    push hl
    push bc
    ld a, [de]
    ld h, a
    inc de
    ld a, [de]
    ld l, a
    or h
    ld d, h
    ld e, l
    push af                 ; z if nothing is left
    ld a, 48
    call Multiply
    pop af
    pop bc
    push af
    ld a, [bc]
    ld d, a
    inc bc
    ld a, [bc]
    ld e, a
    call Divide
    pop af
    ld a, l
    jr z, .pixels
    and a
    jr nz, .pixels
    inc a                   ; one pixel while there is any
.pixels:
    pop hl
    ld c, 6
.tile:
    cp 8
    jr c, .part
    ld [hl], CHAR_FILLED + 8
    sub 8
    jr .next
.part:
    add CHAR_FILLED
    ld [hl], a
    xor a
.next:
    inc hl
    dec c
    jr nz, .tile
    ld [hl], CHAR_BAREND
    ret

; The level a at hl.
PlaceLevel:
    ld [hl], CHAR_LEVEL
    inc hl
    ld d, h
    ld e, l
    ld l, a
    ld h, 0
    ld b, 1
    jp PlaceNumber
