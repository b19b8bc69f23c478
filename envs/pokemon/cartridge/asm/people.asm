; What people say and do.

; A text and nothing else: scripts of signs and passers-by.
ReadVillageSign:
    ld hl, VillageSignText
    jp Talk
ReadRouteSign:
    ld hl, RouteSignText
    jp Talk
ReadTownSign:
    ld hl, TownSignText
    jp Talk
ReadGymSign:
    ld hl, GymSignText
    jp Talk
ReadForestSign:
    ld hl, ForestSignText
    jp Talk
TalkToWoman:
    ld hl, WomanText
    jp Talk
TalkToKeeperAside:
    ld hl, KeeperAsideText
    jp Talk
TalkToGuardAside:
    ld hl, GuardAsideText
    jp Talk
TalkToGuard:
    ld hl, GuardText
    jp Talk

; Heals, and is where the player wakes after a defeat.
TalkToNurse:
    call OpenDialogue
    ld hl, NurseAsksText
    call PrintText
    call YesNo
    jr c, .no
    call HealParty
    ld a, MAP_CLINIC
    ld [wLastBlackoutMap], a
    ld hl, NurseDoneText
    jr EndTalk
.no:
    ld hl, NurseNoText
    ; falls through

; The last text of a conversation, then a button.
EndTalk:
    call PrintText
    call WaitPress
    jp CloseDialogue

; Sells potions.
TalkToClerk:
    call OpenDialogue
    ld hl, ClerkAsksText
    call PrintText
    call YesNo
    jr c, .no
    ld hl, PotionPrice
    call SpendMoney
    jr c, .poor
    ld b, ITEM_POTION
    call GiveItem
    ld hl, ClerkSoldText
    jr EndTalk
.poor:
    ld hl, ClerkPoorText
    jr EndTalk
.no:
    ld hl, ClerkNoText
    jr EndTalk

PotionPrice:
    db $00, $03, $00

; Gives a second critter, once.
TalkToElder:
    ld de, EVENT_GOT_CRITTER
    call IsSet
    jr nz, .later
    call OpenDialogue
    ld hl, ElderAsksText
    call PrintText
    call YesNo
    jr c, .no
    ld b, CINDERUP
    ld c, 6
    call GiveCritter
    jr c, .full
    ld de, EVENT_GOT_CRITTER
    call SetEvent
    ld hl, ElderGivesText
    jr EndTalk
.full:
    ld hl, ElderFullText
    jr EndTalk
.no:
    ld hl, ElderNoText
    jr EndTalk
.later:
    ld hl, ElderLaterText
    jp Talk

; An event that can happen again and again.
SwitchRadio:
    ld de, EVENT_RADIO_ON
    call FlipEvent
    ld de, EVENT_RADIO_ON
    call IsSet
    ld hl, RadioOnText
    jp nz, Talk
    ld hl, RadioOffText
    jp Talk

; Things on the ground.
TakePotion:
    ld b, ITEM_POTION
    ld de, EVENT_FOUND_POTION
    ld hl, FoundPotionText
    jr TakeThing
TakeNets:
    ld b, ITEM_NET
    push bc
    call GiveItem
    call GiveItem
    pop bc
    ld de, EVENT_FOUND_NETS
    ld hl, FoundNetsText
    ; falls through

; Puts the item b into the bag, shows the text at hl and sets the event de.
TakeThing:
    push hl
    push de
    call GiveItem
    pop de
    call SetEvent
    call PlaceThings
    pop hl
    jp Talk

; Trainers who see the player coming.
MeetRouteBoy:
    ld de, EVENT_BEAT_ROUTE_BOY
    call IsSet
    ret nz
    jr FightRouteBoy
TalkToRouteBoy:
    ld hl, RouteBoyLaterText
    ld de, EVENT_BEAT_ROUTE_BOY
    call IsSet
    jp nz, Talk
FightRouteBoy:
    ld hl, RouteBoyText
    call Talk
    ld hl, RouteBoyTeam
    call TrainerBattle
    ret c
    ld de, EVENT_BEAT_ROUTE_BOY
    jp SetEvent

MeetPupil:
    ld de, EVENT_BEAT_GYM_BOY
    call IsSet
    ret nz
    jr FightPupil
TalkToPupil:
    ld hl, PupilLaterText
    ld de, EVENT_BEAT_GYM_BOY
    call IsSet
    jp nz, Talk
FightPupil:
    ld hl, PupilText
    call Talk
    ld hl, PupilTeam
    call TrainerBattle
    ret c
    ld de, EVENT_BEAT_GYM_BOY
    jp SetEvent

; The leader, whose badge opens the way to the forest.
TalkToFlint:
    ld hl, FlintLaterText
    ld de, EVENT_BEAT_FLINT
    call IsSet
    jp nz, Talk
    ld hl, FlintText
    call Talk
    ld hl, FlintTeam
    call TrainerBattle
    ret c
    ld de, EVENT_BEAT_FLINT
    call SetEvent
    ld hl, wBadges
    set 0, [hl]
    ld hl, FlintBadgeText
    jp Talk

; The last one.
TalkToIris:
    ld hl, IrisText
    call Talk
    ld hl, IrisTeam
    call TrainerBattle
    ret c
    ld de, EVENT_BEAT_IRIS
    call SetEvent
    ld hl, wBadges
    set 1, [hl]
    ld hl, IrisBadgeText
    call Talk
    jp Ending
