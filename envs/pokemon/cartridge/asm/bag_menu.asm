; The bag as a list, and the use of its items outside of battles.

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
