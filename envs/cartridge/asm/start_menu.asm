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

; The bag, outside of battles.
OpenBag:
    ld a, [wLastMenuItem]
    push af
    call ChooseItem
    jr c, .end
    call UseItem
    call WaitPress
.end:
    pop af
    ld [wLastMenuItem], a
    ret

; A list of all items. Returns a = the place of the chosen one in the bag; carry for none.
ChooseItem:
    ld a, [wNumBagItems]
    and a
    jr nz, .some
    ld hl, BagEmptyText
    call PrintText
    call WaitPress
    scf
    ret
.some:
    ld a, BOX_LIST
    ld [wTextBoxID], a
    ld hl, wTileMap + 2 * SCREEN_WIDTH + 4
    ld b, 7
    ld c, 14
    call DrawBox
    ld c, 0
.item:
    ld a, [wNumBagItems]
    cp c
    jr z, .listed
    push bc
    call ShowItem
    pop bc
    inc c
    ld a, c
    cp 4
    jr nz, .item
.listed:
    ld a, c
    ld b, 5
    ld c, 4
    ld e, 2
    call SetMenu
    ld a, [wIsInBattle]
    and a
    call z, DrawSprites     ; without those under the list
    jp ChooseLine

; Item c of the bag: its name and how many.
ShowItem:
    ld a, c
    add a
    push af
    add 4
    ld c, a
    ld b, 6
    call TileAt
    pop af
    push hl
    ld e, a
    ld d, 0
    ld hl, wBagItems
    add hl, de
    ld a, [hl+]
    ld c, [hl]
    ld de, PotionName
    cp ITEM_POTION
    jr z, .name
    ld de, NetName
.name:
    pop hl
    push hl
    call PlaceString
    pop hl
    ld de, 8
    add hl, de
    ld [hl], CHAR_TIMES
    inc hl
    ld d, h
    ld e, l
    ld l, c
    ld h, 0
    ld b, 2
    jp PlaceNumber

PotionName:
    db "POTION@"
NetName:
    db "NET@"

; Uses item a of the bag outside of battles.
UseItem:
    push af
    ld e, a
    ld d, 0
    ld hl, wBagItems
    add hl, de
    add hl, de
    ld a, [hl]
    cp ITEM_POTION
    ld hl, NotHereText
    jr nz, .useless
    ld c, 0
.member:                    ; the first one who can use it
    ld a, [wPartyCount]
    cp c
    ld hl, NoUseText
    jr z, .useless
    ld a, c
    push bc
    call PartyMember
    push hl
    call DrinkPotion
    pop hl
    pop bc
    jr nc, .healed
    inc c
    jr .member
.healed:
    ld a, [hl]
    call FindCritter
    pop af
    call TakeItem
    call CopyName
    ld hl, HealedText
    jp PrintText
.useless:
    pop af
    jp PrintText

; wStringBuffer = the name of the critter looked up last.
CopyName:
    call CritterName
    ld h, d
    ld l, e
    ld de, wStringBuffer
    ld bc, NAME_SIZE
    jp CopyMemory

; de = the name of the critter looked up last.
CritterName:
    ld a, [wCritter]
    add CRITTER_NAME
    ld e, a
    ld a, [wCritter + 1]
    adc 0
    ld d, a
    ret

BagEmptyText:
    db "The bag is empty.<DONE>"
NoUseText:
    db "It has no effect.<DONE>"
NotHereText:
    db "Not here.<DONE>"
HealedText:
    db "<RAM>"
    dw wStringBuffer
    db "<LINE>feels better!<DONE>"
