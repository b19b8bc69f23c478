; The menu behind START.

StartMenu:
    ld hl, wFontLoaded
    set 0, [hl]
    call SaveScreen
    call DrawStartMenu
    call DrawSprites
    call ShowWindow
    xor a
    ld [wCurrentMenuItem], a
.choose:
    ld a, [wCurrentMenuItem]
    push af
    ld a, 5
    ld b, 11
    ld c, 2
    ld e, 2
    call SetMenu
    ld a, PRESS_B | PRESS_START
    ld [wMenuKeys], a
    pop af
    ld [wCurrentMenuItem], a
    call ChooseLine
    jp c, CloseDialogue
    ld hl, .again
    push hl
    and a
    jp z, ShowTeam
    dec a
    jp z, OpenBag
    dec a
    jp z, ShowCard
    dec a
    jp z, ChangeSpeed
    pop hl
    jp CloseDialogue
.again:
    call RestoreScreen
    ld a, [wLastMenuItem]
    push af
    call DrawStartMenu
    call DrawSprites
    pop af
    ld [wCurrentMenuItem], a
    jr .choose

DrawStartMenu:
    ld a, BOX_LIST
    ld [wTextBoxID], a
    ld hl, wTileMap + 10
    ld b, 11
    ld c, 8
    call DrawBox
    ld hl, wTileMap + 2 * SCREEN_WIDTH + 12
    ld de, StartTexts
    ld c, 5
; c strings at de, two rows apart from hl on.
PlaceLines:
    push hl
    call PlaceString
    inc de
    pop hl
    push de
    ld de, 2 * SCREEN_WIDTH
    add hl, de
    pop de
    dec c
    jr nz, PlaceLines
    ret

StartTexts:
    db "TEAM@BAG@CARD@SPEED@EXIT@"

; An empty screen with a frame around it.
ClearPage:
    ld hl, wTileMap
    ld b, SCREEN_HEIGHT - 2
    ld c, SCREEN_WIDTH - 2
    call DrawBox
    jp HideSprites

; Names, levels and health of the party.
ShowTeam:
    ld a, [wLastMenuItem]
    push af
    call ClearPage
    ld c, 0
.member:
    ld a, [wPartyCount]
    cp c
    jr z, .wait
    push bc
    call ShowMember
    pop bc
    inc c
    jr .member
.wait:
    call WaitPress
    pop af
    ld [wLastMenuItem], a
    ret

; Party member c: its name, and below it level and health.
ShowMember:
    ld a, c
    push bc
    call PartyMember
    pop bc
    push hl
    ld a, c
    add a
    add c                   ; three rows each, from the second on
    inc a
    ld c, a
    ld b, 2
    call TileAt             ; where
    pop de
    push de                 ; who
    push hl
    ld a, [de]
    call FindCritter
    call CritterName
    pop hl
    push hl
    call PlaceString
    pop hl
    ld bc, SCREEN_WIDTH
    add hl, bc
    ld a, CHAR_LEVEL_LETTER
    ld [hl+], a
    ld d, h
    ld e, l
    pop hl                  ; who
    push hl
    ld bc, MON_LEVEL
    add hl, bc
    ld l, [hl]
    ld h, 0
    ld b, 2
    call PlaceNumber
    inc hl
    inc hl
    pop de
    push de
    inc de
    call .health
    ld [hl], CHAR_SLASH
    inc hl
    pop de
    push hl
    ld hl, MON_MAX_HP
    add hl, de
    ld d, h
    ld e, l
    pop hl
.health:                    ; the word at de, in three tiles at hl
    push hl
    ld a, [de]
    inc de
    ld h, a
    ld a, [de]
    ld l, a
    pop de
    ld b, 3
    jp PlaceNumber

CHAR_LEVEL_LETTER EQU $8B  ; L
CHAR_SLASH        EQU $F3

; Name, money and badges.
ShowCard:
    ld a, [wLastMenuItem]
    push af
    call ClearPage
    ld hl, wTileMap + 2 * SCREEN_WIDTH + 2
    ld de, CardTexts
    ld c, 4
    call PlaceLines
    ld hl, wTileMap + 2 * SCREEN_WIDTH + 9
    ld de, wPlayerName
    call PlaceString
    ld hl, wTileMap + 4 * SCREEN_WIDTH + 9
    ld de, wPlayerMoney
    call PlaceMoney
    ld a, [wBadges]
    ld b, 0
.count:
    srl a
    jr nc, .none
    inc b
.none:
    and a
    jr nz, .count
    ld a, b
    add CHAR_ZERO
    ld [wTileMap + 6 * SCREEN_WIDTH + 9], a
    ld a, [wPlayTimeHours]
    ld l, a
    ld h, 0
    ld de, wTileMap + 8 * SCREEN_WIDTH + 9
    ld b, 1
    call PlaceNumber
    ld [hl], CHAR_COLON
    inc hl
    ld d, h
    ld e, l
    ld a, [wPlayTimeMinutes]
    ld l, a
    ld h, 0
    ld b, 2
    call PlaceNumber
    call WaitPress
    pop af
    ld [wLastMenuItem], a
    ret

CHAR_COLON EQU $9C

CardTexts:
    db "NAME@MONEY@BADGES@TIME@"

; Text fast, medium or slow.
ChangeSpeed:
    ld a, [wLastMenuItem]
    push af
    ld a, [wOptions]
    and 7
    ld b, 3
    ld hl, SpeedMediumText
    cp 1
    jr z, .set
    ld b, 5
    ld hl, SpeedSlowText
    cp 3
    jr z, .set
    ld b, 1
    ld hl, SpeedFastText
.set:
    ld a, [wOptions]
    and $F8
    or b
    ld [wOptions], a
    call PrintText
    call WaitPress
    pop af
    ld [wLastMenuItem], a
    ret

SpeedFastText:
    db "Text is now fast.<DONE>"
SpeedMediumText:
    db "Text is now<LINE>medium.<DONE>"
SpeedSlowText:
    db "Text is now slow.<DONE>"
