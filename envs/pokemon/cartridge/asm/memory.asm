; Where things lie in memory. What Pokémon Red has, lies where it lies there; the rest from $DE00.

wSprites      EQU $C100  ; 16 bytes each, the player's first
wPlayerPixelY EQU $C104  ; on the screen
wPlayerPixelX EQU $C106
wFacing       EQU $C109  ; 0 down, 4 up, 8 left, 12 right
wShadowOAM    EQU $C300
wTileMap      EQU $C3A0  ; 18 rows of 20 tiles
wTileMapBackup EQU $C508

wTopMenuItemY     EQU $CC24
wTopMenuItemX     EQU $CC25
wCurrentMenuItem  EQU $CC26
wMaxMenuItem      EQU $CC28
wLastMenuItem     EQU $CC2A
wPlayerMonNumber  EQU $CC2F
wListScrollOffset EQU $CC36
wScratch          EQU $CD3D  ; 30 bytes that hold nothing an agent reads
wTileMapBackup2   EQU $CD81
wStaleScreen      EQU $CE9D  ; a byte of wTileMapBackup2

wStringBuffer EQU $CF4B
wFontLoaded   EQU $CFC4  ; bit 0
wWalkCounter  EQU $CFC5
wTileInFront  EQU $CFC6

wEnemyNick    EQU $CFDA
wEnemyMon     EQU $CFE5
wEnemyHP      EQU $CFE6
wEnemyTypes   EQU $CFEA
wEnemyMoves   EQU $CFED
wEnemyLevel   EQU $CFF3
wEnemyMaxHP   EQU $CFF4
wEnemyAttack  EQU $CFF6
wEnemyDefense EQU $CFF8
wEnemySpeed   EQU $CFFA
wBattleNick    EQU $D009
wBattleMon     EQU $D014
wBattleHP      EQU $D015
wBattleTypes   EQU $D019
wBattleMoves   EQU $D01C
wBattleLevel   EQU $D022
wBattleMaxHP   EQU $D023
wBattleAttack  EQU $D025
wBattleDefense EQU $D027
wBattleSpeed   EQU $D029
wBattlePP      EQU $D02D
wTrainerClass EQU $D031
wTrainerName  EQU $D04A
wIsInBattle   EQU $D057
wCurOpponent  EQU $D059
wBattleType   EQU $D05A
wTextBoxID    EQU $D125  ; the box drawn last; nothing ever resets it

wPlayerName   EQU $D158
wPartyCount   EQU $D163
wPartySpecies EQU $D164
wPartyMons    EQU $D16B
wPokedexOwned EQU $D2F7
wPokedexSeen  EQU $D30A
wNumBagItems  EQU $D31D
wBagItems     EQU $D31E
wPlayerMoney  EQU $D347  ; 3 bytes, binary-coded decimal
wOptions      EQU $D355  ; low 3 bits: frames for each letter
wBadges       EQU $D356
wCurMap       EQU $D35E
wYCoord       EQU $D361
wXCoord       EQU $D362
wLastMap      EQU $D365
wTileset      EQU $D367
wMapHeight    EQU $D368  ; blocks of 4 by 4 tiles
wMapWidth     EQU $D369
wMovingDirection EQU $D528  ; bits: 8 up, 4 down, 2 left, 1 right
wLastDirection   EQU $D529
wDirection       EQU $D52A
wLastBlackoutMap EQU $D719
wEventFlags   EQU $D747
wGrassRate    EQU $D887  ; the byte behind the events
wEnemyPartyCount   EQU $D89C
wEnemyPartySpecies EQU $D89D
wEnemyMons         EQU $D8A4
wPlayTimeHours   EQU $DA41
wPlayTimeMinutes EQU $DA43
wPlayTimeSeconds EQU $DA44
wPlayTimeFrames  EQU $DA45

; The game's own.
wSeed      EQU $DE00  ; 2 bytes, low first: frames waited, or what was written here, until a button
wSeeded    EQU $DE02  ; 1 from the first button on
wRandom    EQU $DE03  ; 2 bytes
wWord      EQU $DE05  ; which of the words is the right one
wGateShut  EQU $DE06  ; 1 after a wrong answer
wSteps     EQU $DE07  ; parity chooses the foot
wRoom      EQU $DE10  ; the record of the room, from places.asm
wRoomCells    EQU wRoom
wRoomWarps    EQU wRoom + 2
wRoomThings   EQU wRoom + 4
wRoomTriggers EQU wRoom + 6
wRoomWild     EQU wRoom + 8
wRoomRate     EQU wRoom + 10
wTargetY   EQU $DE20
wTargetX   EQU $DE21
wMenuStep  EQU $DE23  ; rows between two lines of a menu
wMenuKeys  EQU $DE24  ; buttons that end a menu
wChosenMove  EQU $DE28
wEnemyChoice EQU $DE29
wDamage      EQU $DE30  ; 2 bytes, high first
wEffect      EQU $DE32  ; 0 weak, 1 plain, 2 strong
wResult      EQU $DE33
wEnemyNumber EQU $DE34  ; which of the opponent's critters is out
wCritter     EQU $DE35  ; 2 bytes: record in critters.asm of the one looked up last
wGained      EQU $DE37  ; 2 bytes, high first
wPrize       EQU $DE39  ; 3 bytes, binary-coded decimal
wMove      EQU $DE80  ; 15 bytes: record of the move in use
wThings    EQU $DE40  ; 8 of 5 bytes: y, x, picture, script; $FF ends
wNumberText EQU $DE70  ; 8 bytes: a number as a string
wWordText  EQU $DE78  ; 8 bytes
wStack     EQU $DFFF

hTransferOAM EQU $FF80  ; 10 bytes of code
hWY          EQU $FFB0  ; $90 hides the window
hJoyLast     EQU $FFB1
hJoyReleased EQU $FFB2
hJoyPressed  EQU $FFB3
hJoyHeld     EQU $FFB4
hTransfer     EQU $FFBA  ; whether wTileMap is copied to the screen
hTransferPart EQU $FFBB  ; which third comes next
hTransferTo   EQU $FFBC  ; high byte of where it goes
hFrameDone    EQU $FFD6
hJoyInput     EQU $FFF8
