; The way out of the house, which is open to who knows the word of the day only. Which of the words
; it is was drawn from the seed; it is written on the note on the wall and nowhere else.

; The note on the wall.
ReadNote:
    ld de, EVENT_READ_NOTE
    call SetEvent
    call WordToText
    ld hl, NoteText
    jp Read

; wWordText = the right word.
WordToText:
    ld a, [wWord]
    call WordAt
    ld de, wWordText
    ld bc, WORD_SIZE
    jp CopyMemory

; hl = word a.
WordAt:
    ld de, WORD_SIZE
    call Multiply
    ld de, Words
    add hl, de
    ret

WORDS     EQU 4
WORD_SIZE EQU 6

Words:
    db "FERN@@"
    db "MOSS@@"
    db "PINE@@"
    db "ROSE@@"

; The keeper asks once. After a wrong answer he says the word, and the gate stays shut.
AskKeeper:
    ld a, [wGateShut]
    and a
    jr nz, .shut
    ld de, EVENT_MET_KEEPER
    call SetEvent
    call OpenDialogue
    ld hl, KeeperAsksText
    call PrintText
    call ChooseWord
    jr c, .nothing
    ld hl, wWord
    cp [hl]
    jr nz, .wrong
    ld de, EVENT_GATE_OPEN
    call SetEvent
    ld hl, KeeperRightText
    call PrintText
    call WaitPress
    call PlaceThings
    jp CloseDialogue
.nothing:
    ld hl, KeeperWaitsText
    jp EndTalk
.wrong:
    call WordToText
    ld hl, KeeperWrongText
    call PrintText
    ld a, 1                 ; once all is said: for an environment, this is the end
    ld [wGateShut], a
    call WaitPress
    jp CloseDialogue
.shut:
    ld hl, KeeperShutText
    jp Talk

; A menu of all words. Returns a = the one chosen; carry for none.
ChooseWord:
    call SaveScreen2
    ld a, BOX_LIST
    ld [wTextBoxID], a
    ld hl, wTileMap + 3 * SCREEN_WIDTH + 12
    ld b, 2 * WORDS - 1
    ld c, 6
    call DrawBox
    ld hl, wTileMap + 4 * SCREEN_WIDTH + 14
    xor a
.next:
    push af
    push hl
    call WordAt
    ld d, h
    ld e, l
    pop hl
    push hl
    call PlaceString
    pop hl
    ld de, 2 * SCREEN_WIDTH
    add hl, de
    pop af
    inc a
    cp WORDS
    jr nz, .next
    ld b, 13
    ld c, 4
    ld e, 2
    ld a, WORDS
    call SetMenu
    call DrawSprites        ; without those under the menu
    call ChooseLine
    push af
    call RestoreScreen2
    call DrawSprites
    pop af
    ret
