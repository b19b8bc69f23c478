; What the player does in a round.

LEFT_COLUMN  EQU 7  ; of the cursor
RIGHT_COLUMN EQU 14

; The menu of a battle. Ends with wChosenMove set (NO_MOVE if the round is used up) or wResult.
ChooseAction:
    call DrawMessageBox
    ld a, BOX_BATTLE
    ld [wTextBoxID], a
    ld hl, wTileMap + 12 * SCREEN_WIDTH + 6
    ld b, 4
    ld c, 12
    call DrawBox
    ld hl, wTileMap + 14 * SCREEN_WIDTH + 8
    ld de, ActionTexts
    ld c, 2
    call PlaceLines
    ld hl, wTileMap + 14 * SCREEN_WIDTH + 15
    ld c, 2
    call PlaceLines
    ld a, 2
    ld b, LEFT_COLUMN
    ld c, 14
    ld e, 2
    call SetMenu
.cursor:
    ld a, CHAR_RIGHT
    call PlaceCursor
.wait:
    call WaitFrame
    ldh a, [hJoyPressed]
    ld b, a
    bit BUTTON_A, b
    jr nz, .chosen
    and $F0
    jr z, .wait
    push bc
    ld a, CHAR_SPACE
    call PlaceCursor
    pop bc
    ld hl, wTopMenuItemX
    bit BUTTON_LEFT, b
    jr nz, .left
    bit BUTTON_RIGHT, b
    jr nz, .right
    ld hl, wCurrentMenuItem
    bit BUTTON_UP, b
    jr nz, .up
    ld [hl], 1
    jr .cursor
.up:
    ld [hl], 0
    jr .cursor
.left:
    ld [hl], LEFT_COLUMN
    jr .cursor
.right:
    ld [hl], RIGHT_COLUMN
    jr .cursor
.chosen:
    ld a, NO_MOVE
    ld [wChosenMove], a
    ld a, [wTopMenuItemX]
    cp LEFT_COLUMN
    ld a, [wCurrentMenuItem]
    jr nz, .rightColumn
    and a
    jp z, ChooseMove
    jp ChooseBattleItem
.rightColumn:
    and a
    jp z, Swap
    jp Run

ActionTexts:
    db "FIGHT@ITEM@SWAP@RUN@"

; The list of moves and how often each can still be used.
ChooseMove:
    ld a, BOX_LIST
    ld [wTextBoxID], a
    ld hl, wTileMap + 12 * SCREEN_WIDTH + 4
    ld b, 4
    ld c, 14
    call DrawBox
    ld c, 0
.move:
    ld hl, wBattleMoves
    ld b, 0
    add hl, bc
    ld a, [hl]
    and a
    jr z, .listed
    push bc
    call ShowMove
    pop bc
    inc c
    ld a, c
    cp 4
    jr nz, .move
.listed:
    ld a, c
    ld b, 5
    ld c, 13
    ld e, 1
    call SetMenu
    call ChooseLine
    jp c, ChooseAction
    ld [wChosenMove], a
    ld e, a
    ld d, 0
    ld hl, wBattlePP
    add hl, de
    ld a, [hl]
    and a
    ret nz
    ld a, NO_MOVE
    ld [wChosenMove], a
    ld hl, NoPowerText
    jp PrintText

; Move c with id a, in its row.
ShowMove:
    push bc
    call FindMove
    pop bc
    push bc
    ld a, 13
    add c
    ld c, a
    ld b, 6
    call TileAt
    push hl
    ld de, wMove + MOVE_NAME
    call PlaceString
    pop hl
    ld de, 10
    add hl, de
    pop bc
    push hl
    ld hl, wBattlePP
    ld b, 0
    add hl, bc
    ld l, [hl]
    ld h, 0
    pop de
    ld b, 2
    jp PlaceNumber

; Something from the bag.
ChooseBattleItem:
    call SaveScreen2
    call ChooseItem
    push af
    call RestoreScreen2
    pop af
    jp c, ChooseAction
    ld c, a
    ld e, a
    ld d, 0
    ld hl, wBagItems
    add hl, de
    add hl, de
    ld a, [hl]
    cp ITEM_NET
    jr z, ThrowNet
    push bc
    ld a, [wPlayerMonNumber]
    call PartyMember
    call DrinkPotion
    pop bc
    jr c, .useless
    ld a, c
    call TakeItem
    call ToBattle
    call DrawPlayerState
    ld hl, DrinksText
    jp PrintText
.useless:
    ld hl, NoUseText
    call PrintText
    call WaitArrow
    jp ChooseAction

; Throws the net in place c of the bag at a wild critter.
ThrowNet:
    ld a, [wIsInBattle]
    cp BATTLE_WILD
    ld hl, NotYoursText
    jr nz, .no
    ld a, [wPartyCount]
    cp PARTY_SIZE
    ld hl, ElderFullText
    jr z, .no
    ld a, c
    call TakeItem
    ld hl, NetText
    call PrintText
    ld a, [wEnemyMon]
    call FindCritter
    ld c, CRITTER_CATCH
    call CritterByte
    ld b, a
    ld a, [wEnemyHP + 1]
    add a
    ld c, a
    ld a, [wEnemyMaxHP + 1]
    cp c
    jr c, .strong
    ld a, b                 ; at half of its health or less: easier
    add 100
    ld b, a
    jr nc, .strong
    ld b, 255
.strong:
    call Random
    cp b
    ld hl, EscapedText
    jp nc, PrintText
    ld a, [wEnemyMon]
    ld b, a
    ld a, [wEnemyLevel]
    ld c, a
    call GiveCritter
    call ClearEnemySide
    ld hl, CaughtText
    call PrintText
    ld a, RESULT_CAUGHT
    ld [wResult], a
    ret
.no:
    call PrintText
    call WaitArrow
    jp ChooseAction

; Another one of the party that can fight takes over.
Swap:
    ld a, [wPlayerMonNumber]
    ld c, a
.next:
    inc c
    ld a, [wPartyCount]
    cp c
    jr nz, .member
    ld c, 0
.member:
    ld a, [wPlayerMonNumber]
    cp c
    jr z, .nobody
    ld a, c
    push bc
    call PartyMember
    pop bc
    inc hl
    ld a, [hl+]
    or [hl]
    jr z, .next
    ld a, c
    ld [wPlayerMonNumber], a
    jp SendOut
.nobody:
    ld hl, NobodyText
    call PrintText
    call WaitArrow
    jp ChooseAction

; Away from a wild critter: three times of four.
Run:
    ld a, [wIsInBattle]
    cp BATTLE_WILD
    jr nz, .trainer
    call Random
    cp 64
    ld hl, CannotRunText
    jp c, PrintText
    ld hl, RanText
    call PrintText
    ld a, RESULT_AWAY
    ld [wResult], a
    ret
.trainer:
    ld hl, NoRunningText
    call PrintText
    call WaitArrow
    jp ChooseAction
