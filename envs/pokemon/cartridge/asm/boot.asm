; Where the console starts, and a new game.

org $40
    jp VBlank

org $100
    nop
    jp Start

; The header; build.py fills in the title and the checksums. There is no logo.
org $150

Start:
    di
    ld sp, wStack
    call ScreenOff
    ld hl, $C000
    ld bc, $1FF0            ; all but the stack
    call ClearMemory
    ld hl, $8000
    ld bc, $2000
    call ClearMemory
    ld hl, hWY
    ld bc, $FFFE - hWY
    call ClearMemory
    ld hl, TransferOAM
    ld de, hTransferOAM
    ld bc, TransferOAM.end - TransferOAM
    call CopyMemory
    call LoadFont
    ld hl, SpriteTiles
    ld de, VRAM_SPRITES
    ld bc, SpriteTiles.end - SpriteTiles
    call CopyMemory
    xor a
    ldh [rSCY], a
    ldh [rSCX], a
    ldh [rIF], a
    ld a, 7
    ldh [rWX], a
    ld a, $90
    ldh [hWY], a
    ldh [rWY], a
    ld a, HIGH(VRAM_BACKGROUND)
    ldh [hTransferTo], a
    ld a, 1
    ldh [hTransfer], a
    ldh [rIE], a            ; the vertical blank interrupts
    ld [wSeeded], a         ; no frame counts yet
    call ClearScreen
    call Title
    call NewGame
    jp Overworld

; What a new game begins with.
NewGame:
    ld hl, NewPlayer
    ld de, wPlayerName
    ld bc, NAME_SIZE
    call CopyMemory
    ld a, 3
    ld [wOptions], a
    ld a, BOX_MESSAGE
    ld [wTextBoxID], a
    ld a, $30
    ld [wPlayerMoney + 1], a
    ld a, MAP_HOME
    ld [wLastBlackoutMap], a
    ld a, $FF
    ld [wPartySpecies], a
    ld [wBagItems], a
    ld b, ITEM_POTION
    call GiveItem
    ld b, SPRIGLET
    ld c, 5
    call GiveCritter
    call LayTraps
    call Whiten
    call LoadRoomTiles
    call GoHome
    xor a
    ld [wSeed], a
    ld [wSeed + 1], a
    ld [wSeeded], a
    ret

NewPlayer:
    db "ROBIN@@@@@@"

; Memory that looks like something and is nothing, as in the game whose layout this is: letters in
; buffers that are never shown, party members and items behind the last one.
LayTraps:
    ld hl, StaleScratch
    ld de, wScratch
    ld bc, StaleScratch.end - StaleScratch
    call CopyMemory
    ld hl, StaleText
    ld de, wStaleScreen
    ld bc, StaleText.end - StaleText
    call CopyMemory
    ld hl, wPartyMons + MON_SIZE
    ld c, PARTY_SIZE - 1
.member:
    ld de, StaleMember
    ld b, MON_SIZE
.byte:
    ld a, [de]
    ld [hl+], a
    inc de
    dec b
    jr nz, .byte
    dec c
    jr nz, .member
    ld hl, wPartySpecies + 2
    ld a, DRAKELET
    ld [hl+], a
    ld [hl+], a
    ld hl, wBagItems + 3
    ld a, ITEM_NET
    ld [hl+], a
    ld a, 99
    ld [hl], a
    ld a, 77                ; levels of opponents that are not there
    ld [wEnemyMons + MON_LEVEL], a
    ld [wEnemyMons + MON_SIZE + MON_LEVEL], a
    ret

StaleScratch:
    db "The word is WAND.@ABCDEFGHIJKL"
.end:

StaleText:
    db "The word is TOAD."
.end:

StaleMember:
    db DRAKELET, $01, $F4, 0, 0, DRAGON, DRAGON, 45
    db MOVE_RAGE, MOVE_BITE, 0, 0, 0, 0, $0F, $FF, $FF
    ds 10, 0
    db $FF, $FF, 35, 35, 0, 0, 77
    db $01, $F4, 0, 200, 0, 200, 0, 200, 0, 200
