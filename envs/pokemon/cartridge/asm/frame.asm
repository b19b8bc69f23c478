; Time: what happens in every frame.

; Between two pictures: sprites, a third of the screen, the window.
VBlank:
    push af
    push bc
    push de
    push hl
    call hTransferOAM
    ldh a, [hTransfer]
    and a
    call nz, TransferThird
    ldh a, [hWY]
    ldh [rWY], a
    ld a, 1
    ldh [hFrameDone], a
    pop hl
    pop de
    pop bc
    pop af
    reti

; Copied to high memory, the only one that can be read meanwhile.
TransferOAM:
    ld a, HIGH(wShadowOAM)
    ldh [rDMA], a
    ld a, 40
.wait:
    dec a
    jr nz, .wait
    ret
.end:

; Copies six rows of wTileMap to the background or the window.
TransferThird:
    ldh a, [hTransferTo]
    ld d, a
    ld e, 0
    ldh a, [hTransferPart]
    ld hl, wTileMap
    and a
    jr z, .copy
    ld hl, wTileMap + 120
    ld e, 192
    dec a
    jr z, .copy
    ld hl, wTileMap + 240
    inc d
    ld e, 384 - 256
.copy:
    ldh a, [hTransferPart]
    inc a
    cp 3
    jr nz, .keep
    xor a
.keep:
    ldh [hTransferPart], a
    ld b, 6
.row:
    ld c, 5
.four:
    ld a, [hl+]
    ld [de], a
    inc e
    ld a, [hl+]
    ld [de], a
    inc e
    ld a, [hl+]
    ld [de], a
    inc e
    ld a, [hl+]
    ld [de], a
    inc e
    dec c
    jr nz, .four
    ld a, e
    add 12
    ld e, a
    jr nc, .next
    inc d
.next:
    dec b
    jr nz, .row
    ret

; Waits for the next frame and reads the joypad. Keeps all registers but a.
WaitFrame:
    push bc
    push de
    push hl
    xor a
    ldh [hFrameDone], a
.wait:
    halt
    nop
    ldh a, [hFrameDone]
    and a
    jr z, .wait
    call ReadJoypad
    call CountTime
    call CountSeed
    pop hl
    pop de
    pop bc
    ret

; c frames. Keeps all registers but a and c.
WaitFrames:
    call WaitFrame
    dec c
    jr nz, WaitFrames
    ret

ReadJoypad:
    ld a, $20
    ldh [rJOYP], a
    ldh a, [rJOYP]
    ldh a, [rJOYP]
    cpl
    and $0F
    swap a
    ld b, a
    ld a, $10
    ldh [rJOYP], a
    ldh a, [rJOYP]
    ldh a, [rJOYP]
    ldh a, [rJOYP]
    ldh a, [rJOYP]
    cpl
    and $0F
    or b
    ld b, a
    ld a, $30
    ldh [rJOYP], a
    ld a, b
    ldh [hJoyInput], a
    ldh a, [hJoyHeld]
    ldh [hJoyLast], a
    ld c, a
    xor b
    ld d, a                 ; what changed
    and b
    ldh [hJoyPressed], a
    ld a, d
    and c
    ldh [hJoyReleased], a
    ld a, b
    ldh [hJoyHeld], a
    cp RESET_CHORD
    jp z, Start
    ret

; Hours, minutes, seconds and frames since the first button.
CountTime:
    ld a, [wSeeded]
    and a
    ret z
    ld hl, wPlayTimeFrames
    inc [hl]
    ld a, [hl]
    cp 60
    ret c
    ld [hl], 0
    ld hl, wPlayTimeSeconds
    inc [hl]
    ld a, [hl]
    cp 60
    ret c
    ld [hl], 0
    ld hl, wPlayTimeMinutes
    inc [hl]
    ld a, [hl]
    cp 60
    ret c
    ld [hl], 0
    ld hl, wPlayTimeHours
    inc [hl]
    ret

; Until the first button the seed counts frames; then everything that is drawn follows from it.
CountSeed:
    ld a, [wSeeded]
    and a
    ret nz
    ldh a, [hJoyHeld]
    and a
    jr nz, .first
    ld hl, wSeed
    inc [hl]
    ret nz
    inc hl
    inc [hl]
    ret
.first:
    ld a, 1
    ld [wSeeded], a
    ld a, [wSeed]
    ld [wRandom], a
    ld a, [wSeed + 1]
    ld [wRandom + 1], a
    call Random
    call Random
    call Random
    call Random             ; seeds next to each other have grown apart
    rlca
    rlca
    and 3
    ld [wWord], a
    ret
